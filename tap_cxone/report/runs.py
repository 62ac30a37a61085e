"""Runs and how they ended, as far as the log says: one entry for each tenant and stream of a run.

A run that failed before its first stream has one entry, without a stream.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_cxone.observability.events import EventName
from tap_cxone.observability.tenants import Tenant, platform_host
from tap_cxone.report.last_run import Verdict, verdict_on
from tap_cxone.report.text import clean
from tap_cxone.report.times import before, parse_ms

if TYPE_CHECKING:
    from tap_cxone.observability.events import Event
    from tap_cxone.report.selection import SelectedEvent

COMPLETED, FAILED, NO_END = Verdict.COMPLETED, Verdict.FAILED, "no end in the log"
MAX_RUNS = 1000
FIGURES = (
    *("windows", "records", "duplicates", "refused", "bytes", "requests", "retries", "rate_limit_waits"),
    *("queue_seconds", "running_seconds", "download_seconds", "emit_seconds", "rate_limit_seconds"),
)
"""Of a run, as in the log and in the JSON form."""


@dataclass(slots=True)
class Run:
    """One stream of a run; times in milliseconds since 1970, ``…_seconds`` in seconds, None if the log does not say.

    Attributes:
        run: id of the run; empty if unknown.
        stream: name of the stream; empty if the run failed before its first one.
        host: the platform's host; empty if unknown.
        last: when its last event was logged.
        start: start of the range that it was started for, ``end`` its end.
        exit: completed, failed, stopped, or "no end in the log": killed, still running, or from an older log.
    """

    run: str
    stream: str
    tenant: Tenant
    host: str = ""
    began: int | None = None
    last: int | None = None
    start: int | None = None
    end: int | None = None
    exit: str = NO_END
    reason: str = ""
    bookmark: int | None = None
    windows: int = 0
    records: int = 0
    duplicates: int = 0
    refused: int = 0
    bytes: int = 0
    requests: int | None = None
    retries: int | None = None
    rate_limit_waits: int | None = None
    wall_seconds: float | None = None
    queue_seconds: float | None = None
    running_seconds: float | None = None
    download_seconds: float | None = None
    emit_seconds: float | None = None
    rate_limit_seconds: float | None = None

    def add(self, event: Event, at: int | None) -> None:
        """Add an event of this run, logged ``at``."""
        if host := platform_host(event):
            self.host = clean(host)
        if at is not None:
            self.last = at if self.last is None else max(self.last, at)
        match event.event:
            case EventName.RUN_STARTED:
                self.began, self.start, self.end = at, parse_ms(event.dateFrom), parse_ms(event.dateTo)
            case EventName.PIPELINE_ERROR if self.exit == NO_END:  # otherwise `run_finished` came first
                self.exit, self.reason = FAILED, clean(event.reason)
            case EventName.VALIDATION_SUMMARY:
                self.duplicates += event.duplicates or 0
                self.refused += event.schema_errors or 0
            case EventName.WINDOW_EXTRACTED:
                self.windows += 1
                self.records += event.record_count or 0
                self.bytes += event.bytes or 0
            case EventName.RUN_FINISHED:
                self._finished(event)
            case EventName.RUN_ENDED:
                self.exit = verdict_on(event.exit_code)
                self.reason, self.wall_seconds = clean(event.reason), event.seconds
                self.began = None if at is None else before(at, event.seconds)

    def _finished(self, event: Event) -> None:
        self.exit = clean(event.exit) or COMPLETED
        self.reason = clean(event.reason) or self.reason
        self.bookmark = parse_ms(event.bookmark)
        for name in (*FIGURES, "wall_seconds"):
            value = getattr(event, name)
            if value is not None:
                setattr(self, name, value)

    @property
    def duration(self) -> float | None:
        """Return its duration in seconds, or the time between its first and last event."""
        if self.wall_seconds is not None or self.began is None or self.last is None:
            return self.wall_seconds
        return (self.last - self.began) / 1000


@dataclass
class Runs:
    """The newest runs of the log, and how many there were.

    Attributes:
        count: number of all entries, including those that are not kept.
        failed: number of failed ones.
        rows: the newest entries by run, stream and tenant, at most ``MAX_RUNS``.
    """

    count: int = 0
    failed: int = 0
    rows: OrderedDict[tuple[str, str, Tenant], Run] = field(default_factory=OrderedDict)

    @property
    def numbers(self) -> dict[str, int]:
        """Return the number of each run, the first one is 1, by its id."""
        return {run: number for number, run in enumerate(dict.fromkeys(run for run, _, _ in self.rows), start=1)}

    def add(self, selected: SelectedEvent) -> None:
        """Add an event of a stream of a run."""
        key = (selected.run, clean(selected.event.stream), selected.tenant)
        entry = self.rows.get(key)
        if entry is None:
            entry = self.rows[key] = Run(*key)
            self.count += 1
            if len(self.rows) > MAX_RUNS:
                self.rows.popitem(last=False)
        before = entry.exit
        entry.add(selected.event, selected.at)
        self.failed += (entry.exit == FAILED) - (before == FAILED)
