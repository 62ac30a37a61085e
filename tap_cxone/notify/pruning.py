"""Cutting the audit log: what is old goes, what is still due stays.

The log is replaced in one step, by a file that holds the old lines that are needed and everything from the first
young line on, byte for byte. A tap that writes meanwhile is held up for that long and goes on in the new file
(see ``tap_cxone.observability.jsonlines``).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from tap_cxone.dates import format_date
from tap_cxone.errors import CxoneError
from tap_cxone.notify.auditlog import locked, opened
from tap_cxone.notify.ledger import CONFIRMED, STARTED, extraction_id, matching_lines, read_ledger
from tap_cxone.observability.jsonlines import locked as writing_locked

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from tap_cxone.notify.ledger import Extraction
    from tap_cxone.notify.receivers import Receiver


class _Dated(msgspec.Struct):
    logged_at: str


@dataclass(frozen=True)
class Cut:
    """What a cut came to.

    Attributes:
        before: size of the log before it, in bytes.
        after: size behind it.
        due: windows older than the cut whose lines were kept, because somebody is still to be told of them.
    """

    before: int
    after: int
    due: int


def prune(log: Path, receivers: list[Receiver], oldest: datetime) -> Cut:
    """Cut an audit log.

    Args:
        log: the file.
        receivers: who has to have been told of a window before it may go; none: nobody, so that every window stays.
        oldest: lines before it go.

    Raises:
        CxoneError: the file cannot be read, written or locked.
    """
    with locked(log), opened(log) as reading:
        if reading is None:
            return Cut(0, 0, 0)
        try:
            return _replace(log, reading, receivers, oldest)
        except OSError as err:
            msg = f"Setting 'audit_log_path': the file cannot be cut ({err.strerror}); it is as it was."
            raise CxoneError(msg) from err


def _replace(log: Path, reading: BinaryIO, receivers: list[Receiver], oldest: datetime) -> Cut:
    young = _first_young(reading, oldest)
    needed = {window.webhook_id: window.offset for window in _needed(reading, receivers)}
    descriptor, name = tempfile.mkstemp(dir=log.parent, prefix=f"{log.name}.")  # for its owner only
    try:
        with os.fdopen(descriptor, "wb") as writing, writing_locked(reading.fileno()):
            owner = os.fstat(reading.fileno())
            if hasattr(os, "chown") and owner.st_uid != os.getuid():  # root cuts the log of the one who runs the tap
                os.chown(name, owner.st_uid, owner.st_gid)
            for line in _kept(reading, needed, young):
                writing.write(line)
            reading.seek(young)
            shutil.copyfileobj(reading, writing)
            writing.flush()
            os.fsync(writing.fileno())
            before, after = reading.tell(), writing.tell()
            Path(name).replace(log)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Cut(before, after, sum(offset < young for offset in needed.values()))


def _needed(reading: BinaryIO, receivers: list[Receiver]) -> Iterator[Extraction]:
    """Yield the windows that somebody is, or may be, still to be told of."""
    reading.seek(0)
    ledger = read_ledger(reading)
    yield from ledger.waiting
    for receiver in receivers:
        yield from ledger.due(receiver.name)
    if not receivers:
        yield from ledger.windows


def _first_young(reading: BinaryIO, oldest: datetime) -> int:
    """Return where the first line begins that is not old."""
    reading.seek(0)
    decoder = msgspec.json.Decoder(_Dated)
    date = format_date(oldest)
    offset = 0
    for line in reading:
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):  # half a line, or none of ours
            if decoder.decode(line).logged_at >= date:
                break
        offset += len(line)
    return offset


def _kept(reading: BinaryIO, needed: Collection[str | None], young: int) -> Iterator[bytes]:
    """Yield the old lines that decide on what is needed."""
    if not needed:
        return
    reading.seek(0)
    for offset, raw, line in matching_lines(reading):
        if offset >= young:
            return
        if line.event in {STARTED, CONFIRMED} or extraction_id(line) in needed:
            yield raw
