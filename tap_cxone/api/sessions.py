"""HTTP sessions of ``requests``: headers, cookies, redirects and time limits."""

from __future__ import annotations

import contextlib
import logging
import threading
from http.cookiejar import DefaultCookiePolicy
from importlib import metadata
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter
from typing_extensions import override
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import LocationValueError

from tap_cxone.api.addresses import is_download_address
from tap_cxone.api.deadline import watch
from tap_cxone.api.retry import RetriableError
from tap_cxone.errors import UsageError, open_files_cause

try:
    from urllib3.contrib.socks import SOCKSProxyManager
except ImportError:  # PySocks is not installed
    _SOCKS_MANAGERS: tuple[type, ...] = ()
else:
    _SOCKS_MANAGERS = (SOCKSProxyManager,)

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from urllib3 import PoolManager, ProxyManager

# urllib3 logs URLs and tracebacks. Retries are logged by the ``retry`` module instead.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
"""Longest wait for the next bytes of a response."""
TIMEOUT = (CONNECT_SECONDS, READ_SECONDS)
"""Time limits of one request, as ``requests`` takes them."""
MAX_REDIRECTS = 5
MAX_COOKIE_BYTES = 1 << 16
"""Cookies of the API that are kept together; with more, all of them are dropped."""
_USER_AGENT = f"tap-cxone/{metadata.version('tap-cxone')}"

INVALID_URL_ERRORS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    LocationValueError,
    UnicodeError,  # raised for a host; requests does not catch it
)
"""Errors that ``requests`` raises for a URL to which no request can be sent."""


@contextlib.contextmanager
def _certificate_errors() -> Iterator[None]:
    """Raise UsageError where the file of trusted certificates, which environment variables name, cannot be used."""
    try:
        yield
    except requests.RequestException:
        raise
    except OSError as err:
        if open_files_cause(err):
            raise
        msg = (
            "The certificates of trusted authorities cannot be read: check the environment variables "
            "REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE."
        )
        raise UsageError(msg) from None


class Sessions:
    """The sessions of one client: two for each thread, since ``requests`` does not promise thread-safe sessions."""

    def __init__(self) -> None:
        self._local = threading.local()

    def api(self) -> Session:
        """Return this thread's session for the API."""
        if not hasattr(self._local, "api"):
            self._local.api = Session()
        session: Session = self._local.api
        return session

    def storage(self) -> Session:
        """Return this thread's session for the file storage, which neither gets nor sets cookies."""
        if not hasattr(self._local, "storage"):
            self._local.storage = Session()
            self._local.storage.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session: Session = self._local.storage
        return session


class Session(requests.Session):
    """A session with our headers and limits. It adds no ``.netrc`` authorization for the host of a redirect.

    Attributes:
        redirects_from: URL of the API. Redirects are followed from there and from its storage, to addresses that are
            valid for a download. Empty: none is followed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.redirects_from = ""
        self.max_redirects = MAX_REDIRECTS
        # Downloads are stored undecoded, and their compression is detected by the first bytes: gzip only.
        self.headers["Accept-Encoding"] = "gzip"
        self.headers["User-Agent"] = _USER_AGENT
        for scheme in ("https://", "http://"):
            self.mount(scheme, _Adapter())

    @override
    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        with _certificate_errors():
            response = super().send(request, **kwargs)
        if sum(len(cookie.value or "") for cookie in self.cookies) > MAX_COOKIE_BYTES:
            self.cookies.clear()
        return response

    @override
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        if not self.redirects_from or not resp.is_redirect:
            return None
        resp.close()  # its body is not needed, and could be endless
        with contextlib.suppress(ValueError):  # UnicodeError, too
            target = super().get_redirect_target(resp) or ""
            if is_download_address(urljoin(resp.url, target), self.redirects_from):
                return target
        reason = "a redirect to an address that is not valid for a download"
        raise RetriableError(reason)

    @override
    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        origin, target = response.request.url, prepared_request.url
        if not origin or not target or self.should_strip_auth(origin, target):  # type: ignore[no-untyped-call]
            prepared_request.headers.pop("Authorization", None)


class _Connection(HTTPConnection):
    """A connection that the deadline of a call ends."""

    @override
    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        watch(sock, duplicate=isinstance(self, HTTPSConnection))
        return sock

    @override
    def getresponse(self) -> Any:
        watch(self.sock)  # of a connection that is used again
        return super().getresponse()


class _TlsConnection(_Connection, HTTPSConnection):
    """The same with TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
    """Makes connections that end at the deadline of a call."""

    @override
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _use_pools(self.poolmanager)

    @override
    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(*args, **kwargs)
        if not isinstance(manager, _SOCKS_MANAGERS):  # their connections have no deadline, but the limits of sockets
            _use_pools(manager)
        return manager


def _use_pools(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
