"""The Data Extraction API: NiCE's documented asynchronous export, whole days of an entity as CSV.

Paths, bodies, statuses and limits as the vendor documents them; nothing here decides when to call, but for how far two
creates must lie apart, which all streams of a tenant share.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

from typing_extensions import override

from tap_cxone.dates import utc_now
from tap_cxone.errors import FatalError, StorageRefusedError, ThrottledError
from tap_cxone.jobs.model import ActiveExport, AsyncJobApi, BusyError, JobGoneError, JobState, JobStatus

if TYPE_CHECKING:
    from datetime import datetime

    import requests

    from tap_cxone.api.client import PlatformClient
    from tap_cxone.jobs.polling import CreateThrottle
    from tap_cxone.windows import Window

PATH = "/data-extraction/v1/jobs"
FIRST_POLL_SECONDS = 5.0
"""Jobs may be looked at every 5 to 10 s."""
_THROTTLED = frozenset({HTTPStatus.FORBIDDEN})
"""Being throttled looks like a missing permission."""
_STATES = {
    "RUNNING": JobState.RUNNING,
    "SUCCEEDED": JobState.COMPLETED,
    "FAILED": JobState.FAILED,
    "CANCELLED": JobState.FAILED,
    "EXPIRED": JobState.GONE,
}
_ADVICE: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "check 'entity' and 'version' of the stream in 'data_extraction_entities', and "
    "'extraction_window_days'",
    HTTPStatus.NOT_FOUND: "check the settings 'region' and 'api_url'",
}


@dataclass(frozen=True)
class _Look:
    """One answer of the status call."""

    status: JobStatus
    url: str


class DataExtraction(AsyncJobApi):
    """Exports of one version of one entity.

    Args:
        client: HTTP to the platform.
        entity: name of the entity.
        version: which columns it has.
        spacing: keeps the creates of all streams apart.
    """

    max_active = 1
    format = "csv"
    compression = None
    granularity = timedelta(days=1)
    min_window = timedelta(days=1)
    first_poll_seconds = FIRST_POLL_SECONDS

    def __init__(self, client: PlatformClient, *, entity: str, version: str, spacing: CreateThrottle) -> None:
        self._client = client
        self._entity = entity
        self._version = version
        self._spacing = spacing
        self._own: set[str] = set()
        self._known: frozenset[str] | None = None  # jobs in the list when it was last looked at
        self._news = False  # whether others have made jobs since a create was refused

    def query(self, window: Window) -> dict[str, str]:
        """Return the body that asks for a window.

        Whether the platform takes the last day as inclusive is not documented: asked for the day behind the window,
        the file holds the window in either reading.
        """
        return {
            "entityName": self._entity,
            "version": self._version,
            "startDate": window.start.strftime("%Y-%m-%d"),
            "endDate": window.end.strftime("%Y-%m-%d"),
        }

    @override
    def seconds_until_create(self) -> float:
        return self._spacing.remaining()

    @override
    def record_create(self, at: datetime) -> None:
        self._spacing.restart(ago=(utc_now() - at).total_seconds())

    @override
    def list_active(self) -> list[ActiveExport]:
        jobs = self._client.call("list", "GET", PATH, read=_jobs, throttled=_THROTTLED, advice=_ADVICE)
        listed = frozenset(jobs) - self._own
        if self._known is not None and listed - self._known:
            self._news = True
            self._spacing.share()
        self._known = listed
        return [ActiveExport(job_id) for job_id, state in jobs.items() if state.active]

    @override
    def create(self, window: Window) -> str:
        try:
            job_id = self._client.call(
                "create",
                "POST",
                PATH,
                body=self.query(window),
                read=_job_id,
                repeatable=False,
                throttled=_THROTTLED,
                advice=_ADVICE,
                least_pause=self._spacing.seconds,
            )
        except ThrottledError as err:
            # Where others come and go it is them, and not a permission.
            refusal, self._news = None if self._news else err, False
            raise BusyError(refusal) from err
        except FatalError as err:
            if err.status == HTTPStatus.CONFLICT:
                raise BusyError from err
            raise
        finally:
            # Refused ones, too: whether they count is not documented.
            self._spacing.restart()
        self._own.add(job_id)
        return job_id

    @override
    def matches_query(self, export: ActiveExport, window: Window) -> bool:
        return False  # the list shows no queries: what another integration asked for could be taken for ours

    @override
    def fingerprint(self, window: Window) -> str:
        return self._client.digest(PATH, self.query(window))

    @override
    def status(self, job_id: str) -> JobStatus:
        return self._look(job_id).status

    @override
    def download(self, job_id: str, file: IO[bytes]) -> int:
        try:
            # A URL is good for half a minute: each attempt asks for one of its own.
            return self._client.download_signed(lambda: self._url(job_id), file)
        except StorageRefusedError as err:
            raise JobGoneError(err.message) from err

    def _url(self, job_id: str) -> str:
        look = self._look(job_id)
        if look.status.state is not JobState.COMPLETED:
            raise JobGoneError
        return look.url

    def _look(self, job_id: str) -> _Look:
        path = f"{PATH}/{quote(job_id, safe='')}"
        try:
            return self._client.call("status", "GET", path, read=self._read, throttled=_THROTTLED, advice=_ADVICE)
        except FatalError as err:
            if err.status == HTTPStatus.NOT_FOUND:
                return _Look(JobStatus(JobState.GONE, "the platform does not know the job any more"), "")
            raise

    def _read(self, response: requests.Response) -> _Look:
        if response.status_code == HTTPStatus.NO_CONTENT:
            return _Look(JobStatus(JobState.GONE, "the platform says nothing of the job"), "")
        answer: dict[str, Any] = response.json()["jobStatus"]
        word = answer["status"].upper()
        result = answer.get("result") or {}
        said = self._client.redact(str(result.get("errorMessage") or result.get("messageError") or ""))
        # A word that the contract does not have is waited on, no longer than the export timeout.
        state = _STATES.get(word, JobState.RUNNING)
        if not state.active and state is not JobState.COMPLETED:
            said = said or f"the platform says {self._client.redact(word)}"
        return _Look(JobStatus(state, said), str(result.get("url") or ""))


def _job_id(response: requests.Response) -> str:
    job_id = response.json()
    if isinstance(job_id, dict):  # seen at a working client, besides the bare string that is documented
        job_id = job_id["jobId"]
    if not isinstance(job_id, str) or not job_id:
        raise TypeError
    return job_id


def _jobs(response: requests.Response) -> dict[str, JobState]:
    if response.status_code == HTTPStatus.NO_CONTENT:
        return {}
    return {
        str(job["id"]): _STATES.get(str(job["status"]).upper(), JobState.RUNNING)
        for job in response.json().get("jobs") or ()
    }
