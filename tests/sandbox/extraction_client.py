"""A simple client of the Data Extraction API, independent of the tap."""

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
    """Return a valid body of a create request; `changes` replace or add fields."""
    body = {
        "entityName": "recording-interaction-metadata",
        "version": "7",
        "startDate": "2024-01-02",
        "endDate": "2024-01-04",
    }
    return {**body, **changes}


def read_csv(content: bytes) -> list[list[str]]:
    """Read the lines of a file: UTF-8 with a byte-order mark, quoted line breaks."""
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))


def read_rows(content: bytes) -> list[dict[str, str]]:
    """Read a file without bad rows into dicts by column name."""
    header, *lines = read_csv(content)
    return [dict(zip(header, line, strict=True)) for line in lines]


class ExtractionClient:
    """A session with a token. Methods return the response unless they say otherwise."""

    def __init__(self, sandbox: Sandbox, session: requests.Session) -> None:
        self.url = sandbox.url
        self.access_key = {"accessKeyId": sandbox.access_key_id, "accessKeySecret": sandbox.access_key_secret}
        self.session = session

    def discovery(self) -> requests.Response:
        return self.session.get(f"{self.url}/.well-known/openid-configuration", timeout=5)

    def token(self, access_key: object = None) -> requests.Response:
        """Request a token with an access key and use it from now on."""
        url = f"{self.url}/authentication/v1/token/access-key"
        response = self.session.post(url, json=self.access_key if access_key is None else access_key, timeout=5)
        if response.status_code == 200 and "access_token" in response.text:
            self.session.headers["Authorization"] = f"Bearer {response.json()['access_token']}"
        return response

    def list(self) -> requests.Response:
        return self.session.get(self.url + JOBS, timeout=5)

    def create(self, **changes: Any) -> requests.Response:
        return self.session.post(self.url + JOBS, json=job_body(**changes), timeout=5)

    def create_job(self, **changes: Any) -> str:
        """Create a job and return its id."""
        response = self.create(**changes)
        assert response.status_code == 202, response.text
        job_id = response.json()
        assert isinstance(job_id, str)
        return job_id

    def status(self, job_id: str) -> requests.Response:
        return self.session.get(f"{self.url}{JOBS}/{job_id}", timeout=5)

    def status_and_url(self, job_id: str) -> tuple[str, str]:
        """Return the status of a job and the signed URL of its file."""
        job = self.status(job_id).json()["jobStatus"]
        assert job["id"] == job_id
        assert isinstance(job["result"]["url"], str)
        return job["status"], job["result"]["url"]

    def wait_for(self, job_id: str) -> str:
        """Wait until a job has finished and return its status."""
        for _ in range(500):
            status, _ = self.status_and_url(job_id)
            if status.upper() in FINISHED:
                return status
            time.sleep(0.01)
        msg = "the job never finished"
        raise TimeoutError(msg)

    def download(self, job_id: str) -> requests.Response:
        """Download the file from a new signed URL, without the token."""
        return requests.get(self.status_and_url(job_id)[1], timeout=30)

    def extract(self, **changes: Any) -> bytes:
        """Create a job, wait until it has succeeded and return its file."""
        job_id = self.create_job(**changes)
        assert self.wait_for(job_id) == "SUCCEEDED"
        response = self.download(job_id)
        assert response.status_code == 200, response.text
        return response.content
