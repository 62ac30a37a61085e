"""Checks of one address of the platform: name, TLS, and the clock of this machine against that of the server."""

from __future__ import annotations

import os
import socket
import ssl
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

import certifi
import requests
from requests.utils import get_environ_proxies

from tap_cxone.api.error_messages import connection_advice
from tap_cxone.api.sessions import Sessions
from tap_cxone.api.tokens import NoAuth
from tap_cxone.dates import utc_now
from tap_cxone.doctor.findings import Finding, Outcome, ok, problem, skipped

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

CONNECT_SECONDS = 10.0
MAX_SKEW_SECONDS = 60
"""Difference between two clocks from which the newest data may be missed, or be asked for too early."""


def check_address(url: str, settings: str) -> Generator[Finding, None, bool]:
    """Check an address until something does not work; return whether it answers.

    Args:
        url: base URL, or URL of the token endpoint.
        settings: the settings that determine it, for what to do.
    """
    parts = urlsplit(url)
    host = str(parts.hostname)
    if get_environ_proxies(url):
        yield skipped(f"name {host}", "requests go through the proxy of the environment, which looks it up")
    else:
        for finding in _direct(parts, settings):
            yield finding
            if finding.outcome is Outcome.PROBLEM:
                return False
    try:
        yield check_clock(url)
    except requests.Timeout:  # the token has more time
        yield skipped(f"clock of {host}", f"no response within {CONNECT_SECONDS:.0f} s, so it was not compared")
    except requests.RequestException as err:
        yield problem(f"connection {host}", connection_advice(err, url, settings))
        return False
    return True


def _direct(parts: SplitResult, settings: str) -> Iterator[Finding]:
    host = str(parts.hostname)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    check = f"name {host}"
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        yield problem(check, f"not found: check {settings}, and the name server of this machine")
        return
    yield ok(check, f"found, {len(found)} address{'es' if len(found) > 1 else ''}")
    check = f"TLS {host}" if parts.scheme == "https" else f"connection {host}"
    try:
        context = _tls_context(host) if parts.scheme == "https" else None
    except OSError as err:
        variable = next((name for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if name in os.environ), "certifi")
        yield problem(check, f"the file of trusted certificates cannot be read ({err.strerror}): check {variable}")
        return
    try:
        with socket.create_connection((host, port), CONNECT_SECONDS) as connection:
            yield ok(check, _tls_version(connection, host, context) if context else "open, without TLS")
    except ssl.SSLCertVerificationError as err:
        advice = f"check {settings}; behind a proxy that inspects TLS, name its certificate in REQUESTS_CA_BUNDLE"
        yield problem(check, f"the certificate is not accepted ({err.verify_message.rstrip('.')}): {advice}")
    except ssl.SSLError as err:
        plain = "the server does not speak TLS at this port" if err.reason == "WRONG_VERSION_NUMBER" else "failed"
        yield problem(check, f"{plain} ({err.reason or 'no reason given'}): check {settings}")
    except OSError as err:
        reason = err.strerror or "no answer in time"
        yield problem(check, f"port {port} cannot be reached ({reason}): check {settings}, and the firewall")


def _tls_context(host: str) -> ssl.SSLContext:
    """Return what ``requests`` trusts; raises OSError if its file cannot be read."""
    bundle = requests.Session().merge_environment_settings(f"https://{host}", {}, None, None, None)["verify"]
    trusted = bundle if isinstance(bundle, str) else certifi.where()
    if Path(trusted).is_dir():
        return ssl.create_default_context(capath=trusted)
    return ssl.create_default_context(cafile=trusted)


def _tls_version(connection: socket.socket, host: str, context: ssl.SSLContext) -> str:
    with context.wrap_socket(connection, server_hostname=host) as secure:
        return f"{secure.version()}, the certificate is accepted"


def check_clock(url: str) -> Finding:
    """Compare the clock of this machine with the ``Date`` header of a response.

    Raises:
        requests.RequestException: there is no response.
    """
    check = f"clock of {urlsplit(url).hostname}"
    begun = utc_now()
    timeout = (CONNECT_SECONDS, CONNECT_SECONDS)
    session = Sessions().api()
    with session.get(url, auth=NoAuth(), timeout=timeout, allow_redirects=False, stream=True) as response:
        header = response.headers.get("Date")
    now = begun + (utc_now() - begun) / 2
    try:
        skew = (parsedate_to_datetime(header or "") - now).total_seconds()
    except (TypeError, ValueError):
        return skipped(check, "the server sends no date")
    if abs(skew) > MAX_SKEW_SECONDS:
        direction = "behind" if skew > 0 else "ahead of"
        return problem(check, f"this machine is {abs(skew):.0f} s {direction} it: set its clock, by NTP for example")
    return ok(check, f"it differs by {abs(skew):.0f} s")
