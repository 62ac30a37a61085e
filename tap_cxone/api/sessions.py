"""HTTP sessions of ``requests``: headers, cookies, redirects and time limits."""

from __future__ import annotations

import logging
import threading
from http.cookiejar import DefaultCookiePolicy
from importlib import metadata

import requests
from typing_extensions import override
from urllib3.exceptions import LocationValueError

# urllib3 logs URLs and tracebacks. Retries are logged by the ``retry`` module instead.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
"""Longest wait for the next bytes of a response."""
TIMEOUT = (CONNECT_SECONDS, READ_SECONDS)
"""Time limits of one request, as ``requests`` takes them."""
MAX_REDIRECTS = 5
_USER_AGENT = f"tap-cxone/{metadata.version('tap-cxone')}"

INVALID_URL_ERRORS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    LocationValueError,
    UnicodeError,  # raised for a host; requests does not catch it
)
"""Errors that ``requests`` raises for a URL to which no request can be sent."""


class Sessions:
    """The sessions of one client: two for each thread, since ``requests`` does not promise thread-safe sessions."""

    def __init__(self) -> None:
        self._local = threading.local()

    def api(self) -> requests.Session:
        """Return this thread's session for the API."""
        if not hasattr(self._local, "api"):
            self._local.api = _Session()
        session: requests.Session = self._local.api
        return session

    def storage(self) -> requests.Session:
        """Return this thread's session for the file storage, which neither gets nor sets cookies."""
        if not hasattr(self._local, "storage"):
            self._local.storage = _Session()
            self._local.storage.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session: requests.Session = self._local.storage
        return session


class _Session(requests.Session):
    """A session with our headers and limits. It adds no ``.netrc`` authorization for the host of a redirect."""

    def __init__(self) -> None:
        super().__init__()
        self.max_redirects = MAX_REDIRECTS
        # Downloads are stored undecoded, and their compression is detected by the first bytes: gzip only.
        self.headers["Accept-Encoding"] = "gzip"
        self.headers["User-Agent"] = _USER_AGENT

    @override
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        try:
            return super().get_redirect_target(resp)
        except UnicodeError:
            resp.close()  # the caller never sees this response
            raise requests.exceptions.InvalidURL from None

    @override
    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        origin, target = response.request.url, prepared_request.url
        if not origin or not target or self.should_strip_auth(origin, target):  # type: ignore[no-untyped-call]
            prepared_request.headers.pop("Authorization", None)
