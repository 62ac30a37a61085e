"""The extraction jobs of the tenant: spaced, one active at a time, others' included, and done as the options say.

Nothing runs in the background: a job's status, and even another integration's job, is a function of the time at which
somebody looks. Written by one thread (the server's); others take snapshots.
"""

from __future__ import annotations

import math
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from tap_cxone.sandbox.contract import ExtractionRequest
from tap_cxone.sandbox.events import FIRST_DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cxone.sandbox.options import SandboxOptions

RUNNING, SUCCEEDED, FAILED, CANCELLED, EXPIRED = "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"
_KEPT_SECONDS = 86_400.0
_FOREIGN_REQUEST = ExtractionRequest("qm-workflows", "1", FIRST_DAY.date(), FIRST_DAY.date() + timedelta(days=7))


class RefusedError(Exception):
    """The platform takes no extraction job now, or not from this client (status 403, which does not say why)."""


@dataclass(frozen=True)
class Extraction:
    """An extraction job as it is at one moment.

    `status` is RUNNING, SUCCEEDED, FAILED, CANCELLED or EXPIRED; `created_at` and `finished_at` are seconds of
    `time.monotonic()` (finished_at None while it runs), `created_utc` the same moment in UTC; `downloads` counts how
    often its file was sent; `foreign` tells that another integration created it.
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
        """The entityName it was created with."""
        return self.request.entity

    @property
    def version(self) -> str:
        """The version it was created with."""
        return self.request.version

    @property
    def start_date(self) -> date:
        """The startDate it was created with."""
        return self.request.start_date

    @property
    def end_date(self) -> date:
        """The endDate it was created with."""
        return self.request.end_date

    @property
    def active(self) -> bool:
        """Whether it keeps the tenant from having another one."""
        return self.status == RUNNING


@dataclass(frozen=True)
class _Course:
    """A job with its whole course, known from the beginning."""

    id: str
    request: ExtractionRequest
    foreign: bool
    created_at: float
    created_utc: datetime
    ends_at: float
    end: str = SUCCEEDED
    error_message: str | None = None

    def seen_at(self, now: float, kept_seconds: float, downloads: int) -> Extraction:
        ended = now >= self.ends_at
        status = self.end if ended else RUNNING
        if status == SUCCEEDED and now >= self.ends_at + kept_seconds:
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


class ExtractionBook:
    """All extraction jobs of the tenant, those of other integrations included."""

    def __init__(self, options: SandboxOptions) -> None:
        """Open the book; the clock of the other integration starts now."""
        self._options = options
        self._start, self._start_utc = time.monotonic(), datetime.now(UTC)
        kept = options.extraction_expires_after
        self._kept_seconds = _KEPT_SECONDS if kept is None else kept
        self._forbidden = {name.strip() for name in options.forbidden_entities.split(",")}
        self._own: dict[str, _Course] = {}
        self._downloads: Counter[str] = Counter()
        self._last_refusal = -math.inf
        self._names = uuid.uuid4()
        self.refused = 0
        self.max_active = 0

    def create(self, request: ExtractionRequest) -> Extraction:
        """Start a job; RefusedError where one is active, the last create is too recent or the entity forbidden."""
        now = time.monotonic()
        jobs = self._seen_at(now)
        if request.entity in self._forbidden or self._is_too_soon(jobs, now) or any(job.active for job in jobs):
            self.refused += 1
            self._last_refusal = now
            raise RefusedError
        course = self._begun(request, now)
        # The new job counts, however short it is.
        self.max_active = max(self.max_active, 1 + sum(job.active and not job.foreign for job in jobs))
        self._own[course.id] = course
        return course.seen_at(now, self._kept_seconds, 0)

    def find(self, job_id: str) -> Extraction | None:
        """Return the job of that id, or None when it is unknown."""
        return next((job for job in self.all() if job.id == job_id), None)

    def all(self) -> list[Extraction]:
        """Return every job, expired ones too, in the order of their creation."""
        return self._seen_at(time.monotonic())

    def count_download(self, job_id: str) -> None:
        """Note that the file of a job was sent."""
        self._downloads[job_id] += 1

    def _seen_at(self, now: float) -> list[Extraction]:
        courses = [*self._foreign(now), *list(self._own.values())]
        courses.sort(key=lambda course: course.created_at)
        return [course.seen_at(now, self._kept_seconds, self._downloads[course.id]) for course in courses]

    def _is_too_soon(self, jobs: list[Extraction], now: float) -> bool:
        last = max((job.created_at for job in jobs), default=-math.inf)
        if self._options.submit_counts_refusals:
            last = max(last, self._last_refusal)
        return now - last < self._options.submit_seconds

    def _begun(self, request: ExtractionRequest, now: float) -> _Course:
        """Decide the course of the next job."""
        number = len(self._own)
        stuck = number < self._options.stuck_first
        end, error_message = self._ending(request, number)
        return _Course(
            id=str(uuid.uuid4()),
            request=request,
            foreign=False,
            created_at=now,
            created_utc=datetime.now(UTC),
            ends_at=math.inf if stuck else now + self._options.job_seconds,
            end=end,
            error_message=error_message,
        )

    def _ending(self, request: ExtractionRequest, number: int) -> tuple[str, str | None]:
        """Tell how the job of that number will end, and what it will say if it fails."""
        options = self._options
        longest = options.fail_longer_than_days
        if number < options.cancel_first:
            return CANCELLED, None
        if longest is not None and (request.end_date - request.start_date).days > longest:
            return FAILED, f"The extraction covers more than {longest:g} days of data"
        if options.fail_all or number < options.fail_first:
            return FAILED, "The extraction could not be produced: internal error"
        return SUCCEEDED, None

    def _foreign(self, now: float) -> Iterator[_Course]:
        """Yield the jobs of others that exist by now; they take their place without asking."""
        options = self._options
        for number in range(options.foreign_extractions):
            # Created so long before the start that they do not count for the time between two creates.
            yield self._of_another(f"first {number}", -options.submit_seconds, options.foreign_seconds)
        if options.rival_every is not None:
            for number in range(1, int((now - self._start) / options.rival_every) + 1):
                at = number * options.rival_every
                yield self._of_another(f"rival {number}", at, at + options.foreign_seconds)

    def _of_another(self, name: str, begins: float, ends: float) -> _Course:
        """Return a job of another integration; begin and end are in seconds since the start."""
        return _Course(
            id=str(uuid.uuid5(self._names, name)),
            request=_FOREIGN_REQUEST,
            foreign=True,
            created_at=self._start + begins,
            created_utc=self._start_utc + timedelta(seconds=begins),
            ends_at=self._start + ends,
        )
