"""How requests end, in words: statuses, connection errors, and what a platform says of a refusal. No I/O."""

from __future__ import annotations

import contextlib
from http import HTTPStatus
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import NewConnectionError

NOT_AS_CONTRACTED = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What reading an answer fails with that is something else than the contract says, a proxy's page, say."""


def status_text(status: int) -> str:
    """Name a status by its number and its phrase."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def connection_reason(err: requests.RequestException, url: str) -> str:
    """Name a connection error by its kind and host: its text would hold the whole URL."""
    host = urlsplit(url).hostname
    if isinstance(err, requests.exceptions.SSLError):
        return f"the TLS connection to {host} failed"
    if isinstance(err, requests.Timeout):
        return f"no answer from {host} in time"
    return f"the connection to {host} failed ({type(err).__name__})"


def never_sent(err: requests.RequestException) -> bool:
    """Tell whether an error says that the request cannot have arrived."""
    if isinstance(err, requests.exceptions.ConnectTimeout):
        return True
    cause = err.args[0] if err.args else None
    return isinstance(getattr(cause, "reason", cause), NewConnectionError)


def platform_reason(response: requests.Response) -> str:
    """Find what the platform says of a refusal: in a JSON body, or in the header that has it where there is no body."""
    said = response.headers.get("icStatusDescription", "")
    with contextlib.suppress(*NOT_AS_CONTRACTED, requests.RequestException):
        answer = response.json()
        for key in ("message", "errorMessage", "error_description", "errorDescription", "error"):
            if isinstance(answer.get(key), str):
                return str(answer[key])
    return said
