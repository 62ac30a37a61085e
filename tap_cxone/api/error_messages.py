"""Descriptions of failed requests: statuses and connection errors. No I/O."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import NewConnectionError

from tap_cxone.errors import open_files_cause

MALFORMED_RESPONSE_ERRORS = (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError)
"""Errors that code raises when it reads a response of an unexpected shape, such as a proxy's HTML page."""


def status_text(status: int) -> str:
    """Return a status as number and phrase, for example ``403 Forbidden``."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def connection_reason(err: requests.RequestException, url: str) -> str:
    """Describe a connection error by its kind and the host. The error's own text would contain the whole URL."""
    if cause := open_files_cause(err):
        return f"no more connections can be opened ({cause.strerror})"
    host = urlsplit(url).hostname
    if isinstance(err, requests.exceptions.SSLError):
        return f"the TLS connection to {host} failed"
    if isinstance(err, requests.Timeout):
        return f"no response from {host} in time"
    return f"the connection to {host} failed ({type(err).__name__})"


def never_sent(err: requests.RequestException) -> bool:
    """Return whether an error proves that the request did not reach the server."""
    if isinstance(err, requests.exceptions.ConnectTimeout):
        return True
    cause = err.args[0] if err.args else None
    return isinstance(getattr(cause, "reason", cause), NewConnectionError)
