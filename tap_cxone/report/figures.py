"""Computes the figures of a report from the audit logs, in a single pass.

Memory grows only with the number of different windows; everything else has a limit.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tap_cxone.observability.events import EventName
from tap_cxone.report.durations import Durations
from tap_cxone.report.extractions import Extractions
from tap_cxone.report.jobs import Jobs
from tap_cxone.report.runs import Runs
from tap_cxone.report.selection import EventSelector, LogFacts, Selection
from tap_cxone.report.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_cxone.observability.audit_files import AuditLogs
    from tap_cxone.observability.tenants import Tenant
    from tap_cxone.report.days import StreamDays
    from tap_cxone.report.selection import SelectedEvent
    from tap_cxone.report.webhooks import Deliveries

OTHER = "(other reasons)"
PHASES = ("create", "queue", "run", "queue and run", "download", "emit", "webhook")
_MAX_REASONS = 500
_MAX_RETRIES_SHOWN = 500
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

    ``bytes`` are those downloaded, compressed; ``errors`` are the runs that failed.
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
        days: the calendars of the streams of each tenant, ``unit`` the length of their bins.
        durations: one for each of ``PHASES``.
        offsets: offsets of the lines of the extracted windows, ascending.
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
    days: list[StreamDays] = field(default_factory=list)
    unit: str = "day"
    offsets: array[int] = field(default_factory=lambda: array("q"))
    has_webhooks: bool = False
    deliveries: list[Deliveries] = field(default_factory=list)


def read_figures(logs: AuditLogs, selection: Selection) -> Figures:
    """Compute the figures of audit logs from the selected events."""
    selector = EventSelector(_HANDLERS, selection)
    collector = _Collector(Figures(selector.facts, selection))
    for selected in selector.read(logs):
        _HANDLERS[selected.event.event](collector, selected)
    return collector.finish()


class _Collector:
    """Adds up events."""

    def __init__(self, figures: Figures) -> None:
        self.figures = figures
        self._extractions = Extractions()
        self._offsets_ascend = True
        self._rejections: Counter[tuple[Tenant, str, str, str]] = Counter()
        self._retries: Counter[tuple[str, str]] = Counter()
        self._retry_seconds: defaultdict[tuple[str, str], float] = defaultdict(float)

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
        self.figures.totals.duplicates += selected.event.duplicates or 0
        self.figures.totals.refused += selected.event.schema_errors or 0
        self.add_extraction(selected)

    def add_window(self, selected: SelectedEvent) -> None:
        event, figures = selected.event, self.figures
        figures.jobs.add(selected)
        figures.durations["emit"].add(event.emit_seconds)
        self._offsets_ascend &= not figures.offsets or figures.offsets[-1] < selected.offset
        figures.offsets.append(selected.offset)
        figures.totals.windows += 1
        figures.totals.records += event.record_count or 0
        figures.totals.bytes += event.bytes or 0
        self.add_extraction(selected)

    def add_extraction(self, selected: SelectedEvent) -> None:
        self.figures.runs.add(selected)
        self._extractions.add(selected)

    def add_rejection(self, selected: SelectedEvent) -> None:
        event = selected.event
        fields = clean(", ".join(map(clean, event.missing_fields[:20]))) if event.missing_fields else ""
        key = (selected.tenant, clean(event.stream), clean(event.reason), fields)
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

    def finish(self) -> Figures:
        """Return the figures, after all events have been added."""
        figures = self.figures
        figures.totals.errors = figures.runs.failed
        if not self._offsets_ascend:
            figures.offsets = array("q", sorted(figures.offsets))
        figures.rejections = [Rejections(*key, count) for key, count in self._rejections.most_common()]
        figures.retries = [Retries(*key, count, self._retry_seconds[key]) for key, count in self._retries.most_common()]
        figures.unit, figures.days = self._extractions.calendars()
        return figures


_HANDLERS: dict[str, Callable[[_Collector, SelectedEvent], None]] = {
    EventName.RUN_STARTED: _Collector.add_extraction,
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


def _bounded(key: _Key, counter: Counter[_Key], other: _Key) -> _Key:
    """Return the key, or ``other`` if there are too many keys already."""
    return key if key in counter or len(counter) < _MAX_REASONS else other
