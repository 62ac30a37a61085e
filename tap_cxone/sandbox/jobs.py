"""The jobs of the simulated organisation: one model for both APIs, which differ in their rules only.

Nothing runs in the background: what becomes of a job is decided when it is created, and its status follows from the
current time. Only the server thread writes; other threads take snapshots.
"""

from __future__ import annotations

import math
import time
import uuid
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

from tap_cxone.sandbox.create_requests import ExportRequest, ExtractionRequest, parse_export_request
from tap_cxone.sandbox.events import FIRST_DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_cxone.sandbox.options import SandboxOptions

QUEUED, RUNNING = "queued", "running"
COMPLETED, FAILED, CANCELLED, EXPIRED = "completed", "failed", "cancelled", "expired"
_WEEK = timedelta(days=7)
_DAY_SECONDS = 86_400.0

RequestT = TypeVar("RequestT", bound=ExportRequest | ExtractionRequest)


class CreateRefusedError(Exception):
    """A limit or a missing permission does not allow the create."""


@dataclass(frozen=True)
class Job(Generic[RequestT]):
    """A snapshot of a job. Times are seconds of `time.monotonic()`; an infinite one never comes."""

    id: str
    request: RequestT
    foreign: bool  # created by another integration
    created_at: float
    created_utc: datetime
    runs_at: float  # until then it is queued
    ends_at: float
    expires_at: float  # then the platform removes its file, and an analytics export altogether
    outcome: str = COMPLETED  # the status with which it ends
    failure: str | None = None
    downloads: int = 0
    seen_at: float = -math.inf  # the time of the snapshot

    @property
    def status(self) -> str:
        """The status at the time of the snapshot: queued, running, completed, failed, cancelled or expired."""
        if self.seen_at < self.ends_at:
            return QUEUED if self.seen_at < self.runs_at else RUNNING
        return self.outcome if self.seen_at < self.expires_at else EXPIRED

    @property
    def active(self) -> bool:
        """Whether it counts against the limit of active jobs."""
        return self.status in {QUEUED, RUNNING}

    @property
    def error_message(self) -> str | None:
        """Why it has failed, if it has."""
        return self.failure if self.seen_at >= self.ends_at else None


@dataclass(frozen=True)
class Rules(Generic[RequestT]):
    """What differs between the jobs of the two APIs. Times are in seconds."""

    noun: str  # what error messages call a job
    longest: tuple[float, str] | None  # a job with a longer range fails; as a number and in words
    foreign_request: Callable[[int], RequestT]  # the request of another integration's job with that number
    foreign_jobs: int  # how many of these are active at the start
    kept_seconds: float  # how long a completed job is kept
    other_kept_seconds: float = math.inf  # how long a failed or cancelled one is kept
    active_limit: int = 1
    queue_seconds: float = 0.0
    submit_seconds: float = 0.0  # the minimum time between two creates
    is_forbidden: Callable[[RequestT], bool] = lambda _: False  # whether the client lacks the permission
    cancel_first: int = 0
    rival_every: float | None = None  # the time between two creates of another integration


