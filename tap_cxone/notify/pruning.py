"""Prunes audit logs: removes old lines, except those that decide whether a window is due.

All logs together decide which windows are due. Then each log is replaced in one step by a file with the old lines that
are needed, followed by everything from the first line that is not old, byte for byte.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tap_cxone.dates import format_date
from tap_cxone.errors import CxoneError
from tap_cxone.notify.locking import all_locked
from tap_cxone.notify.replacing import replacement
from tap_cxone.observability.audit_files import AuditLogs, file_number, open_audit_logs
from tap_cxone.observability.audit_reader import first_logged_at, first_offset_since
from tap_cxone.observability.delivery_ledger import RUN_EVENTS, read_entries, read_ledger
from tap_cxone.observability.events import EventName
from tap_cxone.observability.intervals import Intervals
from tap_cxone.observability.window_ids import WindowIds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from tap_cxone.notify.receivers import Receiver
    from tap_cxone.observability.delivery_ledger import Ledger
    from tap_cxone.observability.events import Event
    from tap_cxone.observability.tenants import Tenant
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
        try:
            pruner = _Pruner(logs, receivers, format_date(oldest))
            results = {number: pruner.prune(number) for number in _oldest_first(logs)}
            return [results[number] for number in sorted(results)]
        except OSError as err:
            msg = f"Setting 'audit_log_path': the file cannot be pruned ({err.strerror}); it is unchanged."
            raise CxoneError(msg) from err


class _Pruner:
    """Prunes logs by what is due according to all of them."""

    def __init__(self, logs: AuditLogs, receivers: list[Receiver], oldest: str) -> None:
        self._logs = logs
        self._old_bytes = [first_offset_since(file, oldest) for file in logs.files]
        # Unlike ``send``, do not assume that the last run has been loaded: its load may have failed.
        self._ledger = read_ledger(logs, confirmed_only=True)
        self._undecided = {window.webhook_id: window for window in _undecided(self._ledger, receivers)}
        self._needed = set(self._undecided) | self._deciding()

    def _deciding(self) -> set[str]:
        """Return the ids of windows that were delivered, but whose lines decide whether others are due.

        A window that is not old stays, so its deliveries stay: a job may be extracted again after it was delivered. And
        a window that covers an undecided one replaces it, once the load of that is known.
        """
        undecided: defaultdict[tuple[Tenant, str], Intervals[datetime]] = defaultdict(Intervals)
        for window in self._undecided.values():
            undecided[window.tenant, window.stream].add(window.start, window.end)
        return {
            window.webhook_id
            for window in self._ledger.windows
            if not self._is_old(window) or undecided[window.tenant, window.stream].overlaps(window.start, window.end)
        }

    def prune(self, number: int) -> PruneResult:
        """Replace a file, given by its index."""
        file = self._logs.files[number]
        with replacement(Path(file.name), file) as writing:
            writing.writelines(self._needed_lines(number))
            file.seek(self._old_bytes[number])
            shutil.copyfileobj(file, writing)
            old_and_due = filter(self._is_old, self._undecided.values())
            due = sum(file_number(window.offset) == number for window in old_and_due)
            return PruneResult(file.tell(), writing.tell(), due)

    def _needed_lines(self, number: int) -> Iterator[bytes]:
        """Yield the old lines of a file that decide whether a window is due."""
        if not self._needed:
            return
        ids = WindowIds()
        for entry in read_entries(AuditLogs([self._logs.files[number]]), log_problems=False):
            if entry.offset >= self._old_bytes[number]:
                return
            if self._is_needed(entry.event, ids.of(entry)):
                yield entry.line

    def _is_needed(self, event: Event, webhook_id: str | None) -> bool:
        if event.event in RUN_EVENTS:
            return bool(self._undecided)
        if webhook_id is None or webhook_id not in self._needed:
            return False
        return event.event != EventName.WEBHOOK_SYNC_FAILURE or self._ledger.is_last_failure(event, webhook_id)

    def _is_old(self, window: ExtractedWindow) -> bool:
        _, position = self._logs.locate(window.offset)
        return position < self._old_bytes[file_number(window.offset)]


def _oldest_first(logs: AuditLogs) -> list[int]:
    """Return the indexes of the files, the oldest first.

    So a window goes before its deliveries and before what covers it, and is not due if the process is killed halfway.
    """
    return sorted(range(len(logs.files)), key=lambda number: first_logged_at(logs.files[number]))


def _undecided(ledger: Ledger, receivers: list[Receiver]) -> Iterator[ExtractedWindow]:
    """Yield the windows that are due to a receiver, or may be."""
    yield from ledger.not_loaded
    for receiver in receivers:
        yield from ledger.due(receiver.name)
    if not receivers:
        yield from ledger.windows
