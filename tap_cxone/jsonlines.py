"""Append-only JSON Lines files that only their owner may read: audit log, quarantine.

A line is handed to the operating system in one piece, so lines of several processes do not mix and a killed process
leaves whole lines; half a line that a full disk left behind is closed off before the next one is written.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from tap_cxone.errors import CxoneError

if TYPE_CHECKING:
    from types import TracebackType

_OWNER_ONLY = 0o600


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
            file = Path(path).expanduser()
            file.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, _OWNER_ONLY)
            self._unfinished = _ends_in_half_a_line(self._fd)
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
            if self._unfinished:
                data = b"\n" + data
            try:
                self._unfinished = os.write(self._fd, data) < len(data)
                if self._durable:
                    os.fsync(self._fd)
            except OSError as err:
                msg = f"Setting '{self._setting}': the file cannot be written ({err.strerror})."
                raise CxoneError(msg) from err
        if self._unfinished:
            msg = f"Setting '{self._setting}': the file cannot be written (the disk is full)."
            raise CxoneError(msg)

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


def _ends_in_half_a_line(fd: int) -> bool:
    size = os.fstat(fd).st_size
    return size > 0 and os.pread(fd, 1, size - 1) != b"\n"
