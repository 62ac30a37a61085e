"""The analytics export surface: exports of conversation events (not in NiCE's public API catalogue).

Paths, bodies and limits as described in a published integration tutorial; nothing here decides when to call.
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

from typing_extensions import override

from tap_cxone.dates import format_date
from tap_cxone.errors import FatalError
from tap_cxone.jobs.model import ActiveExport, AsyncJobApi, BusyError, JobGoneError, JobState, JobStatus
from tap_cxone.jobs.polling import FIRST_POLL_SECONDS

if TYPE_CHECKING:
    from datetime import datetime

    import requests

    from tap_cxone.api.client import PlatformClient
    from tap_cxone.windows import Window

PATH = "/api/v2/analytics/exports"
MAX_ACTIVE_EXPORTS = 3
_SHOWN = frozenset({"query", "exportType", "format", "compression", "includeHeaders"})
_CONTRACT_WORDS = frozenset({"queued", "running", "completed"})
_FAILED_WORDS = frozenset({"failed", "cancelled", "canceled", "expired", "error"})


class AnalyticsExports(AsyncJobApi):
    """Exports of one kind, with one filter, in one format.

    Args:
        client: HTTP to the platform.
        export_filter: filter of the query.
        export_format: ``json`` or ``csv``.
        compression: ``gzip``, or none.
    """

    max_active = MAX_ACTIVE_EXPORTS
    granularity = timedelta(milliseconds=1)
    min_window = timedelta(hours=1)
    first_poll_seconds = FIRST_POLL_SECONDS

    def __init__(
        self, client: PlatformClient, *, export_filter: str, export_format: str, compression: str | None
    ) -> None:
        self._client = client
        self._filter = export_filter
        self.format = export_format
        self.compression = compression

    def query(self, window: Window) -> dict[str, Any]:
        """Return the body that asks for a window."""
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
        """Analytics exports may follow each other as fast as they like."""

    @override
    def list_active(self) -> list[ActiveExport]:
        return self._client.call("list", "GET", PATH, params={"status": "queued,running"}, read=_active_exports)

    @override
    def create(self, window: Window) -> str:
        try:
            return self._client.call("create", "POST", PATH, body=self.query(window), read=_job_id, repeatable=False)
        except FatalError as err:
            if err.status == HTTPStatus.CONFLICT:
                raise BusyError from err
            raise

    @override
    def matches_query(self, export: ActiveExport, window: Window) -> bool:
        sent = self.query(window)
        shown = export.query or {}
        return "query" in shown and all(sent[key] == value for key, value in shown.items())

    @override
    def fingerprint(self, window: Window) -> str:
        return self._client.digest(PATH, self.query(window))

    @override
    def status(self, job_id: str) -> JobStatus:
        try:
            return self._client.call("status", "GET", _job_path(job_id), read=self._job_status)
        except FatalError as err:
            if err.status == HTTPStatus.NOT_FOUND:
                return JobStatus(JobState.GONE, "the platform does not know the job any more")
            raise

    @override
    def download(self, job_id: str, file: IO[bytes]) -> int:
        try:
            return self._client.download(f"{_job_path(job_id)}/download", file)
        except FatalError as err:
            if err.status in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.GONE}:
                raise JobGoneError from err
            raise

    def _job_status(self, response: requests.Response) -> JobStatus:
        answer = response.json()
        said = self._client.redact(str(answer.get("errorMessage") or ""))
        word = answer["status"].lower()
        if word in _FAILED_WORDS:
            return JobStatus(JobState.FAILED, said or f"the platform says {self._client.redact(word)}")
        # A word that the contract does not have is waited on, no longer than the export timeout.
        return JobStatus(JobState(word) if word in _CONTRACT_WORDS else JobState.RUNNING, said)


def _job_path(job_id: str) -> str:
    return f"{PATH}/{quote(job_id, safe='')}"


def _job_id(response: requests.Response) -> str:
    job_id = response.json()["id"]
    if not isinstance(job_id, str) or not job_id:
        raise TypeError
    return job_id


def _active_exports(response: requests.Response) -> list[ActiveExport]:
    # An answer may hold more than was asked for; an entity without a status was asked for as an active one.
    return [
        ActiveExport(str(entity["id"]), {key: entity[key] for key in _SHOWN & entity.keys()} or None)
        for entity in response.json()["entities"]
        if str(entity.get("status", "queued")).lower() in {"queued", "running"}
    ]
