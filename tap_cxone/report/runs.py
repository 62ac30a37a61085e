"""Runs and how they ended, as far as the log tells.

Pure. One entry for each stream of a run.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_cxone.report.reading import clean, moment

if TYPE_CHECKING:
    from tap_cxone.report.reading import Event

COMPLETED, FAILED, STOPPED, NO_END = "completed", "failed", "stopped", "no end in the log"
MOST_RUNS = 1000
_TOLD_AT_THE_END = (
    "windows",
    "records",
    "duplicates",
    "refused",
    "bytes",
    "requests",
    "retries",
    "wall_seconds",
    "queue_seconds",
    "running_seconds",
    "download_seconds",
    "emit_seconds",
    "rate_limit_waits",
    "rate_limit_seconds",
)


@dataclass(slots=True)
class Run:
    """One stream of a run; times in milliseconds since 1970, ``…_seconds`` in seconds, None where the log is silent.

    Attributes:
        start: of the range that it set out to read.
        end: of that range.
        exit: completed, failed, stopped, or that the log has no end of it: killed, still running, or an older log.
        bookmark: at its end.
    """

    run: str
    stream: str
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

    def take(self, event: Event, at: int | None) -> None:
        """Take an event of this run."""
        if at is not None:
            self.last = at if self.last is None else max(self.last, at)
        match event.event:
            case "run_started":
                self.began, self.start, self.end = at, moment(event.dateFrom), moment(event.dateTo)
            case "pipeline_error" if self.exit == NO_END:  # else the end itself has been told already
                self.exit, self.reason = FAILED, clean(event.reason)
            case "validation_summary":
                self.duplicates += event.duplicates or 0
                self.refused += event.schema_errors or 0
            case "window_extracted":
                self.windows += 1
                self.records += event.record_count or 0
                self.bytes += event.bytes or 0
            case "run_finished":
                self._finished(event)

    def _finished(self, event: Event) -> None:
        self.exit = clean(event.exit) or COMPLETED
        self.reason = clean(event.reason) or self.reason
        self.bookmark = moment(event.bookmark)
        for name in _TOLD_AT_THE_END:
            value = getattr(event, name)
            if value is not None:
                setattr(self, name, value)

    @property
    def duration(self) -> float | None:
        """Return how long it took in seconds, or how long the log tells of it."""
        if self.wall_seconds is not None or self.began is None or self.last is None:
            return self.wall_seconds
        return (self.last - self.began) / 1000


@dataclass
class Runs:
    """The newest runs of the log, and how many there were."""

    count: int = 0
    failed: int = 0
    rows: OrderedDict[tuple[str, str], Run] = field(default_factory=OrderedDict)

    def take(self, event: Event, at: int | None, run: str) -> None:
        """Take an event of a stream of a run."""
        key = (run, clean(event.stream))
        entry = self.rows.get(key)
        if entry is None:
            entry = self.rows[key] = Run(*key)
            self.count += 1
            if len(self.rows) > MOST_RUNS:
                self.rows.popitem(last=False)
        before = entry.exit
        entry.take(event, at)
        self.failed += (entry.exit == FAILED) - (before == FAILED)
