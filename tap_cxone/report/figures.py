"""The figures of a report: events in, one ``Figures`` out, in a single pass and in flat memory.

Pure. What grows with the log is one entry for each different window; everything else has a limit.
"""

from __future__ import annotations

from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tap_cxone.report.coverage import Piece, Window, visible
from tap_cxone.report.days import StreamDays, calendar, unit_for
from tap_cxone.report.durations import Durations
from tap_cxone.report.jobs import Jobs
from tap_cxone.report.reading import LogFacts, Reader, Selection, clean, moment
from tap_cxone.report.runs import Runs

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from tap_cxone.report.coverage import Interval
    from tap_cxone.report.reading import Event
    from tap_cxone.report.webhooks import Deliveries

OTHER = "(other reasons)"
PHASES = ("create", "queue", "run", "queue and run", "download", "emit", "webhook")
_MOST_REASONS = 500
_MOST_RETRIES_SHOWN = 500
_MOST_SUMMARIES = 10_000
_Key = TypeVar("_Key", bound=tuple[str, ...])


class Refusals(NamedTuple):
    """Refused records of one kind."""

    stream: str
    reason: str
    fields: str
    records: int


class Retries(NamedTuple):
    """Requests that were sent again, of one kind; the wait in seconds."""

    call: str
    reason: str
    requests: int
    seconds: float


class Retry(NamedTuple):
    """One of them, for the time line."""

    at: int
    run: str
    call: str
    reason: str


