"""The delivery ledger: which windows have been loaded, and which receivers have been notified of them.

It is read from the audit log, the only state that ``cxone-notify`` has. A log may have millions of lines, so only lines
of the relevant kinds are decoded, and samples stay in the file.
"""

from __future__ import annotations

import bisect
import hashlib
import logging
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from tap_cxone.dates import format_date, parse_date
from tap_cxone.observability.audit_reader import AuditLogReader
from tap_cxone.observability.events import EventName
from tap_cxone.observability.intervals import Intervals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tap_cxone.observability.audit_reader import Entry
    from tap_cxone.observability.events import Event

RUN_EVENTS = frozenset({EventName.RUN_STARTED, EventName.LOAD_CONFIRMED})
"""Events about a run. The other events of a ledger are about a window."""
_EVENTS = RUN_EVENTS | {
    EventName.WINDOW_EXTRACTED,
    EventName.VALIDATION_SUMMARY,
    EventName.WEBHOOK_SYNC_SUCCESS,
    EventName.WEBHOOK_SYNC_FAILURE,
}

logger = logging.getLogger("cxone-notify")


@dataclass(frozen=True, slots=True)
class ExtractedWindow:
    """A window that was extracted.

    Attributes:
        webhook_id: identifies stream, window and job, the same at each delivery.
        start: start of the window.
        end: end of the window, exclusive.
        run_id: the run that extracted it; None if the log does not say.
        offset: where its line begins in the log, in bytes.
        length: length of that line, in bytes.
    """

    webhook_id: str
    stream: str
    job_id: str
    start: datetime
    end: datetime
    record_count: int
    duplicates: int
    schema_errors: int
    run_id: str | None
    offset: int
    length: int

    def __str__(self) -> str:
        """Return the window for use in messages."""
        return f"Window {format_date(self.start)}/{format_date(self.end)} of {self.stream} (job {self.job_id})"


@dataclass(frozen=True, slots=True)
class Failure:
    """The last delivery of a window to a receiver, which failed.

    Attributes:
        at: when, as in the audit log.
        attempts: number of requests sent.
        reason: why the last request failed.
    """

    at: str
    attempts: int
    reason: str


@dataclass
class Ledger:
    """Windows and their deliveries.

    Attributes:
        windows: windows that have been loaded, in the order of their extraction. A window that was extracted several
            times is listed once, as last extracted.
        waiting: windows of runs whose load has not been confirmed.
        unconfirmed: runs that count as loaded although the log does not confirm it: the caller's run, or otherwise the
            last run of each stream.
    """

    windows: list[ExtractedWindow] = field(default_factory=list)
    waiting: list[ExtractedWindow] = field(default_factory=list)
    unconfirmed: list[str] = field(default_factory=list)
    _delivered: dict[str, dict[str, str]] = field(default_factory=dict)
    _failed: dict[str, dict[str, Failure]] = field(default_factory=dict)

    def due(self, receiver: str) -> list[ExtractedWindow]:
        """Return the windows that have not been delivered to a receiver, in order."""
        delivered = self._delivered.get(receiver, {})
        return [window for window in self.windows if window.webhook_id not in delivered]

    def delivered_at(self, receiver: str, window: ExtractedWindow) -> str | None:
        """Return when a window was delivered to a receiver, as in the audit log; None if it was not."""
        return self._delivered.get(receiver, {}).get(window.webhook_id)

    def failure(self, receiver: str, window: ExtractedWindow) -> Failure | None:
        """Return the failure of the last delivery; None if it did not fail."""
        return self._failed.get(receiver, {}).get(window.webhook_id)

    def receivers(self) -> list[str]:
        """Return the names of all receivers in the log, sorted."""
        return sorted({*self._delivered, *self._failed})


def read_entries(log: BinaryIO, *, log_problems: bool = True) -> Iterator[Entry]:
    """Yield the events of a ledger.

    Args:
        log: the audit log, at its beginning.
        log_problems: whether to log which lines cannot be read.
    """
    return AuditLogReader(_EVENTS, _log_unreadable if log_problems else None).read_quickly(log)


def read_ledger(log: BinaryIO, own_run: str | None = None, *, log_problems: bool = True) -> Ledger:
    """Read the ledger from an audit log.

    Args:
        log: the file, at its beginning.
        own_run: the run whose load has just succeeded, if the caller knows it.
        log_problems: whether to log which lines cannot be used.
    """
    builder = _LedgerBuilder(log_problems=log_problems)
    for entry in read_entries(log, log_problems=log_problems):
        builder.add(entry)
    return builder.build(own_run)


def window_id(event: Event) -> str | None:
    """Return the ``webhook-id`` of the window and job of an event; None if the event has no window."""
    try:
        start, end = parse_date(event.dateFrom or ""), parse_date(event.dateTo or "")
    except ValueError:
        return None
    parts = "\0".join((event.stream or "", format_date(start), format_date(end), _job_id(event)))
    return f"msg_{hashlib.sha256(parts.encode()).hexdigest()[:32]}"


def _job_id(event: Event) -> str:
    return "" if event.job_id is None else str(event.job_id)


