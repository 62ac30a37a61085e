"""The analytics exports API: asynchronous exports of conversation events (not in NiCE's public API catalogue).

Paths, bodies and limits follow a published integration tutorial. This module makes single calls; ``creation``,
``following`` and ``fetching`` decide when to make them.
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

from typing_extensions import override

from tap_cxone.api.calls import MAX_LIST_BYTES, ApiCall
from tap_cxone.dates import format_date
from tap_cxone.errors import FatalError
from tap_cxone.jobs.model import ActiveExport, AsyncJobApi, BusyError, JobGoneError, JobState, JobStatus, valid_job_id
from tap_cxone.jobs.polling import MIN_POLL_SECONDS

if TYPE_CHECKING:
    from datetime import datetime

    from tap_cxone.api.client import PlatformClient
    from tap_cxone.api.responses import ApiResponse
    from tap_cxone.windows import Window

PATH = "/api/v2/analytics/exports"
MAX_ACTIVE_EXPORTS = 3
_QUERY_KEYS = frozenset({"query", "exportType", "format", "compression", "includeHeaders"})
"""Keys of a listed export that repeat the request that created it."""
_DOCUMENTED_STATUSES = frozenset({"queued", "running", "completed"})
_FAILED_STATUSES = frozenset({"failed", "cancelled", "canceled", "expired", "error"})
_CREATE_HINTS: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "check the settings 'export_filter', 'export_format' and 'window_days'",
}


class AnalyticsExports(AsyncJobApi):
    """Conversation exports with one filter in one format. Thread-safe: it has no mutable state.

    Args:
        client: client of the platform.
        export_filter: filter of the query, in the platform's filter syntax.
        export_format: ``json`` or ``csv``.
        compression: ``gzip``, or None.
    """

    surface = "analytics"
    max_active = MAX_ACTIVE_EXPORTS
    granularity = timedelta(milliseconds=1)
    min_window = timedelta(hours=1)
    min_poll_seconds = MIN_POLL_SECONDS

    def __init__(
        self, client: PlatformClient, *, export_filter: str, export_format: str, compression: str | None
    ) -> None:
        self._client = client
        self._filter = export_filter
        self.format = export_format
        self.compression = compression

    def query(self, window: Window) -> dict[str, Any]:
        """Return the body of the request that creates the export of a window."""
        return {
            "query": {
                "dateFrom": format_date(window.start),
                "dateTo": format_date(window.end),
                "filter": self._filter,
            },
            "exportType": "conversation",
            "format": self.format,
            "compression": self.compression,
            "includeHeaders": True,
        }

    @override
    def seconds_until_create(self) -> float:
        return 0.0

    @override
    def record_create(self, at: datetime) -> None:
        """Do nothing: this API does not limit how fast exports are created."""

    @override
    def list_active(self) -> list[ActiveExport]:
        call = ApiCall("list", "GET", PATH, params={"status": "queued,running"}, max_bytes=MAX_LIST_BYTES)
        return self._client.call(call, _active_exports)

    @override
    def create(self, window: Window) -> str:
        body = self.query(window)
        call = ApiCall("create", "POST", PATH, json=body, repeatable=False, hints=_CREATE_HINTS)
        try:
            return self._client.call(call, _job_id)
        except FatalError as err:
            if err.status == HTTPStatus.CONFLICT:
                raise BusyError from err
            raise

    @override
    def matches_query(self, export: ActiveExport, window: Window) -> bool:
        ours = self.query(window)
        listed = export.query or {}
        return "query" in listed and all(ours[key] == value for key, value in listed.items())

    @override
    def fingerprint(self, window: Window) -> str:
        return self._client.digest(PATH, self.query(window))

    @override
    def status(self, job_id: str) -> JobStatus:
        try:
            return self._client.call(ApiCall("status", "GET", _job_path(job_id)), self._job_status)
        except FatalError as err:
            if err.status == HTTPStatus.NOT_FOUND:
                return JobStatus(JobState.GONE, "the platform no longer knows the job")
            raise

    @override
    def download(self, job_id: str, file: IO[bytes]) -> int:
        try:
            return self._client.download(f"{_job_path(job_id)}/download", file)
        except FatalError as err:
            if err.status in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.GONE}:
                raise JobGoneError from err
            raise

    def _job_status(self, response: ApiResponse) -> JobStatus:
        body = response.json()
        reason = self._client.redact(str(body.get("errorMessage") or ""))
        status = body["status"].lower()
        if status in _FAILED_STATUSES:
            return JobStatus(JobState.FAILED, reason or f"the platform reports {self._client.redact(status)}")
        # An undocumented status counts as running; the export timeout bounds the wait.
        return JobStatus(JobState(status) if status in _DOCUMENTED_STATUSES else JobState.RUNNING, reason)


def _job_path(job_id: str) -> str:
    return f"{PATH}/{quote(job_id, safe='')}"


def _job_id(response: ApiResponse) -> str:
    return valid_job_id(response.json().get("id"))


def _active_exports(response: ApiResponse) -> list[ActiveExport]:
    # The platform may ignore the filter by status. An entity without a status counts as active.
    return [
        ActiveExport(valid_job_id(entity["id"]), {key: entity[key] for key in _QUERY_KEYS & entity.keys()} or None)
        for entity in response.json()["entities"]
        if str(entity.get("status", "queued")).lower() in {"queued", "running"}
    ]
