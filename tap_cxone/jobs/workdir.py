"""The work folder: a private folder for files until they are emitted, removed however the run ends.

A process that is killed cannot remove its folder. The operating system releases the lock on the folder, so the next
run recognises it as abandoned and removes it.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from tap_cxone.errors import disk_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cxone.windows import Window

_PREFIX = "tap-cxone-"
_LOCK = "lock"


@contextlib.contextmanager
def open_workdir(parent: str | None = None) -> Iterator[Path]:
    """Create a folder that only its owner may read; remove it with its contents at the end.

    Args:
        parent: where it is created; None: in the system's folder for temporary files.

    Raises:
        DiskError: it cannot be created.
    """
    place = Path(parent or tempfile.gettempdir())
    _remove_abandoned(place)
    with contextlib.ExitStack() as stack:
        with disk_errors(place):
            place.mkdir(parents=True, exist_ok=True)
            folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix=_PREFIX, dir=place, ignore_cleanup_errors=True))
            )
            stack.enter_context(FileLock(folder / _LOCK))
        yield folder


class DiskBudget:
    """Bounds the bytes that verified files take up on disk until they are emitted. Thread-safe.

    The limit applies to the start of a verification, whose size is not known before, and never to the earliest window,
    since nothing would be emitted otherwise. So the files together exceed it by one file at most.

    Attributes:
        limit: bytes from which no further file is verified ahead; no download may be longer.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held: dict[Window, int] = {}
        self._lock = threading.Lock()

    def has_room(self, window: Window) -> bool:
        """Return whether the file of a window may be verified now."""
        with self._lock:
            return sum(self._held.values()) < self.limit or not any(held < window for held in self._held)

    def hold(self, window: Window, size: int) -> None:
        """Count the verified file of a window, of this size in bytes."""
        with self._lock:
            self._held[window] = size

    def release(self, window: Window) -> None:
        """Stop counting the file of a window, because it has been deleted."""
        with self._lock:
            self._held.pop(window, None)


def _remove_abandoned(parent: Path) -> None:
    """Remove the folders that killed runs have left."""
    for folder in parent.glob(f"{_PREFIX}*"):
        lock = folder / _LOCK
        # Without a lock file the folder belongs to another user, is being created, or is not one of ours.
        with contextlib.suppress(OSError, Timeout):
            if lock.is_file():
                with FileLock(lock, blocking=False):
                    shutil.rmtree(folder, ignore_errors=True)