def _run_id(event: Event) -> str | None:
    return None if event.run_id is None else str(event.run_id)


def _log_unreadable(offset: int) -> None:
    logger.info("The audit log has an incomplete or unreadable line at byte %d", offset)


class _LedgerBuilder:
    """Builds a ledger, event by event."""

    def __init__(self, *, log_problems: bool) -> None:
        self._log_problems = log_problems
        self._windows: list[ExtractedWindow] = []
        self._summaries: dict[str, tuple[int, int]] = {}
        self._delivered: dict[str, dict[str, str]] = {}
        self._failed: dict[str, dict[str, Failure]] = {}
        self._runs = _Runs()

    def add(self, entry: Entry) -> None:
        event = entry.event
        if event.event in RUN_EVENTS:
            self._runs.add(entry.offset, event)
            return
        name, receiver = window_id(event), event.receiver or ""
        if name is None:
            if event.event == EventName.WINDOW_EXTRACTED and self._log_problems:
                logger.warning("The audit log has a window without dates at byte %d: it is skipped", entry.offset)
        elif event.event == EventName.VALIDATION_SUMMARY:
            self._summaries[name] = event.duplicates or 0, event.schema_errors or 0
        elif event.event == EventName.WINDOW_EXTRACTED:
            self._add_window(name, entry)
        elif event.event == EventName.WEBHOOK_SYNC_SUCCESS:
            self._delivered.setdefault(receiver, {})[name] = event.logged_at
            self._failed.get(receiver, {}).pop(name, None)
        else:
            failure = Failure(event.logged_at, event.attempts or 0, event.reason or "")
            self._failed.setdefault(receiver, {})[name] = failure

    def _add_window(self, name: str, entry: Entry) -> None:
        event = entry.event
        duplicates, schema_errors = self._summaries.pop(name, (0, 0))
        self._windows.append(
            ExtractedWindow(
                webhook_id=name,
                stream=event.stream or "",
                job_id=_job_id(event),
                start=parse_date(event.dateFrom or ""),
                end=parse_date(event.dateTo or ""),
                record_count=event.record_count or 0,
                duplicates=duplicates,
                schema_errors=schema_errors,
                run_id=_run_id(event),
                offset=entry.offset,
                length=len(entry.line),
            )
        )

    def build(self, own_run: str | None) -> Ledger:
        trusted = self._runs.trusted(own_run)
        loaded: list[ExtractedWindow] = []
        waiting: list[ExtractedWindow] = []
        for window in self._windows:
            (loaded if self._runs.has_loaded(window, trusted) else waiting).append(window)
        return Ledger(
            windows=_without_superseded(loaded),
            waiting=_without_superseded(waiting),
            unconfirmed=sorted(trusted - self._runs.confirmed),
            _delivered=self._delivered,
            _failed=self._failed,
        )


class _Runs:
    """The runs in the log, and which of them have loaded what they extracted.

    A run has loaded everything if a sender has confirmed it. Of any other run (its load failed, its sender was killed,
    or it belongs to another pipeline and is still running), those windows are loaded that the bookmark of a later run
    has passed.
    """

    def __init__(self) -> None:
        self.confirmed: set[str] = set()
        self._known: set[str] = set()
        self._last: dict[str, str] = {}
        self._offsets: dict[str, list[int]] = {}
        self._bookmarks: dict[str, list[datetime | None]] = {}

    def add(self, offset: int, event: Event) -> None:
        run, stream = _run_id(event), event.stream or ""
        if not run:
            return
        if event.event == EventName.LOAD_CONFIRMED:
            self.confirmed.add(run)
            return
        try:
            bookmark = parse_date(event.bookmark) if event.bookmark else None
        except ValueError:
            bookmark = None
        self._known.add(run)
        self._last[stream] = run
        self._offsets.setdefault(stream, []).append(offset)
        self._bookmarks.setdefault(stream, []).append(bookmark)

    def trusted(self, own_run: str | None) -> set[str]:
        """Return the runs that the caller vouches for: its own, or otherwise the last one of each stream."""
        return {own_run} if own_run in self._known and own_run else set(self._last.values())

    def has_loaded(self, window: ExtractedWindow, trusted: set[str]) -> bool:
        run = window.run_id
        if run is None or run not in self._known or run in trusted or run in self.confirmed:
            return True
        first_later = bisect.bisect(self._offsets.get(window.stream, []), window.offset)
        later = self._bookmarks.get(window.stream, [])[first_later:]
        return any(bookmark is not None and bookmark >= window.end for bookmark in later)


def _without_superseded(windows: list[ExtractedWindow]) -> list[ExtractedWindow]:
    """Leave out windows that lie entirely within windows extracted later.

    The windows of one run do not overlap, so the later windows belong to other runs.
    """
    covered: defaultdict[str, Intervals[datetime]] = defaultdict(Intervals)
    kept = []
    for window in reversed(windows):
        if covered[window.stream].missing(window.start, window.end):
            covered[window.stream].add(window.start, window.end)
            kept.append(window)
    return kept[::-1]
