"""A plain client of the contract, independent of the tap: what an engineer would write with requests."""

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
    """Return a valid create body; changes replace members of it."""
    query = {"dateFrom": date_from, "dateTo": date_to, "filter": "type eq 'bot'"}
    body = {
        "query": query,
        "exportType": "conversation",
        "format": "json",
        "compression": "gzip",
        "includeHeaders": True,
    }
    return {**body, **changes}


class Client:
    """One session with a token; every method returns the bare response."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.url = sandbox.url
        self.session = requests.Session()

    def token(self, data: dict[str, str] | None = None, json: object = None) -> requests.Response:
        """Ask for a token and use it from now on."""
        if data is None and json is None:
            data = CREDENTIALS
        answer = self.session.post(f"{self.url}/oauth/token", data=data, json=json, timeout=5)
        if answer.status_code == 200 and "access_token" in answer.text:
            self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return answer

    def discovery(self) -> requests.Response:
        return self.session.get(f"{self.url}/.well-known/openid-configuration", timeout=5)

    def list(self, status: str | None = "queued,running") -> requests.Response:
        return self.session.get(self.url + EXPORTS, params=status and {"status": status}, timeout=5)

    def create(self, body: object = None) -> requests.Response:
        return self.session.post(self.url + EXPORTS, json=export_body() if body is None else body, timeout=5)

    def created(self, **changes: Any) -> str:
        """Create an export and return its id."""
        answer = self.create(export_body(**changes))
        assert answer.status_code == 201, answer.text
        job_id: str = answer.json()["id"]
        return job_id

    def status(self, job_id: str) -> requests.Response:
        return self.session.get(f"{self.url}{EXPORTS}/{job_id}", timeout=5)

    def download(self, job_id: str, *, stream: bool = False) -> requests.Response:
        return self.session.get(f"{self.url}{EXPORTS}/{job_id}/download", timeout=30, stream=stream)

    def finished(self, job_id: str) -> str:
        """Wait for a job and return its last status."""
        for _ in range(500):
            status: str = self.status(job_id).json()["status"]
            if status in {"completed", "failed"}:
                return status
            time.sleep(0.01)
        msg = "the job never finished"
        raise TimeoutError(msg)

    def exported(self, **changes: Any) -> bytes:
        """Create, wait and download."""
        job_id = self.created(**changes)
        assert self.finished(job_id) == "completed"
        answer = self.download(job_id)
        assert answer.status_code == 200, answer.text
        return answer.content
