"""Append-only JSON Lines files that only their owner may read: audit log, quarantine.

A line is handed to the operating system in one piece, so lines of several processes do not mix and a killed process
leaves whole lines; half a line that a full disk or a crash left behind is closed off before the next one is written.
A file that is replaced or moved away (``cxone-notify prune``, a rotation) is opened anew under its name.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from tap_cxone.errors import CxoneError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_OWNER_ONLY = 0o600
_MOST_MOVES = 100
"""After so many in a row for one line it is the file system that gives a file another identity at each look."""


class JsonLinesFile:
    """One file, open for appending.

    Args:
        path: the file; its folder is made where it is missing.
        setting: name of the setting that the path comes from, for messages.
        durable: whether a line is on the disk, not only with the operating system, when ``write`` returns.

    Raises:
        CxoneError: the file cannot be opened or written; the message names the setting.
    """

    def __init__(self, path: str, setting: str, *, durable: bool = False) -> None:
        self._setting = setting
        self._durable = durable
        self._lock = threading.Lock()
        try:
            self._path = Path(path).expanduser().absolute()
            self._fd = self._open()
        except (OSError, ValueError, RuntimeError) as err:  # also: a NUL in the path, a home that does not exist
            reason = (isinstance(err, OSError) and err.strerror) or "it is no usable path"
            msg = f"Setting '{setting}': the file cannot be opened ({reason})."
            raise CxoneError(msg) from err

    def write(self, line: dict[str, Any]) -> None:
        """Append one object as a line.

        Raises:
            CxoneError: the disk is full or the file is gone.
        """
        data = msgspec.json.encode(line) + b"\n"
        with self._lock:
            try:
                for _ in range(_MOST_MOVES):
                    if (rest := self._append(data)) is not None:
                        break
                    moved, self._fd = self._fd, self._open()
                    os.close(moved)
                else:
                    rest = self._append(data, wherever=True)
                if self._durable:
                    os.fsync(self._fd)
            except OSError as err:
                msg = f"Setting '{self._setting}': the file cannot be written ({err.strerror})."
                raise CxoneError(msg) from err
        if rest:
            msg = f"Setting '{self._setting}': the file cannot be written (the disk is full)."
            raise CxoneError(msg)

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, _OWNER_ONLY)

    def _append(self, data: bytes, *, wherever: bool = False) -> int | None:
        """Write a line; return how many bytes are missing, or none if the file is not the one of its name any more."""
        with locked(self._fd):
            if not wherever and self._was_moved():
                return None
            if _ends_in_half_a_line(self._fd):
                data = b"\n" + data
            return len(data) - os.write(self._fd, data)

    def _was_moved(self) -> bool:
        try:
            return not os.path.samestat(os.fstat(self._fd), self._path.stat())
        except FileNotFoundError:
            return True

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        """Return the open file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()


@contextlib.contextmanager
def locked(fd: int) -> Iterator[None]:
    """Keep other processes of ours from writing a line, and from looking for its end while one is being written."""
    # Where there are no such locks, two processes may leave an empty line between theirs.
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if sys.platform != "win32":
            with contextlib.suppress(OSError):
                fcntl.flock(fd, fcntl.LOCK_UN)


def _ends_in_half_a_line(fd: int) -> bool:
    size = os.fstat(fd).st_size
    if not size:
        return False
    os.lseek(fd, size - 1, os.SEEK_SET)  # which does not matter to writing: that is always at the end
    return os.read(fd, 1) != b"\n"
