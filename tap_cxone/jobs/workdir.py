"""The work folder: a private folder for files until they are emitted, removed however the run ends.

A process that is killed cannot remove its folder. The operating system releases the lock on the folder, so the next
run recognises it as abandoned and removes it. A folder is recognised by its marker, which no other folder has by
accident. It is written when the lock is held, so that no folder with a marker can be locked before its owner ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
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
_MARKER = "tap-cxone-work-folder"
_SPARE_DESCRIPTORS = 2
"""Kept free for the removal of the folder, which opens it: a run may end because no more files can be opened."""
_MARKER_CONTENT = (
    b"b2c1f0a46d7e4c0c9f9d3f6f5a8e7d21: made by tap-cxone, which removes it when no process holds its lock.\n"
)


@contextlib.contextmanager
def open_workdir(parent: str | None = None) -> Iterator[Path]:
    """Create a folder that only its owner may read; remove it with its contents at the end.

    Args:
        parent: where it is created; None: in the system's folder for temporary files.

    Raises:
        DiskError: it cannot be created.
    """
    with disk_errors(parent or "for temporary files"):
        place = Path(parent or tempfile.gettempdir())  # a full disk is an OSError here, too
    _remove_abandoned(place)
    with contextlib.ExitStack() as stack, contextlib.ExitStack() as spare:  # the spare ones are closed first
        with disk_errors(place):
            place.mkdir(parents=True, exist_ok=True)
            for _ in range(_SPARE_DESCRIPTORS):
                spare.callback(os.close, os.open(os.devnull, os.O_RDONLY))
            folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix=_PREFIX, dir=place, ignore_cleanup_errors=True))
            )
            stack.enter_context(FileLock(folder / _LOCK))
            (folder / _MARKER).write_bytes(_MARKER_CONTENT)
        yield folder


class DiskBudget:
    """Bounds the bytes that verified files take up on disk until they are emitted. Thread-safe.

    The limit applies to the start of a verification, whose size is not known before, and never to the earliest window,
    since nothing would be emitted otherwise. So the files together exceed it by one file at most.

    Args:
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
    """Remove the folders that killed runs of the same user have left."""
    with contextlib.suppress(OSError):
        for folder in parent.glob(f"{_PREFIX}*"):
            with contextlib.suppress(OSError, Timeout):
                _remove_if_abandoned(folder)


def _remove_if_abandoned(folder: Path) -> None:
    if not _is_work_folder(folder):
        return
    with FileLock(folder / _LOCK, blocking=False):
        if _is_work_folder(folder):
            shutil.rmtree(folder, ignore_errors=True)
        else:  # its owner has just removed it, and taking the lock has created it again
            (folder / _LOCK).unlink(missing_ok=True)
            folder.rmdir()


def _is_work_folder(folder: Path) -> bool:
    """Return whether this program has made and locked a folder, for the same user."""
    try:
        status = folder.lstat()
        is_own = stat.S_ISDIR(status.st_mode) and (not hasattr(os, "getuid") or status.st_uid == os.getuid())
        return is_own and (folder / _MARKER).read_bytes() == _MARKER_CONTENT
    except OSError:
        return False
