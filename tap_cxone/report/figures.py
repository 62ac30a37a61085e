"""Computes the figures of a report from the audit logs, in a single pass.

Memory grows only with the number of different windows; everything else has a limit.
"""

from __future__ import annotations

from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tap_cxone.observability.events import EventName
from tap_cxone.observability.tenants import Tenant, platform_host
from tap_cxone.report.coverage import CoveredWindow, StreamKey, WindowPart, latest_parts
from tap_cxone.report.days import StreamDays, calendar, unit_for
from tap_cxone.report.durations import Durations
from tap_cxone.report.jobs import Jobs
from tap_cxone.report.runs import Runs
from tap_cxone.report.selection import EventSelector, LogFacts, Selection
from tap_cxone.report.text import clean
from tap_cxone.report.times import parse_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_cxone.observability.audit_files import AuditLogs
    from tap_cxone.observability.events import Event
    from tap_cxone.report.coverage import Interval
    from tap_cxone.report.selection import SelectedEvent
    from tap_cxone.report.webhooks import Deliveries

OTHER = "(other reasons)"
PHASES = ("create", "queue", "run", "queue and run", "download", "emit", "webhook")
_MAX_REASONS = 500
_MAX_RETRIES_SHOWN = 500
_MAX_SUMMARIES = 10_000
_Key = TypeVar("_Key", bound=tuple[object, ...])


class Rejections(NamedTuple):
    """Rejected records of one kind; ``fields`` are the missing ones."""

    tenant: Tenant
    stream: str
    reason: str
    fields: str
    records: int


class Retries(NamedTuple):
    """Retried requests of one kind, and the time waited before them. The field names are those of the JSON form."""

    call: str
    reason: str
    requests: int
    seconds: float


class Retry(NamedTuple):
    """One retried request; ``at`` in milliseconds since 1970."""

    at: int
    run: str
    call: str
    reason: str


@dataclass
class Totals:
    """Totals over all extractions, repeated ones included. The field names are those of the JSON form.

    Attributes:
        bytes: bytes downloaded, compressed.
        errors: number of runs that failed.
    """

    windows: int = 0
    records: int = 0
    duplicates: int = 0
    refused: int = 0
    bytes: int = 0
    errors: int = 0


@dataclass
class Figures:
    """Everything that a report shows.

    Attributes:
        totals: over all extractions.
        parts: for each stream of a tenant, its windows as ``latest_parts`` returns them.
        hosts: the platform's host of each of them, where the log says.
        days: their calendars.
        unit: length of the bins of the calendars: day, week, month or year.
        durations: one for each of ``PHASES``.
        offsets: offsets of the lines of the extracted windows, ascending.
        has_webhooks: whether the log has webhook deliveries.
        deliveries: for each receiver, if they have been read.
    """

    log: LogFacts
    selection: Selection
    totals: Totals = field(default_factory=Totals)
    runs: Runs = field(default_factory=Runs)
    jobs: Jobs = field(default_factory=Jobs)
    durations: dict[str, Durations] = field(default_factory=lambda: {phase: Durations() for phase in PHASES})
    rejections: list[Rejections] = field(default_factory=list)
    retries: list[Retries] = field(default_factory=list)
    retries_shown: deque[Retry] = field(default_factory=lambda: deque(maxlen=_MAX_RETRIES_SHOWN))
    parts: dict[StreamKey, list[WindowPart]] = field(default_factory=dict)
    hosts: dict[StreamKey, str] = field(default_factory=dict)
    days: list[StreamDays] = field(default_factory=list)
    unit: str = "day"
    offsets: array[int] = field(default_factory=lambda: array("q"))
    has_webhooks: bool = False
    deliveries: list[Deliveries] = field(default_factory=list)


def read_figures(logs: AuditLogs, selection: Selection) -> Figures:
    """Compute the figures of audit logs.

    Args:
        logs: the audit logs.
        selection: which of its events count.
    """
    selector = EventSelector(_HANDLERS, selection)
    collector = _Collector(Figures(selector.facts, selection))
    for selected in selector.read(logs):
        _HANDLERS[selected.event.event](collector, selected)
    return collector.finish()


