"""Append-only JSON Lines files that only their owner can read: audit log, quarantine, job journal.

Each line is written by one system call, so lines of several processes do not mix and a killed process leaves only whole
lines. An incomplete line, left by a full disk or a crash, is terminated before the next one is written. If the file is
replaced or moved away (by ``cxone-notify prune`` or a log rotation), it is opened again by its name.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from tap_cxone.errors import CxoneError, SettingsError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Errors that msgspec raises for a line that is not JSON, not UTF-8, or nested too deeply."""
_OWNER_ONLY = 0o600
_OTHERS = 0o077
_MAX_REOPENS = 100
"""Maximum for one line: a file system that reports a new identity of the file at every check would need more."""

logger = logging.getLogger("tap-cxone")


class JsonLinesFile:
    """One file, open for appending. Thread-safe.

    Args:
        path: the file; its folder is created if it is missing.
        setting: name of the setting with the path, for error messages.
        durable: whether ``write`` returns only when the line is on the disk (fsync).

    Raises:
        SettingsError: the file cannot be opened; the message names the setting.
    """

    def __init__(self, path: str, setting: str, *, durable: bool = False) -> None:
        self._setting = setting
        self._durable = durable
        self._lock = threading.Lock()
        self._closed = False
        self._has_warned = False
        try:
            self._path = Path(path).expanduser().absolute()
            self._fd = self._open()
        except (OSError, ValueError, RuntimeError) as err:  # also: a NUL in the path, a home folder that does not exist
            reason = (isinstance(err, OSError) and err.strerror) or "the path is not usable"
            msg = f"Setting '{setting}': the file {path!r} cannot be opened ({reason})."
            raise SettingsError(msg) from err

    def write(self, line: dict[str, Any]) -> None:
        """Append one object as a line.

        Raises:
            CxoneError: the disk is full, the file cannot be written any more, or it has been closed.
        """
        data = msgspec.json.encode(line) + b"\n"
        with self._lock:
            if self._closed:
                msg = f"Setting '{self._setting}': the file {str(self._path)!r} has been closed."
                raise CxoneError(msg)
            try:
                for _ in range(_MAX_REOPENS):
                    if (missing := self._append(data)) is not None:
                        break
                    moved, self._fd = self._fd, self._open()
                    os.close(moved)
                else:
                    missing = self._append(data, even_if_moved=True)
                if self._durable:
                    os.fsync(self._fd)
            except OSError as err:
                msg = f"Setting '{self._setting}': the file {str(self._path)!r} cannot be written ({err.strerror})."
                raise CxoneError(msg) from err
        if missing:
            msg = f"Setting '{self._setting}': the file {str(self._path)!r} cannot be written (the disk is full)."
            raise CxoneError(msg)

    def close(self) -> None:
        """Close the file; further calls have no effect."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._fd)

    def __enter__(self) -> Self:
        """Return the open file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, _OWNER_ONLY)
        if sys.platform != "win32" and not self._has_warned and _is_accessible_to_others(descriptor):
            self._has_warned = True
            self._exclude_others(descriptor)
        return descriptor

    def _exclude_others(self, descriptor: int) -> None:
        """Make a file that others may read or write one of its owner only, and say so."""
        with contextlib.suppress(OSError):  # it belongs to another user, for example
            os.fchmod(descriptor, _OWNER_ONLY)
        if _is_accessible_to_others(descriptor):
            logger.warning(
                "Setting '%s': the file can be read or written by others than its owner, and its mode cannot be "
                "changed: it should be 0600",
                self._setting,
            )
        else:
            logger.warning(
                "Setting '%s': the file could be read or written by others than its owner: its mode is 0600 now",
                self._setting,
            )

    def _append(self, data: bytes, *, even_if_moved: bool = False) -> int | None:
        """Write a line; return the number of bytes that are missing, or None if the file was moved or replaced."""
        with locked(self._fd):
            if not even_if_moved and self._was_moved():
                return None
            if _ends_in_incomplete_line(self._fd):
                data = b"\n" + data
            return len(data) - os.write(self._fd, data)

    def _was_moved(self) -> bool:
        try:
            return not os.path.samestat(os.fstat(self._fd), self._path.stat())
        except FileNotFoundError:
            return True


@contextlib.contextmanager
def locked(fd: int) -> Iterator[None]:
    """Lock a file against our other processes while a line is being written."""
    # Without such locks (on Windows), two processes may leave an empty line between theirs.
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if sys.platform != "win32":
            with contextlib.suppress(OSError):
                fcntl.flock(fd, fcntl.LOCK_UN)


def _is_accessible_to_others(fd: int) -> bool:
    mode = os.fstat(fd).st_mode
    return stat.S_ISREG(mode) and bool(mode & _OTHERS)


def _ends_in_incomplete_line(fd: int) -> bool:
    size = os.fstat(fd).st_size
    if not size:
        return False
    os.lseek(fd, size - 1, os.SEEK_SET)  # does not affect writing, which always appends
    return os.read(fd, 1) != b"\n"
