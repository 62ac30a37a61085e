"""The reader of the audit log: opens the file and decodes its lines.

A log may have millions of lines, lines cut off by a crash, and lines that something else wrote. Every function reads
line by line in constant memory and skips what it cannot decode.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import msgspec

from tap_cxone.errors import CxoneError, SettingsError
from tap_cxone.observability.events import Event
from tap_cxone.observability.jsonlines import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

_LINES_TO_RECOGNISE = 20
_LONGEST_LINE_TO_RECOGNISE = 2**20


class Entry(NamedTuple):
    """An event and its position in the log.

    Attributes:
        offset: where its line begins, in bytes; of several logs as ``AuditLogs`` defines it.
        line: the line as it is in the file, with its line break.
        event: the decoded line.
    """

    offset: int
    line: bytes
    event: Event


class _NameOnly(msgspec.Struct):
    event: str


class _TimeOnly(msgspec.Struct):
    logged_at: str


class _Named(_NameOnly):
    logged_at: str


class _SampleOnly(msgspec.Struct):
    sample: list[msgspec.Raw] = []


def audit_log_file(path: str) -> Path:
    """Return the absolute path of an audit log, with links resolved, so that all processes lock it by the same name.

    Raises:
        CxoneError: no file can have this path.
    """
    try:
        return Path(path).expanduser().resolve()
    except (OSError, ValueError, RuntimeError):
        msg = f"Setting 'audit_log_path': the path {path!r} is not usable."
        raise CxoneError(msg) from None


@contextlib.contextmanager
def open_audit_log(log: Path) -> Iterator[BinaryIO | None]:
    """Open an audit log for reading; None if the file does not exist yet.

    Raises:
        CxoneError: the file cannot be read.
    """
    try:
        file = log.open("rb")
    except FileNotFoundError:
        yield None
        return
    except OSError as err:
        msg = f"Setting 'audit_log_path': the file {str(log)!r} cannot be read ({err.strerror})."
        raise CxoneError(msg) from err
    with file:
        yield file


class AuditLogReader:
    """Reads the events of some kinds and skips the others.

    Args:
        names: the kinds of events to return.
        on_unreadable: called with the offset of each unreadable line.

    Attributes:
        lines: number of lines read so far.
        unreadable: how many of them are neither a valid event nor empty. The fields of events of other kinds are not
            checked.
    """

    def __init__(self, names: Collection[str], on_unreadable: Callable[[int], None] | None = None) -> None:
        self._names = frozenset(names)
        self._on_unreadable = on_unreadable
        self.lines = 0
        self.unreadable = 0

    def read(self, log: BinaryIO, offset: int = 0) -> Iterator[Entry]:
        """Yield the events of the wanted kinds. Every line is decoded, so all unreadable lines are counted.

        Args:
            log: the file, at its beginning.
            offset: the offset of its first line.
        """
        return self._decode(log, lambda _line: True, offset)

    def read_quickly(self, log: BinaryIO, offset: int = 0) -> Iterator[Entry]:
        """Yield the same events, but decode only lines that contain one of their names.

        Faster if the wanted kinds are rare. Unreadable lines that contain none of the names are not counted.

        Args:
            log: the file, at its beginning.
            offset: the offset of its first line.
        """
        names = b'(?:%s)"' % b"|".join(re.escape(name).encode() for name in sorted(self._names))
        contains_name = re.compile(b'"' + names).search
        # The tap writes the name first, so that the search through a long line of another kind can be avoided.
        begins_with_other = re.compile(rb'\{\s*"event"\s*:\s*"(?!' + names + b")").match
        return self._decode(log, lambda line: not begins_with_other(line) and contains_name(line) is not None, offset)

    def _decode(self, log: BinaryIO, is_candidate: Callable[[bytes], bool], offset: int) -> Iterator[Entry]:
        decode = msgspec.json.Decoder(Event).decode
        names = self._names
        length = 0
        for line in log:
            offset, length = offset + length, len(line)
            self.lines += 1
            if not is_candidate(line):
                continue
            try:
                event = decode(line)
            except UNREADABLE:
                self._skip(line, offset)
                continue
            if event.event in names:
                yield Entry(offset, line, event)

    def _skip(self, line: bytes, offset: int) -> None:
        try:
            if msgspec.json.decode(line, type=_NameOnly).event not in self._names:
                return
        except UNREADABLE:
            if not line.strip():
                return
        self.unreadable += 1
        if self._on_unreadable:
            self._on_unreadable(offset)


def is_audit_log(path: Path) -> bool:
    """Return whether one of the first lines of a file is an event with its time.

    Raises:
        OSError: the file cannot be read.
    """
    decode = msgspec.json.Decoder(_Named).decode
    with path.open("rb") as file:
        for _ in range(_LINES_TO_RECOGNISE):
            with contextlib.suppress(*UNREADABLE):
                decode(file.readline(_LONGEST_LINE_TO_RECOGNISE))
                return True
    return False


def check_audit_log(name: str) -> None:
    """Raise SettingsError if a file holds something else than an audit log: nothing may be written into it."""
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # reported where the file is opened
        path = Path(name).expanduser()
        if path.is_file() and path.stat().st_size and not is_audit_log(path):
            msg = f"Setting 'audit_log_path': the file {str(path)!r} is not an audit log: name another one."
            raise SettingsError(msg)


def first_offset_since(log: BinaryIO, logged_at: str) -> int:
    """Return the offset in bytes of the first line logged at or after a time; the size of the log if there is none.

    Args:
        log: the file, at its beginning.
        logged_at: the time, as the audit log writes it.
    """
    decode = msgspec.json.Decoder(_TimeOnly).decode
    offset = 0
    for line in log:
        with contextlib.suppress(*UNREADABLE):
            if decode(line).logged_at >= logged_at:
                break
        offset += len(line)
    return offset


def first_logged_at(log: BinaryIO) -> str:
    """Return the time of the first line that has one, as the audit log writes it; empty if there is none.

    Args:
        log: the file; its position is changed.
    """
    decode = msgspec.json.Decoder(_TimeOnly).decode
    log.seek(0)
    for line in log:
        with contextlib.suppress(*UNREADABLE):
            return decode(line).logged_at
    return ""


def read_sample(log: BinaryIO, offset: int, length: int) -> list[msgspec.Raw]:
    """Return the sample records of one line, each as the JSON text in the log; none if the line cannot be read.

    Args:
        log: the file; its position is changed.
        offset: where the line begins, in bytes.
        length: length of the line, in bytes.
    """
    log.seek(offset)
    line = log.read(length)
    try:
        line.decode()  # msgspec.Raw is not decoded, but has to be valid UTF-8 to be sent
        return msgspec.json.decode(line, type=_SampleOnly).sample
    except UNREADABLE:
        return []
