"""The values of this package (jobs, their states, files) and the interface that a platform API implements."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from tap_cxone.dates import format_date
from tap_cxone.errors import FatalError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from tap_cxone.errors import CxoneError
    from tap_cxone.windows import Window

MAX_JOB_ID_CHARACTERS = 512


class JobState(enum.Enum):
    """State of a job. ``GONE``: the platform does not know the job, or no longer does."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    GONE = "gone"

    @property
    def active(self) -> bool:
        """Whether the job occupies one of the organisation's slots."""
        return self in {JobState.QUEUED, JobState.RUNNING}


@dataclass(frozen=True)
class JobStatus:
    """Result of one status call; ``reason`` is the platform's explanation of a failure, redacted."""

    state: JobState
    reason: str = ""


@dataclass(frozen=True)
class ActiveExport:
    """One active export of the organisation, ours or not; ``query`` is None if the platform does not show it."""

    job_id: str
    query: dict[str, Any] | None = None


def valid_job_id(value: object) -> str:
    """Return a job id as text.

    An id becomes part of a path and of log lines, so it must consist of printable characters, at most
    ``MAX_JOB_ID_CHARACTERS`` of them, and must not be ``.`` or ``..``.

    Args:
        value: the id as the platform sent it: text, or an integer.

    Raises:
        InvalidJobIdError: it is not valid.
    """
    job_id = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(job_id, str) or not 0 < len(job_id) <= MAX_JOB_ID_CHARACTERS:
        raise InvalidJobIdError
    if not job_id.isprintable() or job_id in {".", ".."}:
        raise InvalidJobIdError
    return job_id


class InvalidJobIdError(FatalError):
    """The platform gave a job an id that cannot be used. It would do so again, so no other job is created."""

    def __init__(self) -> None:
        super().__init__(
            "The platform sent a job id that is not usable (printable text of up to "
            f"{MAX_JOB_ID_CHARACTERS} characters is expected): check that the API's address is that of the platform.",
            0,
        )


@dataclass(frozen=True)
class ExportJob:
    """A job of ours.

    Attributes:
        job_id: the platform's id.
        window: the window that it exports.
        requested_at: when it was requested. Events that reached the platform later are not in its file.
    """

    job_id: str
    window: Window
    requested_at: datetime

    def fields(self) -> dict[str, str]:
        """Return the fields by which audit events name a job."""
        return {
            "job_id": self.job_id,
            "dateFrom": format_date(self.window.start),
            "dateTo": format_date(self.window.end),
        }


class Verified(Protocol):
    """The records of a verified file, on disk until it is closed."""

    @property
    def size(self) -> int:
        """Bytes that it takes up on disk."""

    is_blank: bool
    """Whether the file has nothing but white space."""

    def close(self) -> None:
        """Delete what is on disk."""


V = TypeVar("V", bound=Verified)


@dataclass(frozen=True)
class ExportFile(Generic[V]):
    """The records of a job, complete and verified, that have not been read yet.

    Attributes:
        job: the job that exported them.
        size: bytes as downloaded.
        seconds: from the time at which the window got a slot to the verified file.
        verified: result of the verification, for the reader of the records.
        on_close: called when the file is closed.
    """

    job: ExportJob
    size: int
    seconds: float
    verified: V
    on_close: Callable[[], None] = lambda: None

    def close(self) -> None:
        """Delete the records from the disk."""
        self.verified.close()
        self.on_close()


class JobFailedError(Exception):
    """One job failed; another one for the same window may succeed.

    Attributes:
        job: the job.
        reason: why, for messages and the audit log.
        may_split: whether jobs for shorter windows may succeed where one for this window does not.
        is_blank: whether its file has nothing but white space, however often it is downloaded.
    """

    def __init__(self, job: ExportJob, reason: str, *, may_split: bool = True, is_blank: bool = False) -> None:
        super().__init__(reason)
        self.job = job
        self.may_split = may_split
        self.is_blank = is_blank
        self.reason = reason or "the platform gave no reason"


class BusyError(Exception):
    """The platform accepts no further job at the moment.

    Attributes:
        refusal: the error to raise if this persists, for responses that may also mean "never"; else None.
    """

    def __init__(self, refusal: CxoneError | None = None) -> None:
        super().__init__()
        self.refusal = refusal


class JobGoneError(Exception):
    """The platform does not have the file of a job, or no longer does."""


class AsyncJobApi(Protocol):
    """A platform API for asynchronous export jobs. All methods raise the errors of ``tap_cxone.errors``."""

    surface: str
    """Which of the platform's APIs it is: ``analytics`` or ``data_extraction``."""
    max_active: int
    """Active exports that an organisation may have, those of other integrations included."""
    format: str
    """Format of the export files: ``json`` or ``csv``."""
    compression: str | None
    """Compression that the jobs ask for: ``gzip``, or None."""
    granularity: timedelta
    """Windows begin and end at multiples of this, counted from midnight UTC."""
    min_window: timedelta
    """A window of this length or less is not split any further."""
    min_poll_seconds: float
    """Shortest pause before a status call."""

    def seconds_until_create(self) -> float:
        """Return the seconds until the next job may be created; 0 if it may be created now."""

    def record_create(self, at: datetime) -> None:
        """Take note of a create request that an earlier run sent, whatever its outcome."""

    def list_active(self) -> list[ActiveExport]:
        """Return the organisation's active exports."""

    def create(self, window: Window) -> str:
        """Create a job and return its id.

        Raises:
            BusyError: the organisation has as many active exports as it may have, or creates them too fast.
            OutcomeUnknownError: nobody knows whether the job was created.
        """

    def matches_query(self, export: ActiveExport, window: Window) -> bool:
        """Return whether an active export shows exactly the query that ``create`` sends for the window."""

    def fingerprint(self, window: Window) -> str:
        """Return a digest of everything that determines an export: API, address, client and query."""

    def status(self, job_id: str) -> JobStatus:
        """Ask for the state of a job."""

    def download(self, job_id: str, file: IO[bytes]) -> int:
        """Write the export of a completed job into a file and return its size in bytes.

        Raises:
            JobGoneError: the platform does not have the file, or no longer does.
        """
