"""Signed URLs for the storage of extraction files, each valid for a short time.

A signed URL is a credential: it gives access to the file without a token.
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
_MISMATCH = "The request signature we calculated does not match the signature you provided."


class AccessDeniedError(Exception):
    """The storage denies access. The arguments are the error code and the message of S3."""


@dataclass(frozen=True)
class _SignedUrl:
    """What a signature was issued for, and until when it is valid, in seconds of `time.monotonic()`."""

    job_id: str
    path: str
    query: dict[str, str]
    valid_until: float


class Storage:
    """Issues and verifies signed URLs."""

    def __init__(self, url: str, seconds: float) -> None:
        """Sign URLs for so many seconds; `url` is the base URL of the platform."""
        self._url = _with_other_host(url)
        self._seconds = seconds
        self._issued: dict[str, _SignedUrl] = {}
        self.signed: list[str] = []

    def sign(self, job_id: str, name: str) -> str:
        """Return a new signed URL for the file of a job."""
        path, now = f"{PREFIX}{job_id}/{name}", datetime.now(UTC)
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"SANDBOX/{now:%Y%m%d}/local/s3/aws4_request",
            "X-Amz-Date": f"{now:%Y%m%dT%H%M%SZ}",
            "X-Amz-Expires": str(max(1, math.ceil(self._seconds))),
            "X-Amz-SignedHeaders": "host",
            SIGNATURE: secrets.token_hex(32),
        }
        self._issued[query[SIGNATURE]] = _SignedUrl(job_id, path, query, time.monotonic() + self._seconds)
        self.signed.append(f"{self._url}{path}?{urlencode(query)}")
        return self.signed[-1]

    def job_of(self, path: str, query: str) -> str:
        """Verify the path and query of a signed URL and return the id of the job whose file it is for.

        Raises:
            AccessDeniedError: the URL was not issued in this form or has expired.
        """
        given = dict(parse_qsl(query, keep_blank_values=True))
        signed = self._issued.get(given.get(SIGNATURE, ""))
        if SIGNATURE not in given:
            error = ("AccessDenied", "Access Denied")
        elif signed is None or (signed.path, signed.query) != (path, given):
            error = ("SignatureDoesNotMatch", _MISMATCH)
        elif time.monotonic() > signed.valid_until:
            error = ("AccessDenied", "Request has expired")
        else:
            return signed.job_id
        raise AccessDeniedError(*error)


def _with_other_host(url: str) -> str:
    """Replace 127.0.0.1 by localhost if both are the same, so that clients see another host than that of the API."""
    parts = urlsplit(url)
    if parts.hostname != "127.0.0.1":
        return url
    try:
        addresses = socket.getaddrinfo("localhost", parts.port, type=socket.SOCK_STREAM)
    except OSError:
        return url
    is_same = "127.0.0.1" in (entry[4][0] for entry in addresses)
    return f"{parts.scheme}://localhost:{parts.port}" if is_same else url
