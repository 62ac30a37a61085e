"""The work folder: a private folder for downloaded files, removed however the run ends.

A process that is killed cannot remove its folder. The operating system releases the lock on the folder, so the next
run recognises it as abandoned and removes it.
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
def open_workdir() -> Iterator[Path]:
    """Create a folder that only its owner may read; remove it with its contents at the end."""
    _remove_abandoned(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with FileLock(folder / _LOCK):
            yield folder


def _remove_abandoned(parent: Path) -> None:
    """Remove the folders that killed runs have left."""
    for folder in parent.glob(f"{_PREFIX}*"):
        lock = folder / _LOCK
        # Without a lock file the folder belongs to another user, is being created, or is not one of ours.
        with contextlib.suppress(OSError, Timeout):
            if lock.is_file():
                with FileLock(lock, blocking=False):
                    shutil.rmtree(folder, ignore_errors=True)
