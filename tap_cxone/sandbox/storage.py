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


class AccessDeniedError(Exception):
    """The storage denies access.

    Attributes:
        code: the S3 error code; the message of the exception is the S3 error message.
    """

    def __init__(self, code: str, message: str) -> None:
        """Create the error with its S3 code and message."""
        super().__init__(message)
        self.code = code


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
        """Configure the storage.

        Args:
            url: base URL of the platform; the storage uses another host name for the same address if there is one.
            seconds: how long each signed URL is valid.
        """
        self.url = _with_other_host(url)
        self._seconds = seconds
        self._issued: dict[str, _SignedUrl] = {}
        self.signed: list[str] = []

    def sign(self, job_id: str, name: str) -> str:
        """Return a new signed URL for the file of a job."""
        path = f"{PREFIX}{job_id}/{name}"
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"SANDBOX/{datetime.now(UTC):%Y%m%d}/local/s3/aws4_request",
            "X-Amz-Date": f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}",
            "X-Amz-Expires": str(max(1, math.ceil(self._seconds))),
            "X-Amz-SignedHeaders": "host",
            SIGNATURE: secrets.token_hex(32),
        }
        self._issued[query[SIGNATURE]] = _SignedUrl(job_id, path, query, time.monotonic() + self._seconds)
        url = f"{self.url}{path}?{urlencode(query)}"
        self.signed.append(url)
        return url

    def job_of(self, path: str, query: str) -> str:
        """Verify the path and query of a signed URL and return the id of the job whose file it is for.

        Raises:
            AccessDeniedError: the URL was not issued in this form or has expired.
        """
        given = dict(parse_qsl(query, keep_blank_values=True))
        if SIGNATURE not in given:
            code = "AccessDenied"
            raise AccessDeniedError(code, "Access Denied")
        signed = self._issued.get(given[SIGNATURE])
        if signed is None or (signed.path, signed.query) != (path, given):
            code = "SignatureDoesNotMatch"
            raise AccessDeniedError(
                code, "The request signature we calculated does not match the signature you provided."
            )
        if time.monotonic() > signed.valid_until:
            code = "AccessDenied"
            raise AccessDeniedError(code, "Request has expired")
        return signed.job_id


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
