"""Downloads into a file: the body of a response, and exports behind pre-signed storage URLs."""

from __future__ import annotations

import contextlib
from http import HTTPStatus
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from tap_cxone.api.addresses import is_download_address
from tap_cxone.api.deadline import current_deadline, time_is_up
from tap_cxone.api.error_messages import connection_reason, status_text
from tap_cxone.api.responses import not_processed_error
from tap_cxone.api.retry import RetriableError, retry_after_seconds
from tap_cxone.api.sessions import INVALID_URL_ERRORS, TIMEOUT
from tap_cxone.api.tokens import NoAuth
from tap_cxone.errors import DiskError, StorageRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cxone.api.sessions import Session

CHUNK_BYTES = 1 << 18
STALL_SECONDS = 120.0
LEAST_BYTES_PER_SECOND = 16 << 10
"""Lowest rate of a download, on average over ``STALL_SECONDS``. It bounds the time by the size, announced or not."""
_NO_STORAGE_URL = "the platform returned no valid download URL"
_ADVICE = "try again later, and check that nothing on the way (a proxy, a firewall) changes or ends downloads"


def download_signed_url(session: Session, url: str, file: IO[bytes]) -> int:
    """Download from a pre-signed storage URL in one attempt, without authorization.

    Storage rejects a request with two kinds of authorization (platform contract, section 2). The URL's query is a
    credential, so errors name only its host.

    Args:
        session: session for the storage; the URL must be valid for a download from its API.
        url: the pre-signed URL.
        file: overwritten from its beginning.

    Returns:
        Number of bytes.

    Raises:
        RetriableError: the URL is invalid, the download was interrupted, or the storage is unavailable.
        StorageRefusedError: the storage refused the download.
        DiskError: the file cannot be written.
    """
    host = _storage_host(url, session.redirects_from)
    try:
        response = session.get(url, auth=NoAuth(), timeout=TIMEOUT, stream=True)
    except INVALID_URL_ERRORS:
        raise RetriableError(_NO_STORAGE_URL, advice=_ADVICE) from None
    except requests.RequestException as err:
        raise RetriableError(connection_reason(err, url), advice=_ADVICE) from None
    with response:
        _raise_for_storage_status(host, response)
        return write_body(response, file)


def write_body(response: requests.Response, file: IO[bytes]) -> int:
    """Write the body of a response, without decoding it, into a file from its beginning.

    Returns:
        Number of bytes.

    Raises:
        RetriableError: the body was cut off, or is missing.
        DiskError: the file cannot be written.
    """
    with _writing(file):
        file.seek(0)
        file.truncate()
    for chunk in _chunks(response):
        with _writing(file):
            file.write(chunk)
    with _writing(file):
        file.flush()
    if not file.tell() and response.headers.get("Content-Length") != "0":
        # An export is empty only if the platform says so: without a length, the body may have been lost.
        msg = "an empty response"
        raise RetriableError(msg, advice=_ADVICE)
    return file.tell()


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """Yield the body without decoding it: whether an export is compressed shows in its bytes, not in a header."""
    deadline = current_deadline()
    arrived, wanted = 0, 0.0
    try:
        for chunk in chain([b""], response.raw.stream(CHUNK_BYTES, decode_content=False)):
            yield chunk
            arrived += len(chunk)
            if deadline and arrived >= wanted:
                deadline.restart(STALL_SECONDS)
                wanted = arrived + STALL_SECONDS * LEAST_BYTES_PER_SECOND
        if time_is_up():  # the deadline has ended the connection, which looks like the end of the body
            raise TimeoutError
    except (HTTPError, OSError, ValueError):
        reason = f"the download was cut off after {arrived} bytes"
        raise RetriableError(reason, advice=_ADVICE) from None


def _raise_for_storage_status(host: str, response: requests.Response) -> None:
    """Raise unless the status is 200: another 2xx has no body, or only a part of the file."""
    status = response.status_code
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise not_processed_error(response, _ADVICE)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        reason = f"the storage at {host} answered {status_text(status)}"
        raise RetriableError(reason, retry_after_seconds(response.headers.get("Retry-After")), advice=_ADVICE)
    if status != HTTPStatus.OK:
        # The body is not quoted: it contains the signature and the text that was signed.
        msg = (
            f"The storage at {host} refused the download of an export with {status_text(status)}: "
            "check that nothing on the way to it (a proxy, a firewall) changes requests."
        )
        raise StorageRefusedError(msg, status)


def _storage_host(url: str, api_url: str) -> str:
    if not is_download_address(url, api_url):
        raise RetriableError(_NO_STORAGE_URL, advice=_ADVICE)
    return urlsplit(url).hostname or ""


@contextlib.contextmanager
def _writing(file: IO[bytes]) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise DiskError(Path(str(file.name)).parent, err) from err
