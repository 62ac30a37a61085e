"""A simple client of the analytics export API, independent of the tap."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from tap_cxone.sandbox import Sandbox

EXPORTS = "/api/v2/analytics/exports"
CREDENTIALS = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox"}
DAY_1, DAY_2, DAY_3, DAY_8 = (f"2024-01-{day:02}T00:00:00.000Z" for day in (1, 2, 3, 8))


def export_body(date_from: str = DAY_1, date_to: str = DAY_8, **changes: Any) -> dict[str, Any]:
    """Return a valid body of a create request; `changes` replace or add fields."""
    query = {"dateFrom": date_from, "dateTo": date_to, "filter": "type eq 'bot'"}
    body = {
        "query": query,
        "exportType": "conversation",
        "format": "json",
        "compression": "gzip",
        "includeHeaders": True,
    }
    return {**body, **changes}


class ExportClient:
    """A session with a token. Methods return the response unless they say otherwise."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.url = sandbox.url
        self.session = requests.Session()

    def token(self, data: dict[str, str] | None = None, json: object = None) -> requests.Response:
        """Request a token and use it from now on."""
        if data is None and json is None:
            data = CREDENTIALS
        response = self.session.post(f"{self.url}/oauth/token", data=data, json=json, timeout=5)
        if response.status_code == 200 and "access_token" in response.text:
            self.session.headers["Authorization"] = f"Bearer {response.json()['access_token']}"
        return response

    def discovery(self) -> requests.Response:
        return self.session.get(f"{self.url}/.well-known/openid-configuration", timeout=5)

    def list(self, status: str | None = "queued,running") -> requests.Response:
        return self.session.get(self.url + EXPORTS, params=status and {"status": status}, timeout=5)

    def create(self, body: object = None) -> requests.Response:
        return self.session.post(self.url + EXPORTS, json=export_body() if body is None else body, timeout=5)

    def create_job(self, **changes: Any) -> str:
        """Create an export and return its id."""
        response = self.create(export_body(**changes))
        assert response.status_code == 201, response.text
        job_id: str = response.json()["id"]
        return job_id

    def status(self, job_id: str) -> requests.Response:
        return self.session.get(f"{self.url}{EXPORTS}/{job_id}", timeout=5)

    def download(self, job_id: str, *, stream: bool = False) -> requests.Response:
        return self.session.get(f"{self.url}{EXPORTS}/{job_id}/download", timeout=30, stream=stream)

    def wait_for(self, job_id: str) -> str:
        """Wait until a job has finished and return its status."""
        for _ in range(500):
            status: str = self.status(job_id).json()["status"]
            if status in {"completed", "failed"}:
                return status
            time.sleep(0.01)
        msg = "the job never finished"
        raise TimeoutError(msg)

    def export(self, **changes: Any) -> bytes:
        """Create an export, wait until it has completed and return its file."""
        job_id = self.create_job(**changes)
        assert self.wait_for(job_id) == "completed"
        response = self.download(job_id)
        assert response.status_code == 200, response.text
        return response.content
