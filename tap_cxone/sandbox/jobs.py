"""The analytics export jobs of the simulated organisation.

Nothing runs in the background: the status of a job is computed from the current time. Only the server thread writes;
other threads take snapshots.
"""

from __future__ import annotations

import math
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tap_cxone.sandbox.create_requests import ExportRequest, parse_export_request
from tap_cxone.sandbox.events import FIRST_DAY

if TYPE_CHECKING:
    from tap_cxone.sandbox.options import SandboxOptions

ACTIVE = ("queued", "running")
STATUSES = (*ACTIVE, "completed", "failed")


class LimitReachedError(Exception):
    """The maximum number of active exports is reached (status 409)."""


@dataclass(frozen=True)
class Job:
    """A snapshot of an export job.

    Attributes:
        id: the job id.
        request: the request that created it.
        status: queued, running, completed, failed or purged.
        foreign: whether another integration created it.
        created_at: when it was created, in seconds of `time.monotonic()`.
        created_utc: when it was created, in UTC.
        finished_at: when it finished, in seconds of `time.monotonic()`; None while it is active.
        downloads: how often its file was requested.
        error_message: why it failed, if it did.
    """

    id: str
    request: ExportRequest
    status: str
    foreign: bool
    created_at: float
    created_utc: datetime
    finished_at: float | None
    downloads: int
    error_message: str | None

    @property
    def date_from(self) -> datetime:
        """Start of the date range, in UTC."""
        return self.request.date_from

    @property
    def date_to(self) -> datetime:
        """End of the date range, in UTC."""
        return self.request.date_to

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body of the create request."""
        return self.request.body

    @property
    def active(self) -> bool:
        """Whether it counts against the limit of active exports."""
        return self.status in ACTIVE


@dataclass
class _PlannedJob:
    """A job whose whole life cycle is decided when it is created. Times are seconds of `time.monotonic()`."""

    id: str
    request: ExportRequest
    foreign: bool
    created_at: float
    created_utc: datetime
    runs_at: float
    ends_at: float
    purged_at: float
    error_message: str | None
    downloads: int = 0

    def snapshot_at(self, now: float) -> Job:
        ended = now >= self.ends_at
        if now >= self.purged_at:
            status = "purged"
        elif ended:
            status = "failed" if self.error_message else "completed"
        else:
            status = "running" if now >= self.runs_at else "queued"
        return Job(
            id=self.id,
            request=self.request,
            status=status,
            foreign=self.foreign,
            created_at=self.created_at,
            created_utc=self.created_utc,
            finished_at=self.ends_at if ended else None,
            downloads=self.downloads,
            error_message=self.error_message if ended else None,
        )


class JobRegistry:
    """All jobs of the organisation, including those of another integration."""

    def __init__(self, options: SandboxOptions) -> None:
        """Create the registry. The jobs of the other integration start now."""
        self._options = options
        self._exports: dict[str, _PlannedJob] = {}
        self._created = 0
        self.max_active = 0
        self.max_active_total = options.foreign_jobs
        for number in range(options.foreign_jobs):
            self._add(_foreign_request(number), options.foreign_seconds, foreign=True)

    def create(self, request: ExportRequest) -> Job:
        """Create an export job.

        Raises:
            LimitReachedError: the maximum number of exports is active.
        """
        options = self._options
        active = [job for job in self.all() if job.active]
        if len(active) >= options.active_limit:
            raise LimitReachedError
        seconds = math.inf if self._created < options.stuck_first else options.job_seconds
        error_message = self._failure_reason(request)
        self._created += 1
        export = self._add(request, seconds, foreign=False, error_message=error_message)
        # The new job counts even if it finishes immediately.
        self.max_active = max(self.max_active, 1 + sum(not job.foreign for job in active))
        self.max_active_total = max(self.max_active_total, 1 + len(active))
        return export.snapshot_at(time.monotonic())

    def find(self, job_id: str) -> Job | None:
        """Return the job with that id, or None if it is unknown or purged."""
        export = self._exports.get(job_id)
        if export is None:
            return None
        job = export.snapshot_at(time.monotonic())
        return None if job.status == "purged" else job

    def all(self) -> list[Job]:
        """Return every job, including purged ones, in order of creation."""
        now = time.monotonic()
        return [export.snapshot_at(now) for export in list(self._exports.values())]

    def count_download(self, job_id: str) -> None:
        """Count a download of the file of a job."""
        self._exports[job_id].downloads += 1

    def _failure_reason(self, request: ExportRequest) -> str | None:
        """Return why the next job will fail, or None if it will complete."""
        options = self._options
        max_hours = options.fail_longer_than_hours
        if max_hours is not None and request.date_to - request.date_from > timedelta(hours=max_hours):
            return f"The export covers more than {max_hours:g} hours of data"
        if options.fail_all or self._created < options.fail_first:
            return "The export could not be produced: internal error"
        return None

    def _add(
        self, request: ExportRequest, seconds: float, *, foreign: bool, error_message: str | None = None
    ) -> _PlannedJob:
        now = time.monotonic()
        runs_at = now if foreign else now + self._options.queue_seconds
        ends_at = runs_at + seconds
        purge_after = self._options.purge_after
        export = _PlannedJob(
            id=str(uuid.uuid4()),
            request=request,
            foreign=foreign,
            created_at=now,
            created_utc=datetime.now(UTC),
            runs_at=runs_at,
            ends_at=ends_at,
            purged_at=math.inf if purge_after is None else ends_at + purge_after,
            error_message=error_message,
        )
        self._exports[export.id] = export
        return export


def _foreign_request(number: int) -> ExportRequest:
    """Return a request of another integration: each number is another week, in a form that the tap never requests."""
    start = FIRST_DAY + timedelta(days=7 * number)
    return parse_export_request(
        {
            "query": {
                "dateFrom": f"{start:%Y-%m-%d}T00:00:00.000Z",
                "dateTo": f"{start + timedelta(days=7):%Y-%m-%d}T00:00:00.000Z",
                "filter": "type eq 'voice'",
            },
            "exportType": "conversation",
            "format": "csv",
            "compression": None,
            "includeHeaders": True,
        }
    )
