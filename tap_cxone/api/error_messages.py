"""Descriptions of failed requests: statuses and connection errors. No I/O."""

from __future__ import annotations

import re
import ssl
from http import HTTPStatus
from http.client import RemoteDisconnected
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import IncompleteRead, NameResolutionError, NewConnectionError

from tap_cxone.errors import open_files_cause

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    if open_files := open_files_cause(err):
        return f"no more connections can be opened ({open_files.strerror})"
    if reason := unreachable_reason(err, url):
        return reason
    host = urlsplit(url).hostname
    if isinstance(err, requests.Timeout):
        return f"no response from {host} in time"
    causes = list(_causes(err))
    if any(isinstance(found, RemoteDisconnected) for found in causes):
        return f"{host} closed the connection without a response"
    if any(isinstance(found, IncompleteRead) for found in causes):
        return f"{host} closed the connection in the middle of a response"
    return f"the connection to {host} failed ({_system_reason(err) or type(err).__name__})"


def unreachable_reason(err: requests.RequestException, url: str) -> str | None:
    """Describe why no connection to the host of a URL could be made; None if one was made, or perhaps was."""
    host = urlsplit(url).hostname
    if is_proxy_error(err):
        return f"{_proxy_problem(err)}: check the environment variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
    if isinstance(err, requests.exceptions.SSLError):
        details = [cause.verify_message for cause in _causes(err) if isinstance(cause, ssl.SSLCertVerificationError)]
        return f"the TLS connection to {host} failed" + (f" ({details[0].rstrip('.')})" if details else "")
    if isinstance(err, requests.exceptions.ConnectTimeout):
        return f"no connection to {host} in time"
    for cause in _causes(err):
        if isinstance(cause, NameResolutionError):
            return f"the name {host} was not found"
        if isinstance(cause, NewConnectionError):
            return f"the connection to {host} failed ({_system_reason(cause) or 'not possible'})"
    return None


def connection_advice(err: requests.RequestException, url: str, settings: str) -> str:
    """Return the reason of a connection error with what to check, for the end of a sentence.

    Args:
        err: the error.
        url: the URL.
        settings: the settings that determine the URL. They do not matter if the proxy is the cause.
    """
    reason = connection_reason(err, url)
    return reason if is_proxy_error(err) else f"{reason}: check {settings}"


def is_proxy_error(err: Exception) -> bool:
    """Return whether the proxy of the environment is the cause."""
    return isinstance(err, (requests.exceptions.ProxyError, requests.exceptions.InvalidProxyURL)) or (
        isinstance(err, requests.exceptions.InvalidSchema) and "SOCKS" in str(err)
    )


def _proxy_problem(err: requests.RequestException) -> str:
    if isinstance(err, requests.exceptions.InvalidProxyURL):
        return "the address of the proxy is not valid"
    if isinstance(err, requests.exceptions.InvalidSchema):
        return "a SOCKS proxy needs the library PySocks"
    for cause in _causes(err):
        if match := re.search(r"Tunnel connection failed: (\d{3})", str(cause)):
            return f"the proxy refused the connection ({status_text(int(match[1]))})"
    return "the proxy could not be reached"


def never_sent(err: requests.RequestException) -> bool:
    """Return whether an error proves that the request did not reach the server."""
    if isinstance(err, requests.exceptions.ConnectTimeout):
        return True
    cause = err.args[0] if err.args else None
    return isinstance(getattr(cause, "reason", cause), NewConnectionError)


def _system_reason(err: BaseException) -> str | None:
    """Return what the operating system said, if an error comes from there."""
    return next((found.strerror for found in _causes(err) if isinstance(found, OSError) and found.strerror), None)


def _causes(err: BaseException) -> Iterator[BaseException]:
    """Yield an error, and those that it was made of or raised from, the outermost first."""
    seen: list[BaseException] = []
    waiting: list[object] = [err]
    while waiting:
        found = waiting.pop(0)
        if isinstance(found, BaseException) and found not in seen:
            seen.append(found)
            yield found
            waiting += [*found.args, getattr(found, "reason", None), found.__cause__]
