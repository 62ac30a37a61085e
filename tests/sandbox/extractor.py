"""A plain client of the Data Extraction API, independent of the tap: what an engineer would write with requests."""

from __future__ import annotations

import csv
import io
import time
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from tap_cxone.sandbox import Sandbox

JOBS = "/data-extraction/v1/jobs"
FINISHED = {"SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"}


def job_body(**changes: Any) -> dict[str, Any]:
    """Return a valid create body; changes replace members of it."""
    body = {
        "entityName": "recording-interaction-metadata",
        "version": "7",
        "startDate": "2024-01-02",
        "endDate": "2024-01-04",
    }
    return {**body, **changes}


def parsed(content: bytes) -> list[list[str]]:
    """Read a file the way its contract says: UTF-8 with a byte-order mark, quoted line breaks."""
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))


def as_rows(content: bytes) -> list[dict[str, str]]:
    """Read a file without bad rows into dicts by column name."""
    header, *lines = parsed(content)
    return [dict(zip(header, line, strict=True)) for line in lines]


class Extractor:
    """One session with a token; every method returns the bare response unless it says otherwise."""

    def __init__(self, sandbox: Sandbox, session: requests.Session) -> None:
        self.url = sandbox.url
        self.key = {"accessKeyId": sandbox.access_key_id, "accessKeySecret": sandbox.access_key_secret}
        self.session = session

    def discovery(self) -> requests.Response:
        return self.session.get(f"{self.url}/.well-known/openid-configuration", timeout=5)

    def token(self, key: object = None) -> requests.Response:
        """Ask for a token with an access key and use it from now on."""
        address = f"{self.url}/authentication/v1/token/access-key"
        answer = self.session.post(address, json=self.key if key is None else key, timeout=5)
        if answer.status_code == 200 and "access_token" in answer.text:
            self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return answer

    def list(self) -> requests.Response:
        return self.session.get(self.url + JOBS, timeout=5)

    def create(self, **changes: Any) -> requests.Response:
        return self.session.post(self.url + JOBS, json=job_body(**changes), timeout=5)

    def created(self, **changes: Any) -> str:
        """Create a job and return its id."""
        answer = self.create(**changes)
        assert answer.status_code == 202, answer.text
        job_id = answer.json()
        assert isinstance(job_id, str)
        return job_id

    def status(self, job_id: str) -> requests.Response:
        return self.session.get(f"{self.url}{JOBS}/{job_id}", timeout=5)

    def seen(self, job_id: str) -> tuple[str, str]:
        """Return the status of a job and the address of its file."""
        job = self.status(job_id).json()["jobStatus"]
        assert job["id"] == job_id
        assert isinstance(job["result"]["url"], str)
        return job["status"], job["result"]["url"]

    def finished(self, job_id: str) -> str:
        """Wait for a job and return its last status."""
        for _ in range(500):
            status, _ = self.seen(job_id)
            if status.upper() in FINISHED:
                return status
            time.sleep(0.01)
        msg = "the job never finished"
        raise TimeoutError(msg)

    def download(self, job_id: str) -> requests.Response:
        """Take the file from a new address, without the token."""
        return requests.get(self.seen(job_id)[1], timeout=30)

    def extracted(self, **changes: Any) -> bytes:
        """Create, wait and download."""
        job_id = self.created(**changes)
        assert self.finished(job_id) == "SUCCEEDED"
        answer = self.download(job_id)
        assert answer.status_code == 200, answer.text
        return answer.content