class Jobs(Generic[RequestT]):
    """All jobs of one API, including those of other integrations."""

    def __init__(self, options: SandboxOptions, rules: Rules[RequestT]) -> None:
        """Start without jobs of our own. The schedule of the other integrations starts now."""
        self._options, self._rules = options, rules
        self._start, self._start_utc = time.monotonic(), datetime.now(UTC)
        self._namespace = uuid.uuid4()
        self._own: list[Job[RequestT]] = []
        self._downloads: Counter[str] = Counter()
        self._last_refusal = -math.inf
        self.refused_creates = 0
        self.max_active = 0
        self.max_active_total = rules.foreign_jobs

    def create(self, request: RequestT) -> Job[RequestT]:
        """Create a job, unless a limit or a missing permission refuses it with a `CreateRefusedError`."""
        now = time.monotonic()
        jobs = self._snapshots_at(now)
        active = [job for job in jobs if job.active]
        creates = [job.created_at for job in jobs]
        if self._options.submit_counts_refusals:
            creates.append(self._last_refusal)
        is_too_soon = now - max(creates, default=-math.inf) < self._rules.submit_seconds
        if len(active) >= self._rules.active_limit or is_too_soon or self._rules.is_forbidden(request):
            self.refused_creates += 1
            self._last_refusal = now
            raise CreateRefusedError
        job = self._plan(request, now)
        self._own.append(job)
        # The new job counts even if it ends immediately.
        self.max_active = max(self.max_active, 1 + sum(not other.foreign for other in active))
        self.max_active_total = max(self.max_active_total, 1 + len(active))
        return job

    def find(self, job_id: str) -> Job[RequestT] | None:
        """Return the job with that id, or None if it is unknown."""
        return next((job for job in self.all() if job.id == job_id), None)

    def all(self) -> list[Job[RequestT]]:
        """Return every job, including expired ones, in order of creation."""
        return self._snapshots_at(time.monotonic())

    def count_download(self, job_id: str) -> None:
        """Count a download of the file of a job."""
        self._downloads[job_id] += 1

    def _snapshots_at(self, now: float) -> list[Job[RequestT]]:
        jobs = sorted([*self._foreign_jobs(now), *self._own], key=lambda job: job.created_at)
        return [replace(job, seen_at=now, downloads=self._downloads[job.id]) for job in jobs]

    def _plan(self, request: RequestT, now: float) -> Job[RequestT]:
        """Decide what becomes of the next job."""
        number, runs_at = len(self._own), now + self._rules.queue_seconds
        ends_at = math.inf if number < self._options.stuck_first else runs_at + self._options.job_seconds
        outcome, failure = self._outcome(request, number)
        kept = self._rules.kept_seconds if outcome == COMPLETED else self._rules.other_kept_seconds
        times = (now, datetime.now(UTC), runs_at, ends_at, ends_at + kept)
        return Job(str(uuid.uuid4()), request, False, *times, outcome, failure)  # noqa: FBT003

    def _outcome(self, request: RequestT, number: int) -> tuple[str, str | None]:
        """Return the outcome of the job with that number, and why it fails, if it does."""
        rules = self._rules
        if number < rules.cancel_first:
            return CANCELLED, None
        if rules.longest is not None and request.length.total_seconds() > rules.longest[0]:
            return FAILED, f"The {rules.noun} covers more than {rules.longest[1]} of data"
        if self._options.fail_all or number < self._options.fail_first:
            return FAILED, f"The {rules.noun} could not be produced: internal error"
        return COMPLETED, None

    def _foreign_jobs(self, now: float) -> Iterator[Job[RequestT]]:
        """Yield the jobs of other integrations that exist by now. The limits do not apply to them."""
        seconds, every = self._options.foreign_seconds, self._rules.rival_every
        for number in range(self._rules.foreign_jobs):
            # Created long enough before the start not to delay our first create.
            yield self._foreign_job(f"first {number}", number, -self._rules.submit_seconds, seconds)
        if every is not None:
            for number in range(1, int((now - self._start) / every) + 1):
                yield self._foreign_job(f"rival {number}", number, number * every, number * every + seconds)

    def _foreign_job(self, name: str, number: int, begins: float, ends: float) -> Job[RequestT]:
        """Return a job of another integration; begin and end are in seconds since the start of the sandbox."""
        created_utc = self._start_utc + timedelta(seconds=begins)
        created_at, ends_at = self._start + begins, self._start + ends
        times = (created_at, created_utc, created_at, ends_at, ends_at + self._rules.kept_seconds)
        job_id = str(uuid.uuid5(self._namespace, name))
        return Job(job_id, self._rules.foreign_request(number), True, *times)  # noqa: FBT003


def export_rules(options: SandboxOptions) -> Rules[ExportRequest]:
    """Return the rules of the analytics exports."""
    hours, purge_after = options.fail_longer_than_hours, options.purge_after
    kept_seconds = math.inf if purge_after is None else purge_after
    return Rules(
        noun="export",
        longest=None if hours is None else (hours * 3600, f"{hours:g} hours"),
        foreign_request=_foreign_export,
        foreign_jobs=options.foreign_jobs,
        kept_seconds=kept_seconds,
        other_kept_seconds=kept_seconds,
        active_limit=options.active_limit,
        queue_seconds=options.queue_seconds,
    )


def extraction_rules(options: SandboxOptions) -> Rules[ExtractionRequest]:
    """Return the rules of the Data Extraction jobs."""
    days, expires_after = options.fail_longer_than_days, options.extraction_expires_after
    forbidden = {name.strip() for name in options.forbidden_entities.split(",")}
    foreign_request = ExtractionRequest("qm-workflows", "1", FIRST_DAY.date(), FIRST_DAY.date() + _WEEK)
    return Rules(
        noun="extraction",
        longest=None if days is None else (days * _DAY_SECONDS, f"{days:g} days"),
        foreign_request=lambda _: foreign_request,
        foreign_jobs=options.foreign_extractions,
        kept_seconds=_DAY_SECONDS if expires_after is None else expires_after,
        submit_seconds=options.submit_seconds,
        is_forbidden=lambda request: request.entity in forbidden,
        cancel_first=options.cancel_first,
        rival_every=options.rival_every,
    )


def _foreign_export(number: int) -> ExportRequest:
    """Return a request for another week for each number, in a form that the tap never requests."""
    start = FIRST_DAY + _WEEK * number
    dates = {"dateFrom": f"{start:%Y-%m-%d}T00:00:00.000Z", "dateTo": f"{start + _WEEK:%Y-%m-%d}T00:00:00.000Z"}
    query = {**dates, "filter": "type eq 'voice'"}
    return parse_export_request(
        {"query": query, "exportType": "conversation", "format": "csv", "compression": None, "includeHeaders": True}
    )
