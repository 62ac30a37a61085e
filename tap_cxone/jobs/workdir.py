"""The spool: a private folder for files on their way, removed however the run ends.

A process that is killed cannot remove its own. The lock on its folder is gone with it, so the next run knows it for
what it is and removes it.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = "tap-cxone-"
_LOCK = "lock"


@contextlib.contextmanager
def open_spool() -> Iterator[Path]:
    """Make a folder that only its owner may read, and remove it with all that is in it."""
    _sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with FileLock(folder / _LOCK):
            yield folder


def _sweep(parent: Path) -> None:
    """Remove what killed runs have left."""
    for folder in parent.glob(f"{_PREFIX}*"):
        lock = folder / _LOCK
        # Without a lock file it is another user's, just being made, or none of ours.
        with contextlib.suppress(OSError, Timeout):
            if lock.is_file():
                with FileLock(lock, blocking=False):
                    shutil.rmtree(folder, ignore_errors=True)