@dataclass
class Totals:
    """What was extracted, each window as often as it was; sizes in bytes as downloaded."""

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
        totals: over all extractions, also of windows that were extracted again.
        pieces: of each stream, what its windows stand for, each time once.
        days: the calendar of each stream.
        unit: what the bins of the calendars are: day, week, month or year.
        durations: one for each of ``PHASES``.
        offsets: of the selected extractions in the log, in bytes, ascending.
        deliveries: by the webhook; None where the log knows no receiver.
    """

    log: LogFacts
    selection: Selection
    totals: Totals = field(default_factory=Totals)
    runs: Runs = field(default_factory=Runs)
    jobs: Jobs = field(default_factory=Jobs)
    durations: dict[str, Durations] = field(default_factory=lambda: {phase: Durations() for phase in PHASES})
    refusals: list[Refusals] = field(default_factory=list)
    retries: list[Retries] = field(default_factory=list)
    retries_shown: deque[Retry] = field(default_factory=lambda: deque(maxlen=_MOST_RETRIES_SHOWN))
    pieces: dict[str, list[Piece]] = field(default_factory=dict)
    days: list[StreamDays] = field(default_factory=list)
    unit: str = "day"
    offsets: array[int] = field(default_factory=lambda: array("q"))
    has_webhooks: bool = False
    deliveries: list[Deliveries] = field(default_factory=list)


def read_figures(log: BinaryIO, selection: Selection) -> Figures:
    """Read an audit log.

    Args:
        log: the file, at its beginning.
        selection: which of its events count.
    """
    reader = Reader(frozenset(_HANDLERS), selection)
    collector = _Collector(Figures(reader.facts, selection))
    for offset, event, at, run in reader.events(log):
        _HANDLERS[event.event](collector, offset, event, at, run)
    return collector.finish()


class _Collector:
    def __init__(self, figures: Figures) -> None:
        self.figures = figures
        self._windows: dict[str, dict[tuple[int, int, int], Window]] = {}
        self._asked: dict[str, Interval | None] = {}  # how far the ranges of all runs reach, empty ones aside
        self._summaries: OrderedDict[tuple[str, ...], tuple[int, int]] = OrderedDict()
        self._refusals: Counter[tuple[str, str, str]] = Counter()
        self._retries: Counter[tuple[str, str]] = Counter()
        self._until: dict[tuple[str, int, int], int] = {}  # how far the extractions of a window have reached
        self._retry_seconds: defaultdict[tuple[str, str], float] = defaultdict(float)

    # --- one method for each kind of event ---------------------------------------------------------------------------

    def run_started(self, _offset: int, event: Event, at: int | None, run: str) -> None:
        self.figures.runs.take(event, at, run)
        start, end = moment(event.dateFrom), moment(event.dateTo)
        stream = clean(event.stream)
        known = self._asked.setdefault(stream, None)
        if start is not None and end is not None and start < end:
            first, last = known or (start, end)
            self._asked[stream] = min(start, first), max(end, last)

    def of_run(self, _offset: int, event: Event, at: int | None, run: str) -> None:
        self.figures.runs.take(event, at, run)

    def of_job(self, _offset: int, event: Event, at: int | None, run: str) -> None:
        self.figures.jobs.take(event, at, run)
        durations = self.figures.durations
        if event.event == "export_job_created" and event.latency_ms is not None:
            durations["create"].add(event.latency_ms / 1000)
        elif event.event == "export_job_completed":
            durations["queue and run"].add(event.seconds)
            durations["queue"].add(event.queue_seconds)
            if event.seconds is not None and event.queue_seconds is not None:
                durations["run"].add(max(event.seconds - event.queue_seconds, 0.0))
        elif event.event == "export_downloaded":
            durations["download"].add(event.seconds)

    def summary(self, _offset: int, event: Event, at: int | None, run: str) -> None:
        self.figures.runs.take(event, at, run)
        self.figures.totals.duplicates += event.duplicates or 0
        self.figures.totals.refused += event.schema_errors or 0
        self._summaries[_names(event, run)] = (event.total_records or 0, event.schema_errors or 0)
        if len(self._summaries) > _MOST_SUMMARIES:
            self._summaries.popitem(last=False)

    def extracted(self, offset: int, event: Event, at: int | None, run: str) -> None:
        figures = self.figures
        figures.runs.take(event, at, run)
        figures.jobs.take(event, at, run)
        figures.durations["emit"].add(event.emit_seconds)
        figures.offsets.append(offset)
        figures.totals.windows += 1
        figures.totals.records += event.record_count or 0
        figures.totals.bytes += event.bytes or 0
        start, end, bookmark = moment(event.dateFrom), moment(event.dateTo), moment(event.bookmark)
        if start is None or end is None:
            return
        total, refused = self._summaries.pop(_names(event, run), (0, 0))
        until = end if bookmark is None else max(min(end, bookmark), start)
        windows = self._windows.setdefault(clean(event.stream), {})
        # One that reached further stays under the newer one: what lies behind its bookmark is covered by it.
        name = (clean(event.stream), start, end)
        known = self._until.get(name, until)
        if known <= until:
            windows.pop((start, end, known), None)
        windows.pop((start, end, until), None)  # so that it comes last
        self._until[name] = max(known, until)
        if start < until:
            windows[start, end, until] = Window(start, until, event.record_count or 0, total, refused, _days(event))

    def refused(self, _offset: int, event: Event, _at: int | None, _run: str) -> None:
        fields = ", ".join(clean(name) for name in (event.missing_fields or ())[:20])
        key = (clean(event.stream), clean(event.reason), clean(fields))
        self._refusals[_bounded(key, self._refusals, (key[0], OTHER, ""))] += 1

    def retried(self, _offset: int, event: Event, at: int | None, run: str) -> None:
        call, reason = clean(event.call), clean(event.reason)
        key = _bounded((call, reason), self._retries, ("", OTHER))
        self._retries[key] += 1
        self._retry_seconds[key] += event.wait_seconds or 0
        if at is not None:
            self.figures.retries_shown.append(Retry(at, run, call, reason))

    def webhook(self, _offset: int, event: Event, _at: int | None, _run: str) -> None:
        self.figures.has_webhooks = True
        if event.latency_ms is not None:
            self.figures.durations["webhook"].add(event.latency_ms / 1000)

    # --- the end -----------------------------------------------------------------------------------------------------

    def finish(self) -> Figures:
        """Return the figures, now that all of the log has been seen."""
        figures = self.figures
        figures.totals.errors = figures.runs.failed
        figures.refusals = [Refusals(*key, count) for key, count in self._refusals.most_common()]
        figures.retries = [Retries(*key, count, self._retry_seconds[key]) for key, count in self._retries.most_common()]
        streams = sorted({*self._windows, *self._asked} - {""})
        figures.pieces = {stream: visible(self._windows.get(stream, {}).values()) for stream in streams}
        asked = {stream: [reach] if (reach := self._asked.get(stream)) else [] for stream in streams}
        figures.unit = unit_for(
            interval
            for stream in streams
            for interval in [*asked[stream], *((piece.start, piece.end) for piece in figures.pieces[stream])]
        )
        calendars = (calendar(stream, figures.pieces[stream], asked[stream], figures.unit) for stream in streams)
        figures.days = [days for days in calendars if days]
        return figures


_HANDLERS: dict[str, Callable[[_Collector, int, Event, int | None, str], None]] = {
    "run_started": _Collector.run_started,
    "run_finished": _Collector.of_run,
    "pipeline_error": _Collector.of_run,
    "export_job_created": _Collector.of_job,
    "export_job_completed": _Collector.of_job,
    "export_job_failed": _Collector.of_job,
    "export_downloaded": _Collector.of_job,
    "validation_summary": _Collector.summary,
    "window_extracted": _Collector.extracted,
    "schema_validation_failure": _Collector.refused,
    "request_retried": _Collector.retried,
    "webhook_sync_success": _Collector.webhook,
    "webhook_sync_failure": _Collector.webhook,
}


def _days(event: Event) -> tuple[tuple[int, int], ...]:
    """Return the days of a window with the number of their records."""
    found = ((moment(day), count) for day, count in (event.days or {}).items())
    return tuple((day, count) for day, count in found if day is not None and count > 0)


def _names(event: Event, run: str) -> tuple[str, ...]:
    return (run, event.stream or "", str(event.job_id), event.dateFrom or "", event.dateTo or "")


def _bounded(key: _Key, counter: Counter[_Key], other: _Key) -> _Key:
    """Return the key, or the one for everything else where there are too many already."""
    return key if key in counter or len(counter) < _MOST_REASONS else other
