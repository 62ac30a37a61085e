"""The export jobs of the organisation: created, advanced by the clock, failed, stuck and purged as the options say.

Nothing runs in the background: a job's status is a function of the time at which somebody looks. Used by one thread
(the server's); others take snapshots, which copy a dict's values in one step.
"""

from __future__ import annotations

import math
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tap_cxone.sandbox.contract import ExportRequest, parse_export_request
from tap_cxone.sandbox.events import FIRST_DAY

if TYPE_CHECKING:
    from tap_cxone.sandbox.options import SandboxOptions

ACTIVE = ("queued", "running")
STATUSES = (*ACTIVE, "completed", "failed")


class LimitReachedError(Exception):
    """As many exports are active as the organisation may have (status 409)."""


@dataclass(frozen=True)
class Job:
    """An export job as it is at one moment.

    `status` is queued, running, completed, failed or purged; `created_at` and `finished_at` are seconds of
    `time.monotonic()` (finished_at None while it is active), `created_utc` the same moment in UTC; `downloads` counts
    how often its file was asked for; `foreign` tells that another integration created it.
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
        """Start of the range, UTC."""
        return self.request.date_from

    @property
    def date_to(self) -> datetime:
        """End of the range, UTC."""
        return self.request.date_to

    @property
    def body(self) -> dict[str, Any]:
        """The body it was created with."""
        return self.request.body

    @property
    def active(self) -> bool:
        """Whether it takes one of the organisation's slots."""
        return self.status in ACTIVE


@dataclass
class _Export:
    """A job with its whole course, known from the beginning."""

    id: str
    request: ExportRequest
    foreign: bool
    created_at: float
    created_utc: datetime
    runs_at: float
    ends_at: float
    gone_at: float
    error_message: str | None
    downloads: int = 0

    def seen_at(self, now: float) -> Job:
        ended = now >= self.ends_at
        if now >= self.gone_at:
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


class JobBook:
    """All jobs of the organisation, those of another integration included."""

    def __init__(self, options: SandboxOptions) -> None:
        """Open the book; the jobs of the other integration start now."""
        self._options = options
        self._exports: dict[str, _Export] = {}
        self._created = 0
        self.max_active = 0
        self.max_active_total = options.foreign_jobs
        for number in range(options.foreign_jobs):
            self._add(_foreign_request(number), options.foreign_seconds, foreign=True)

    def create(self, request: ExportRequest) -> Job:
        """Start an export; LimitReachedError when as many as allowed are active."""
        options = self._options
        active = [job for job in self.all() if job.active]
        if len(active) >= options.active_limit:
            raise LimitReachedError
        seconds = math.inf if self._created < options.stuck_first else options.job_seconds
        error_message = self._failure(request)
        self._created += 1
        export = self._add(request, seconds, foreign=False, error_message=error_message)
        # The new job counts, however short it is.
        self.max_active = max(self.max_active, 1 + sum(not job.foreign for job in active))
        self.max_active_total = max(self.max_active_total, 1 + len(active))
        return export.seen_at(time.monotonic())

    def find(self, job_id: str) -> Job | None:
        """Return the job of that id, or None when it is unknown or purged."""
        export = self._exports.get(job_id)
        if export is None:
            return None
        job = export.seen_at(time.monotonic())
        return None if job.status == "purged" else job

    def all(self) -> list[Job]:
        """Return every job, purged ones too, in the order of their creation."""
        now = time.monotonic()
        return [export.seen_at(now) for export in list(self._exports.values())]

    def count_download(self, job_id: str) -> None:
        """Note that the file of a job was asked for."""
        self._exports[job_id].downloads += 1

    def _failure(self, request: ExportRequest) -> str | None:
        """Tell why the next job will fail, if it will."""
        options = self._options
        longest = options.fail_longer_than_hours
        if longest is not None and request.date_to - request.date_from > timedelta(hours=longest):
            return f"The export covers more than {longest:g} hours of data"
        if options.fail_all or self._created < options.fail_first:
            return "The export could not be produced: internal error"
        return None

    def _add(
        self, request: ExportRequest, seconds: float, *, foreign: bool, error_message: str | None = None
    ) -> _Export:
        now = time.monotonic()
        runs_at = now if foreign else now + self._options.queue_seconds
        ends_at = runs_at + seconds
        purge_after = self._options.purge_after
        export = _Export(
            id=str(uuid.uuid4()),
            request=request,
            foreign=foreign,
            created_at=now,
            created_utc=datetime.now(UTC),
            runs_at=runs_at,
            ends_at=ends_at,
            gone_at=math.inf if purge_after is None else ends_at + purge_after,
            error_message=error_message,
        )
        self._exports[export.id] = export
        return export


def _foreign_request(number: int) -> ExportRequest:
    """Return a query of somebody else: each of another week, all of them one that a tap would not ask for."""
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
