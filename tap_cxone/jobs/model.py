"""What the engine and a platform surface say to each other: queries, jobs, and what became of them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Protocol

from tap_cxone.dates import format_date

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from pathlib import Path

    from tap_cxone.errors import CxoneError
    from tap_cxone.windows import Window


class JobState(enum.Enum):
    """Where a job stands. ``GONE``: the platform does not know it (any more)."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    GONE = "gone"

    @property
    def active(self) -> bool:
        """Whether the job holds one of the organisation's places."""
        return self in {JobState.QUEUED, JobState.RUNNING}


@dataclass(frozen=True)
class JobStatus:
    """One look at a job; ``reason`` is the platform's word on a failure, redacted."""

    state: JobState
    reason: str = ""


@dataclass(frozen=True)
class ActiveExport:
    """One active export of the organisation, ours or not; ``query`` is none where the platform does not show it."""

    job_id: str
    query: dict[str, Any] | None = None


@dataclass(frozen=True)
class ExportJob:
    """A job of ours: its id, the window that it exports, and when it was asked for.

    What the platform got later than that is not in its file.
    """

    job_id: str
    window: Window
    at: datetime

    def fields(self) -> dict[str, Any]:
        """Return the fields by which events of the audit log name a job."""
        return {
            "job_id": self.job_id,
            "dateFrom": format_date(self.window.start),
            "dateTo": format_date(self.window.end),
        }


@dataclass(frozen=True)
class ExportFile:
    """A downloaded and verified export: complete, but not yet read by anybody.

    Attributes:
        job: the job that made it.
        path: where its bytes lie until the consumer is done with it.
        size: bytes as downloaded.
        seconds: from creating the job to the verified file.
        scan: what the verification learned, for whoever reads the records; has a ``close``.
    """

    job: ExportJob
    path: Path
    size: int
    seconds: float
    scan: Any


class BusyError(Exception):
    """The platform has no place for another job at the moment.

    Attributes:
        refusal: where the same answer may also be one for good, the error to end with when it does not pass.
    """

    def __init__(self, refusal: CxoneError | None = None) -> None:
        super().__init__()
        self.refusal = refusal


class JobGoneError(Exception):
    """The platform does not have the file of a job (any more)."""


class AsyncJobApi(Protocol):
    """One way of exporting that a platform offers. All methods raise the errors of ``tap_cxone.errors``."""

    max_active: int
    """Active exports that an organisation may have, those of other integrations included."""
    format: str
    compression: str | None
    granularity: timedelta
    """What the edges of windows are whole multiples of, counted from midnight UTC."""
    min_window: timedelta
    """A window that is no longer than this is not cut any more."""
    first_poll_seconds: float
    """How soon after its creation a job may be looked at."""

    def seconds_until_create(self) -> float:
        """Return how long to wait until the next job may be created."""

    def record_create(self, at: datetime) -> None:
        """Count a request for a job that an earlier run has made, whatever became of it."""

    def list_active(self) -> list[ActiveExport]:
        """Return the organisation's active exports."""

    def create(self, window: Window) -> str:
        """Create a job and return its id.

        Raises:
            BusyError: the organisation has as many active exports as it may have, or creates them too fast.
            OutcomeUnknownError: whether the job was created is not known.
        """

    def matches_query(self, export: ActiveExport, window: Window) -> bool:
        """Tell whether an active export shows the very query that ``create`` sends for the window."""

    def fingerprint(self, window: Window) -> str:
        """Return a digest of everything that makes an export what it is: surface, address, client and query."""

    def status(self, job_id: str) -> JobStatus:
        """Look at a job."""

    def download(self, job_id: str, file: IO[bytes]) -> int:
        """Write the export of a completed job into a file and return its size in bytes.

        Raises:
            JobGoneError: there is no such file (any more).
        """
