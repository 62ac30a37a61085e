"""The Data Extraction jobs of the simulated tenant: one active at a time, with a minimum time between creates.

Nothing runs in the background: the status of a job, and which jobs of other integrations exist, is computed from the
current time. Only the server thread writes; other threads take snapshots.
"""

from __future__ import annotations

import math
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from tap_cxone.sandbox.create_requests import ExtractionRequest
from tap_cxone.sandbox.events import FIRST_DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cxone.sandbox.options import SandboxOptions

RUNNING, SUCCEEDED, FAILED, CANCELLED, EXPIRED = "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"
_DEFAULT_RETENTION_SECONDS = 86_400.0
_FOREIGN_REQUEST = ExtractionRequest("qm-workflows", "1", FIRST_DAY.date(), FIRST_DAY.date() + timedelta(days=7))


class CreateForbiddenError(Exception):
    """The platform rejects a create because of a limit or a missing permission (status 403, without a reason)."""


@dataclass(frozen=True)
class Extraction:
    """A snapshot of an extraction job.

    Attributes:
        id: the job id.
        request: the request that created it.
        status: RUNNING, SUCCEEDED, FAILED, CANCELLED or EXPIRED.
        foreign: whether another integration created it.
        created_at: when it was created, in seconds of `time.monotonic()`.
        created_utc: when it was created, in UTC.
        finished_at: when it finished, in seconds of `time.monotonic()`; None while it is running.
        downloads: how often its file was sent.
        error_message: why it failed, if it did.
    """

    id: str
    request: ExtractionRequest
    status: str
    foreign: bool
    created_at: float
    created_utc: datetime
    finished_at: float | None
    downloads: int
    error_message: str | None

    @property
    def entity(self) -> str:
        """The entityName of the create request."""
        return self.request.entity

    @property
    def version(self) -> str:
        """The version of the create request."""
        return self.request.version

    @property
    def start_date(self) -> date:
        """The startDate of the create request."""
        return self.request.start_date

    @property
    def end_date(self) -> date:
        """The endDate of the create request."""
        return self.request.end_date

    @property
    def active(self) -> bool:
        """Whether it prevents the tenant from creating another job."""
        return self.status == RUNNING


@dataclass(frozen=True)
class _PlannedExtraction:
    """A job whose whole life cycle is decided when it is created. Times are seconds of `time.monotonic()`."""

    id: str
    request: ExtractionRequest
    foreign: bool
    created_at: float
    created_utc: datetime
    ends_at: float
    final_status: str = SUCCEEDED
    error_message: str | None = None

    def snapshot_at(self, now: float, retention_seconds: float, downloads: int) -> Extraction:
        ended = now >= self.ends_at
        status = self.final_status if ended else RUNNING
        if status == SUCCEEDED and now >= self.ends_at + retention_seconds:
            status = EXPIRED
        return Extraction(
            id=self.id,
            request=self.request,
            status=status,
            foreign=self.foreign,
            created_at=self.created_at,
            created_utc=self.created_utc,
            finished_at=self.ends_at if ended else None,
            downloads=downloads,
            error_message=self.error_message if ended else None,
        )


