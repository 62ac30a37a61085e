"""Prunes the audit log: removes old lines, except those of windows that are still due.

The log is replaced in one step by a file with the old lines that are needed, followed by everything from the first line
that is not old, byte for byte.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from tap_cxone.dates import format_date
from tap_cxone.errors import CxoneError
from tap_cxone.notify.locking import locked
from tap_cxone.notify.replacing import replacement
from tap_cxone.observability.audit_reader import first_offset_since, open_audit_log
from tap_cxone.observability.delivery_ledger import RUN_EVENTS, read_entries, read_ledger, window_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime
    from pathlib import Path

    from tap_cxone.notify.receivers import Receiver
    from tap_cxone.observability.delivery_ledger import ExtractedWindow


@dataclass(frozen=True)
class PruneResult:
    """The result of pruning.

    Attributes:
        bytes_before: size of the log before.
        bytes_after: size of the log after.
        due: number of old windows whose lines were kept, because a receiver has not been notified of them.
    """

    bytes_before: int
    bytes_after: int
    due: int


def prune(log: Path, receivers: list[Receiver], oldest: datetime) -> PruneResult:
    """Prune an audit log.

    Args:
        log: the file.
        receivers: a window is kept until all of them have been notified of it. Without receivers every window is kept.
        oldest: lines logged before this time are removed.

    Raises:
        CxoneError: the file cannot be read, written or locked.
    """
    with locked(log), open_audit_log(log) as reading:
        if reading is None:
            return PruneResult(0, 0, 0)
        try:
            return _replace(log, reading, receivers, oldest)
        except OSError as err:
            msg = f"Setting 'audit_log_path': the file cannot be pruned ({err.strerror}); it is unchanged."
            raise CxoneError(msg) from err


def _replace(log: Path, reading: BinaryIO, receivers: list[Receiver], oldest: datetime) -> PruneResult:
    old_bytes = first_offset_since(reading, format_date(oldest))
    needed = {window.webhook_id: window.offset for window in _needed(reading, receivers)}
    with replacement(log, reading) as writing:
        for line in _needed_lines(reading, needed, old_bytes):
            writing.write(line)
        reading.seek(old_bytes)
        shutil.copyfileobj(reading, writing)
        before, after = reading.tell(), writing.tell()
    return PruneResult(before, after, sum(offset < old_bytes for offset in needed.values()))


def _needed(reading: BinaryIO, receivers: list[Receiver]) -> Iterator[ExtractedWindow]:
    """Yield the windows that are due to a receiver, or will be."""
    reading.seek(0)
    ledger = read_ledger(reading)
    yield from ledger.waiting
    for receiver in receivers:
        yield from ledger.due(receiver.name)
    if not receivers:
        yield from ledger.windows


def _needed_lines(reading: BinaryIO, needed: Collection[str | None], old_bytes: int) -> Iterator[bytes]:
    """Yield the old lines that the ledger needs for some windows."""
    if not needed:
        return
    reading.seek(0)
    for offset, line, event in read_entries(reading, log_problems=False):
        if offset >= old_bytes:
            return
        if event.event in RUN_EVENTS or window_id(event) in needed:
            yield line
