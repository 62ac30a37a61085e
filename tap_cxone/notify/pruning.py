"""Prunes audit logs: removes old lines, except those of windows that are still due.

All logs together decide which windows are due. Then each log is replaced in one step by a file with the old lines that
are needed, followed by everything from the first line that is not old, byte for byte.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tap_cxone.dates import format_date
from tap_cxone.errors import CxoneError
from tap_cxone.notify.locking import all_locked
from tap_cxone.notify.replacing import replacement
from tap_cxone.observability.audit_files import AuditLogs, open_audit_logs
from tap_cxone.observability.audit_reader import first_offset_since
from tap_cxone.observability.delivery_ledger import RUN_EVENTS, read_entries, read_ledger
from tap_cxone.observability.window_ids import WindowIds

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    from tap_cxone.notify.receivers import Receiver
    from tap_cxone.observability.windows import ExtractedWindow


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


def prune(paths: Sequence[Path], receivers: list[Receiver], oldest: datetime) -> list[PruneResult]:
    """Prune audit logs, one after the other.

    Args:
        paths: the files; those that do not exist are left out.
        receivers: a window is kept until all of them have been notified of it. Without receivers every window is kept.
        oldest: lines logged before this time are removed.

    Returns:
        The result for each file that exists.

    Raises:
        CxoneError: a file cannot be read, written or locked.
    """
    existing = [path for path in paths if path.exists()]
    with all_locked(existing), open_audit_logs(existing) as logs:
        needed = {window.webhook_id: window for window in _needed(logs, receivers)}
        return [_prune(logs, number, needed, oldest) for number in range(len(logs.files))]


def _prune(logs: AuditLogs, number: int, needed: dict[str, ExtractedWindow], oldest: datetime) -> PruneResult:
    file = logs.files[number]
    try:
        file.seek(0)
        old_bytes = first_offset_since(file, format_date(oldest))
        before, after = _replace(Path(file.name), file, needed, old_bytes)
    except OSError as err:
        msg = f"Setting 'audit_log_path': the file cannot be pruned ({err.strerror}); it is unchanged."
        raise CxoneError(msg) from err
    places = (logs.locate(window.offset) for window in needed.values())
    return PruneResult(before, after, sum(place is file and position < old_bytes for place, position in places))


def _replace(log: Path, reading: BinaryIO, needed: Collection[str], old_bytes: int) -> tuple[int, int]:
    """Replace a file; return its size before and after."""
    with replacement(log, reading) as writing:
        for line in _needed_lines(reading, needed, old_bytes):
            writing.write(line)
        reading.seek(old_bytes)
        shutil.copyfileobj(reading, writing)
        return reading.tell(), writing.tell()


def _needed(logs: AuditLogs, receivers: list[Receiver]) -> Iterator[ExtractedWindow]:
    """Yield the windows that are due to a receiver, or will be."""
    ledger = read_ledger(logs)
    yield from ledger.waiting
    for receiver in receivers:
        yield from ledger.due(receiver.name)
    if not receivers:
        yield from ledger.windows


def _needed_lines(reading: BinaryIO, needed: Collection[str], old_bytes: int) -> Iterator[bytes]:
    """Yield the old lines of a file that the ledger needs for some windows."""
    if not needed:
        return
    ids = WindowIds()
    for entry in read_entries(AuditLogs([reading]), log_problems=False):
        if entry.offset >= old_bytes:
            return
        if entry.event.event in RUN_EVENTS or ids.of(entry) in needed:
            yield entry.line