class ExtractionRegistry:
    """All extraction jobs of the tenant, including those of other integrations."""

    def __init__(self, options: SandboxOptions) -> None:
        """Create the registry. The schedule of the other integration starts now."""
        self._options = options
        self._start, self._start_utc = time.monotonic(), datetime.now(UTC)
        expires_after = options.extraction_expires_after
        self._retention_seconds = _DEFAULT_RETENTION_SECONDS if expires_after is None else expires_after
        self._forbidden = {name.strip() for name in options.forbidden_entities.split(",")}
        self._own: dict[str, _PlannedExtraction] = {}
        self._downloads: Counter[str] = Counter()
        self._last_refusal = -math.inf
        self._namespace = uuid.uuid4()
        self.refused_creates = 0
        self.max_active = 0

    def create(self, request: ExtractionRequest) -> Extraction:
        """Create a job.

        Raises:
            CreateForbiddenError: a job is active, the last create is too recent or the entity is forbidden.
        """
        now = time.monotonic()
        jobs = self._snapshots_at(now)
        if request.entity in self._forbidden or self._is_too_soon(jobs, now) or any(other.active for other in jobs):
            self.refused_creates += 1
            self._last_refusal = now
            raise CreateForbiddenError
        job = self._plan(request, now)
        # The new job counts even if it finishes immediately.
        self.max_active = max(self.max_active, 1 + sum(other.active and not other.foreign for other in jobs))
        self._own[job.id] = job
        return job.snapshot_at(now, self._retention_seconds, 0)

    def find(self, job_id: str) -> Extraction | None:
        """Return the job with that id, or None if it is unknown."""
        return next((job for job in self.all() if job.id == job_id), None)

    def all(self) -> list[Extraction]:
        """Return every job, including expired ones, in order of creation."""
        return self._snapshots_at(time.monotonic())

    def count_download(self, job_id: str) -> None:
        """Count a download of the file of a job."""
        self._downloads[job_id] += 1

    def _snapshots_at(self, now: float) -> list[Extraction]:
        jobs = [*self._foreign_jobs(now), *list(self._own.values())]
        jobs.sort(key=lambda job: job.created_at)
        return [job.snapshot_at(now, self._retention_seconds, self._downloads[job.id]) for job in jobs]

    def _is_too_soon(self, jobs: list[Extraction], now: float) -> bool:
        last = max((job.created_at for job in jobs), default=-math.inf)
        if self._options.submit_counts_refusals:
            last = max(last, self._last_refusal)
        return now - last < self._options.submit_seconds

    def _plan(self, request: ExtractionRequest, now: float) -> _PlannedExtraction:
        """Decide the life cycle of the next job."""
        number = len(self._own)
        stuck = number < self._options.stuck_first
        final_status, error_message = self._outcome(request, number)
        return _PlannedExtraction(
            id=str(uuid.uuid4()),
            request=request,
            foreign=False,
            created_at=now,
            created_utc=datetime.now(UTC),
            ends_at=math.inf if stuck else now + self._options.job_seconds,
            final_status=final_status,
            error_message=error_message,
        )

    def _outcome(self, request: ExtractionRequest, number: int) -> tuple[str, str | None]:
        """Return the final status of the job with that number and its error message, if any."""
        options = self._options
        max_days = options.fail_longer_than_days
        if number < options.cancel_first:
            return CANCELLED, None
        if max_days is not None and (request.end_date - request.start_date).days > max_days:
            return FAILED, f"The extraction covers more than {max_days:g} days of data"
        if options.fail_all or number < options.fail_first:
            return FAILED, "The extraction could not be produced: internal error"
        return SUCCEEDED, None

    def _foreign_jobs(self, now: float) -> Iterator[_PlannedExtraction]:
        """Yield the jobs of the other integration that exist by now. The limits do not apply to them."""
        options = self._options
        for number in range(options.foreign_extractions):
            # Created long enough before the start not to delay our first create.
            yield self._foreign_job(f"first {number}", -options.submit_seconds, options.foreign_seconds)
        if options.rival_every is not None:
            for number in range(1, int((now - self._start) / options.rival_every) + 1):
                at = number * options.rival_every
                yield self._foreign_job(f"rival {number}", at, at + options.foreign_seconds)

    def _foreign_job(self, name: str, begins: float, ends: float) -> _PlannedExtraction:
        """Return a job of another integration; begin and end are in seconds since the start of the sandbox."""
        return _PlannedExtraction(
            id=str(uuid.uuid5(self._namespace, name)),
            request=_FOREIGN_REQUEST,
            foreign=True,
            created_at=self._start + begins,
            created_utc=self._start_utc + timedelta(seconds=begins),
            ends_at=self._start + ends,
        )
