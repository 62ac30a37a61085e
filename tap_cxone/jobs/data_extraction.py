"""The Data Extraction API: NiCE's documented asynchronous export of whole days of an entity as CSV.

Paths, bodies, statuses and limits follow the vendor's documentation. This module makes single calls;
``creation``, ``following`` and ``fetching`` decide when to make them. The minimum interval between two creates is kept
by a ``CreateThrottle`` that all streams share.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

from typing_extensions import override

from tap_cxone.api.calls import MAX_LIST_BYTES, ApiCall
from tap_cxone.dates import utc_now
from tap_cxone.errors import FatalError, StorageRefusedError, ThrottledError
from tap_cxone.jobs.model import ActiveExport, AsyncJobApi, BusyError, JobGoneError, JobState, JobStatus, valid_job_id

if TYPE_CHECKING:
    from datetime import datetime

    from tap_cxone.api.client import PlatformClient
    from tap_cxone.api.responses import ApiResponse
    from tap_cxone.jobs.polling import CreateThrottle
    from tap_cxone.windows import Window

PATH = "/data-extraction/v1/jobs"
MIN_POLL_SECONDS = 5.0
"""The vendor asks for status requests every 5 to 10 s."""
_THROTTLED: frozenset[int] = frozenset({HTTPStatus.FORBIDDEN})
"""The platform answers a throttled request like one without permission."""
_STATES = {
    "RUNNING": JobState.RUNNING,
    "SUCCEEDED": JobState.COMPLETED,
    "FAILED": JobState.FAILED,
    "CANCELLED": JobState.FAILED,
    "EXPIRED": JobState.GONE,
}
_HINTS: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "check 'entity' and 'version' of the stream in 'data_extraction_entities', and "
    "'extraction_window_days'",
    HTTPStatus.NOT_FOUND: "check the settings 'region' and 'api_url'",
}


@dataclass(frozen=True)
class _StatusResponse:
    """The parsed response of the status call; ``url`` is the pre-signed download URL, or empty."""

    status: JobStatus
    url: str = ""


_JOB_UNKNOWN = _StatusResponse(JobStatus(JobState.GONE, "the platform no longer knows the job"))
_NO_CONTENT = _StatusResponse(JobStatus(JobState.GONE, "the platform returned no status of the job"))


class DataExtraction(AsyncJobApi):
    """Exports of one version of one entity.

    ``create`` and ``list_active`` update the fields that tell our jobs from those of others. These fields need no lock:
    ``JobCreator`` calls both methods only in the thread whose turn it is to create a job. The other methods only read
    what the constructor set.

    Args:
        client: client of the platform.
        entity: name of the entity.
        version: version of the entity; it determines the columns.
        permission: the permission that the user needs for the entity, for messages; empty: not known.
        create_throttle: minimum interval between the creates of all streams.
    """

    surface = "data_extraction"
    max_active = 1
    format = "csv"
    compression = None
    granularity = timedelta(days=1)
    min_window = timedelta(days=1)
    min_poll_seconds = MIN_POLL_SECONDS

    def __init__(
        self,
        client: PlatformClient,
        *,
        entity: str,
        version: str,
        permission: str = "",
        create_throttle: CreateThrottle,
    ) -> None:
        self._client = client
        self._entity = entity
        self._version = version
        self._throttle = create_throttle
        needed = {HTTPStatus.FORBIDDEN: f"check that the user has the permission '{permission}'"} if permission else {}
        self._hints = _HINTS | needed
        self._created: set[str] = set()  # ids of the jobs that this object has created
        self._others: frozenset[str] | None = None  # ids of all other jobs when they were last listed
        self._others_create = False  # whether others have created jobs since a create was throttled

    def query(self, window: Window) -> dict[str, str]:
        """Return the body of the request that creates the export of a window.

        It is not documented whether the end date is inclusive. With the day after the window as its end, the file
        contains the window in both cases.
        """
        return {
            "entityName": self._entity,
            "version": self._version,
            "startDate": window.start.strftime("%Y-%m-%d"),
            "endDate": window.end.strftime("%Y-%m-%d"),
        }

    @override
    def seconds_until_create(self) -> float:
        return self._throttle.remaining()

    @override
    def record_create(self, at: datetime) -> None:
        self._throttle.restart(ago=(utc_now() - at).total_seconds())

    @override
    def list_active(self) -> list[ActiveExport]:
        jobs = self._client.call(
            ApiCall("list", "GET", PATH, throttled=_THROTTLED, hints=self._hints, max_bytes=MAX_LIST_BYTES), _jobs
        )
        others = frozenset(jobs) - self._created
        if self._others is not None and others - self._others:
            self._others_create = True
            self._throttle.share()
        self._others = others
        return [ActiveExport(job_id) for job_id, state in jobs.items() if state.active]

    @override
    def create(self, window: Window) -> str:
        call = ApiCall(
            "create",
            "POST",
            PATH,
            json=self.query(window),
            repeatable=False,
            throttled=_THROTTLED,
            hints=self._hints,
            min_pause=self._throttle.seconds,
        )
        try:
            job_id = self._client.call(call, _job_id)
        except ThrottledError as err:
            # If others have just created jobs, the cause is their use of the limit and not a missing permission.
            final_error, self._others_create = None if self._others_create else err, False
            raise BusyError(final_error) from err
        except FatalError as err:
            if err.status == HTTPStatus.CONFLICT:
                raise BusyError from err
            raise
        finally:
            # Also after a refusal: it is not documented whether a refused request counts.
            self._throttle.restart()
        self._created.add(job_id)
        return job_id

    @override
    def matches_query(self, export: ActiveExport, window: Window) -> bool:
        return False  # the list does not show queries, so a job of another integration could be taken for ours

    @override
    def fingerprint(self, window: Window) -> str:
        return self._client.digest(PATH, self.query(window))

    @override
    def status(self, job_id: str) -> JobStatus:
        return self._get_status(job_id).status

    @override
    def download(self, job_id: str, file: IO[bytes]) -> int:
        try:
            # A URL is valid for half a minute, so every attempt asks for a new one.
            return self._client.download_signed(lambda: self._download_url(job_id), file)
        except StorageRefusedError as err:
            raise JobGoneError(err.message) from err

    def _download_url(self, job_id: str) -> str:
        response = self._get_status(job_id)
        if response.status.state is not JobState.COMPLETED:
            raise JobGoneError
        return response.url

    def _get_status(self, job_id: str) -> _StatusResponse:
        path = f"{PATH}/{quote(job_id, safe='')}"
        try:
            return self._client.call(
                ApiCall("status", "GET", path, throttled=_THROTTLED, hints=self._hints), self._read_status
            )
        except FatalError as err:
            if err.status == HTTPStatus.NOT_FOUND:
                return _JOB_UNKNOWN
            raise

    def _read_status(self, response: ApiResponse) -> _StatusResponse:
        if response.status_code == HTTPStatus.NO_CONTENT:
            return _NO_CONTENT
        body: dict[str, Any] = response.json()["jobStatus"]
        status = body["status"].upper()
        result = body.get("result") or {}
        reason = self._client.redact(str(result.get("errorMessage") or result.get("messageError") or ""))
        # An undocumented status counts as running; the export timeout bounds the wait.
        state = _STATES.get(status, JobState.RUNNING)
        if not state.active and state is not JobState.COMPLETED:
            reason = reason or f"the platform reports {self._client.redact(status)}"
        return _StatusResponse(JobStatus(state, reason), str(result.get("url") or ""))


def _job_id(response: ApiResponse) -> str:
    job_id = response.json()
    if isinstance(job_id, dict):  # as existing clients have seen it; a bare string is documented
        job_id = job_id.get("jobId")
    return valid_job_id(job_id)


def _jobs(response: ApiResponse) -> dict[str, JobState]:
    if response.status_code == HTTPStatus.NO_CONTENT:
        return {}
    return {
        valid_job_id(job["id"]): _STATES.get(str(job["status"]).upper(), JobState.RUNNING)
        for job in response.json().get("jobs") or ()
    }
