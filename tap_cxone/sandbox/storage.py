"""The storage that extraction files lie in: addresses with a signature, each good for a short time.

An address is a credential: whoever has it gets the file. Knows neither HTTP nor what the files hold.
"""

from __future__ import annotations

import math
import secrets
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode, urlsplit

PREFIX = "/storage/"
SIGNATURE = "X-Amz-Signature"


class ForbiddenError(Exception):
    """The storage denies access; `code` and the text are what it says."""

    def __init__(self, code: str, text: str) -> None:
        """Name the reason."""
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class _Grant:
    job_id: str
    path: str
    query: dict[str, str]
    until: float


class Storage:
    """Signs addresses and knows them again."""

    def __init__(self, url: str, seconds: float) -> None:
        """Sign for so many seconds each, at a host beside that of the platform's own address."""
        self.url = _beside(url)
        self._seconds = seconds
        self._grants: dict[str, _Grant] = {}
        self.signed: list[str] = []

    def sign(self, job_id: str, name: str) -> str:
        """Return a new address of a job's file."""
        path = f"{PREFIX}{job_id}/{name}"
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"SANDBOX/{datetime.now(UTC):%Y%m%d}/local/s3/aws4_request",
            "X-Amz-Date": f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}",
            "X-Amz-Expires": str(max(1, math.ceil(self._seconds))),
            "X-Amz-SignedHeaders": "host",
            SIGNATURE: secrets.token_hex(32),
        }
        self._grants[query[SIGNATURE]] = _Grant(job_id, path, query, time.monotonic() + self._seconds)
        url = f"{self.url}{path}?{urlencode(query)}"
        self.signed.append(url)
        return url

    def job_of(self, path: str, query: str) -> str:
        """Return the id of the job whose file an address means; ForbiddenError for one that is wrong or run out."""
        given = dict(parse_qsl(query, keep_blank_values=True))
        if SIGNATURE not in given:
            code = "AccessDenied"
            raise ForbiddenError(code, "Access Denied")
        grant = self._grants.get(given[SIGNATURE])
        if grant is None or (grant.path, grant.query) != (path, given):
            code = "SignatureDoesNotMatch"
            raise ForbiddenError(code, "The request signature we calculated does not match the signature you provided.")
        if time.monotonic() > grant.until:
            code = "AccessDenied"
            raise ForbiddenError(code, "Request has expired")
        return grant.job_id


def _beside(url: str) -> str:
    """Return the address under another name where there is one: a client must not take the storage for the API."""
    parts = urlsplit(url)
    if parts.hostname != "127.0.0.1":
        return url
    try:
        found = socket.getaddrinfo("localhost", parts.port, type=socket.SOCK_STREAM)
    except OSError:
        return url
    known = "127.0.0.1" in (entry[4][0] for entry in found)
    return f"{parts.scheme}://localhost:{parts.port}" if known else url