class _Collector:
    """Adds up events."""

    def __init__(self, figures: Figures) -> None:
        self.figures = figures
        self._windows: dict[StreamKey, dict[tuple[int, int, int], CoveredWindow]] = {}
        self._offsets_ascend = True
        self._requested: dict[StreamKey, Interval | None] = {}  # from the first start of its runs to the last end
        self._summaries: OrderedDict[tuple[object, ...], tuple[int, int]] = OrderedDict()
        self._rejections: Counter[tuple[Tenant, str, str, str]] = Counter()
        self._retries: Counter[tuple[str, str]] = Counter()
        self._retry_seconds: defaultdict[tuple[str, str], float] = defaultdict(float)

    def add_run_started(self, selected: SelectedEvent) -> None:
        event = selected.event
        self.figures.runs.add(selected)
        start, end = parse_ms(event.dateFrom), parse_ms(event.dateTo)
        key = self._key(selected)
        known = self._requested.setdefault(key, None)
        if start is not None and end is not None and start < end:
            first, last = known or (start, end)
            self._requested[key] = min(start, first), max(end, last)

    def add_run_event(self, selected: SelectedEvent) -> None:
        self.figures.runs.add(selected)

    def add_run_end(self, selected: SelectedEvent) -> None:
        if selected.event.exit_code and not selected.event.streams:
            self.figures.runs.add(selected)

    def add_job_event(self, selected: SelectedEvent) -> None:
        self.figures.jobs.add(selected)
        event, durations = selected.event, self.figures.durations
        if event.event == EventName.EXPORT_JOB_CREATED and event.latency_ms is not None:
            durations["create"].add(event.latency_ms / 1000)
        elif event.event == EventName.EXPORT_JOB_COMPLETED:
            durations["queue and run"].add(event.seconds)
            durations["queue"].add(event.queue_seconds)
            if event.seconds is not None and event.queue_seconds is not None:
                durations["run"].add(max(event.seconds - event.queue_seconds, 0.0))
        elif event.event == EventName.EXPORT_DOWNLOADED:
            durations["download"].add(event.seconds)

    def add_summary(self, selected: SelectedEvent) -> None:
        event = selected.event
        self.figures.runs.add(selected)
        self.figures.totals.duplicates += event.duplicates or 0
        self.figures.totals.refused += event.schema_errors or 0
        self._summaries[_job_key(selected)] = (event.total_records or 0, event.schema_errors or 0)
        if len(self._summaries) > _MAX_SUMMARIES:
            self._summaries.popitem(last=False)

    def add_window(self, selected: SelectedEvent) -> None:
        event, figures = selected.event, self.figures
        figures.runs.add(selected)
        figures.jobs.add(selected)
        figures.durations["emit"].add(event.emit_seconds)
        self._offsets_ascend &= not figures.offsets or figures.offsets[-1] < selected.offset
        figures.offsets.append(selected.offset)
        figures.totals.windows += 1
        figures.totals.records += event.record_count or 0
        figures.totals.bytes += event.bytes or 0
        start, end, bookmark = parse_ms(event.dateFrom), parse_ms(event.dateTo), parse_ms(event.bookmark)
        if start is None or end is None:
            return
        total, rejected = self._summaries.pop(_job_key(selected), (0, 0))
        until = end if bookmark is None else max(min(end, bookmark), start)
        windows = self._windows.setdefault(self._key(selected), {})
        # An extraction that reached further or less far is kept: it may cover the part after the new bookmark.
        windows.pop((start, end, until), None)  # so that the new one is inserted last
        if start < until:
            windows[start, end, until] = CoveredWindow(
                start, until, event.record_count or 0, total, rejected, _days(event)
            )

    def add_rejection(self, selected: SelectedEvent) -> None:
        event = selected.event
        fields = ", ".join(clean(name) for name in (event.missing_fields or ())[:20])
        key = (selected.tenant, clean(event.stream), clean(event.reason), clean(fields))
        self._rejections[_bounded(key, self._rejections, (*key[:2], OTHER, ""))] += 1

    def add_retry(self, selected: SelectedEvent) -> None:
        event = selected.event
        call, reason = clean(event.call), clean(event.reason)
        key = _bounded((call, reason), self._retries, ("", OTHER))
        self._retries[key] += 1
        self._retry_seconds[key] += event.wait_seconds or 0
        if selected.at is not None:
            self.figures.retries_shown.append(Retry(selected.at, selected.run, call, reason))

    def add_delivery(self, selected: SelectedEvent) -> None:
        self.figures.has_webhooks = True
        if selected.event.latency_ms is not None:
            self.figures.durations["webhook"].add(selected.event.latency_ms / 1000)

    def _key(self, selected: SelectedEvent) -> StreamKey:
        key = StreamKey(selected.tenant, clean(selected.event.stream))
        if host := platform_host(selected.event):
            self.figures.hosts[key] = clean(host)
        return key

    def finish(self) -> Figures:
        """Return the figures, after all events have been added."""
        figures = self.figures
        figures.totals.errors = figures.runs.failed
        if not self._offsets_ascend:
            figures.offsets = array("q", sorted(figures.offsets))
        figures.rejections = [Rejections(*key, count) for key, count in self._rejections.most_common()]
        figures.retries = [Retries(*key, count, self._retry_seconds[key]) for key, count in self._retries.most_common()]
        keys = sorted(key for key in {*self._windows, *self._requested} if key.stream)
        figures.parts = {key: latest_parts(self._windows.get(key, {}).values()) for key in keys}
        requested = {key: [reach] if (reach := self._requested.get(key)) else [] for key in keys}
        figures.unit = unit_for(
            interval
            for key in keys
            for interval in [*requested[key], *((part.start, part.end) for part in figures.parts[key])]
        )
        for key in keys:
            if days := calendar(key.stream, figures.parts[key], requested[key], figures.unit):
                days.tenant, days.host = key.tenant, self.figures.hosts.get(key, "")
                figures.days.append(days)
        return figures


