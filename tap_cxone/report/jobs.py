"""Export jobs on the timeline, each with its phases as far as the log has them.

A job that a later run resumed has a row in each of the two runs.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_cxone.observability.events import EventName
from tap_cxone.observability.tenants import UNNAMED, Tenant
from tap_cxone.report.text import clean
from tap_cxone.report.times import before, parse_ms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_cxone.observability.events import Event
    from tap_cxone.report.selection import SelectedEvent

QUEUED, RUNNING, DOWNLOAD, EMIT = "queued", "running", "download", "emit"
QUEUED_OR_RUNNING, DOWNLOAD_AND_EMIT = "queued or running", "download and emit"
KINDS = (QUEUED, RUNNING, QUEUED_OR_RUNNING, DOWNLOAD, EMIT, DOWNLOAD_AND_EMIT)
"""The combined phases are for older logs, which do not say when the first phase ended."""
MAX_ROWS = 60


class Segment(NamedTuple):
    """A phase of a job; times in milliseconds since 1970."""

    kind: str
    start: int
    end: int


@dataclass(slots=True)
class Job:
    """A job in the log; times in milliseconds since 1970, None if the log does not say."""

    run: str
    stream: str
    start: int | None
    end: int | None
    created: int | None = None
    completed: int | None = None
    failed: int | None = None
    downloaded: int | None = None
    extracted: int | None = None
    seconds: float | None = None
    queue_seconds: float | None = None
    download_seconds: float | None = None
    emit_seconds: float | None = None
    attempts: int = 1
    records: int | None = None
    reason: str = ""
    tenant: Tenant = UNNAMED

    @property
    def outcome(self) -> str:
        """Return how it ended, as far as the log says."""
        if self.extracted is not None:
            return "extracted"
        if self.failed is not None:
            return "failed"
        if self.downloaded is not None:
            return "downloaded"
        return "completed" if self.completed is not None else "no end in the log"

    @property
    def begin(self) -> int | None:
        """Return when it was created, or when the log first mentions it."""
        if self.created is not None:
            return self.created
        if self.completed is not None:
            return before(self.completed, self.seconds)
        return min((at for at in (self.downloaded, self.extracted, self.failed) if at is not None), default=None)

    @property
    def finish(self) -> int | None:
        """Return when the log last mentions it."""
        times = (self.created, self.completed, self.failed, self.downloaded, self.extracted)
        return max((at for at in times if at is not None), default=None)


def segments(job: Job) -> list[Segment]:
    """Return the phases of a job in order."""
    found: list[Segment] = []
    begin, completed = job.begin, job.completed
    ready = completed if completed is not None else job.failed if job.downloaded is None else None
    if begin is not None and ready is not None:
        if job.queue_seconds is None:
            found.append(Segment(QUEUED_OR_RUNNING, begin, ready))
        else:
            started = min(begin + round(job.queue_seconds * 1000), ready)
            found += [Segment(QUEUED, begin, started), Segment(RUNNING, started, ready)]
    if job.downloaded is not None:
        found.append(Segment(DOWNLOAD, before(job.downloaded, job.download_seconds), job.downloaded))
    if job.extracted is not None:
        if job.emit_seconds is not None:
            found.append(Segment(EMIT, before(job.extracted, job.emit_seconds), job.extracted))
        elif job.downloaded is None and completed is not None:
            found.append(Segment(DOWNLOAD_AND_EMIT, completed, job.extracted))
    return [segment for segment in found if segment.end >= segment.start]


def nested(jobs: Iterable[Job]) -> list[tuple[Job, int]]:
    """Return jobs with the number of windows that theirs is a part of.

    A window whose jobs fail is split into halves, which have jobs of their own. They follow the jobs of their window.
    All jobs have to be of one run.
    """

    def position(job: Job) -> tuple[Any, ...]:
        return job.tenant, job.stream, job.start or 0, -(job.end or 0), job.begin or 0

    found: list[tuple[Job, int]] = []
    around: list[Job] = []
    for job in sorted(jobs, key=position):
        while around and not _contains(around[-1], job):
            around.pop()
        if not around or not _contains(job, around[-1]):
            around.append(job)
        found.append((job, len(around) - 1))
    return found


def _contains(outer: Job, inner: Job) -> bool:
    """Return whether the window of a job lies in that of another, or is the same."""
    if (outer.tenant, outer.stream) != (inner.tenant, inner.stream):
        return False
    if None in {outer.start, outer.end, inner.start, inner.end}:
        return False
    return (outer.start or 0) <= (inner.start or 0) and (inner.end or 0) <= (outer.end or 0)


@dataclass
class Jobs:
    """The newest jobs of the log, and how many there were.

    Attributes:
        count: number of all rows, including those that are not kept.
        failed: number of failed jobs.
        rows: the newest jobs by run, tenant, stream and job id, at most ``MAX_ROWS``.
    """

    count: int = 0
    failed: int = 0
    rows: OrderedDict[tuple[str, Tenant, str, str], Job] = field(default_factory=OrderedDict)

    def add(self, selected: SelectedEvent) -> None:
        """Add an event that is about a job."""
        event, at = selected.event, selected.at
        job = self._job(event, selected.run, selected.tenant)
        if event.event == EventName.EXPORT_JOB_CREATED:
            job.created = at
        elif event.event == EventName.EXPORT_JOB_COMPLETED:
            job.completed, job.seconds, job.queue_seconds = at, event.seconds, event.queue_seconds
        elif event.event == EventName.EXPORT_JOB_FAILED:
            job.failed, job.reason = at, clean(event.reason)
            self.failed += 1
        elif event.event == EventName.EXPORT_DOWNLOADED:
            job.downloaded, job.download_seconds, job.attempts = at, event.seconds, event.attempts or 1
        elif event.event == EventName.WINDOW_EXTRACTED:
            job.extracted, job.emit_seconds, job.records = at, event.emit_seconds, event.record_count

    def _job(self, event: Event, run: str, tenant: Tenant) -> Job:
        stream, name = clean(event.stream), str(event.job_id or event.dateFrom)
        key = (run, tenant, stream, name)
        job = self.rows.get(key)
        if job is None:
            job = self.rows[key] = Job(run, stream, parse_ms(event.dateFrom), parse_ms(event.dateTo), tenant=tenant)
            self.count += 1
            if len(self.rows) > MAX_ROWS:
                self.rows.popitem(last=False)
        return job