_HANDLERS: dict[str, Callable[[_Collector, SelectedEvent], None]] = {
    EventName.RUN_STARTED: _Collector.add_run_started,
    EventName.RUN_FINISHED: _Collector.add_run_event,
    EventName.RUN_ENDED: _Collector.add_run_end,
    EventName.PIPELINE_ERROR: _Collector.add_run_event,
    EventName.EXPORT_JOB_CREATED: _Collector.add_job_event,
    EventName.EXPORT_JOB_COMPLETED: _Collector.add_job_event,
    EventName.EXPORT_JOB_FAILED: _Collector.add_job_event,
    EventName.EXPORT_DOWNLOADED: _Collector.add_job_event,
    EventName.VALIDATION_SUMMARY: _Collector.add_summary,
    EventName.WINDOW_EXTRACTED: _Collector.add_window,
    EventName.SCHEMA_VALIDATION_FAILURE: _Collector.add_rejection,
    EventName.REQUEST_RETRIED: _Collector.add_retry,
    EventName.WEBHOOK_SYNC_SUCCESS: _Collector.add_delivery,
    EventName.WEBHOOK_SYNC_FAILURE: _Collector.add_delivery,
}


def _days(event: Event) -> tuple[tuple[int, int], ...]:
    """Return the days of a window, each with its number of records."""
    found = ((parse_ms(day), count) for day, count in (event.days or {}).items())
    return tuple((day, count) for day, count in found if day is not None and count > 0)


def _job_key(selected: SelectedEvent) -> tuple[object, ...]:
    event = selected.event
    return (selected.tenant, selected.run, event.stream, event.job_id, event.dateFrom, event.dateTo)


def _bounded(key: _Key, counter: Counter[_Key], other: _Key) -> _Key:
    """Return the key, or ``other`` if there are too many keys already."""
    return key if key in counter or len(counter) < _MAX_REASONS else other
