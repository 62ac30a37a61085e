"""Sending one request and making sense of how it ended: sessions, connection errors, statuses, redaction.

The only module that sends requests to the platform and to its storage. It knows nothing of tokens, jobs or records:
``grants`` asks for tokens with it, ``client`` makes the calls.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from importlib import metadata
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

import requests
from typing_extensions import override
from urllib3.exceptions import HTTPError, LocationValueError

from tap_cxone.api.error_messages import NOT_AS_CONTRACTED, connection_reason, never_sent, platform_reason, status_text
from tap_cxone.api.redaction import redact
from tap_cxone.api.retry import (
    RETRY_AFTER_DEFAULT_SECONDS,
    RETRY_BUDGET_SECONDS,
    Patience,
    RetriableError,
    call_with_retry,
    retry_after_seconds,
)
from tap_cxone.api.tokens import NoAuth
from tap_cxone.errors import CxoneError, FatalError, OutcomeUnknownError, StorageRefusedError, ThrottledError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from requests.auth import AuthBase

# It writes addresses and tracebacks; what happens is told here, in words of ours.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
"""Longest silence in the middle of an answer."""
DOWNLOAD_CHUNK_BYTES = 1 << 18
MAX_REDIRECTS = 5

_UNUSABLE_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    LocationValueError,
    UnicodeError,  # of a host, which requests does not catch itself
)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Call:
    """What a kind of request is called in messages, and how its answers are taken.

    Attributes:
        name: name of the call, for messages.
        settings: which settings say where it goes ("the setting 'api_url'").
        advice: what to check, by the status of a refusal; for any other status, the settings above.
        repeatable: False where a second request could do something twice.
        throttled: statuses that may mean "throttled" as well as "refused".
        patience: for how long those are tried again.
        redirects: whether the answer may lie elsewhere. An API that answers with a redirect is the wrong address.
    """

    name: str
    settings: str
    advice: Mapping[int, str] = field(default_factory=dict)
    repeatable: bool = True
    throttled: frozenset[int] = frozenset()
    patience: Patience = field(default_factory=lambda: Patience(0))
    redirects: bool = False


class RequestListener(Protocol):
    """Whoever wants to know what requests there are; called in the threads that make them."""

    def requested(self) -> None:
        """A request is sent."""

    def retrying(self, call: str, reason: str, seconds: float, rate_limited: bool) -> None:  # noqa: FBT001 - a callback
        """A request is going to be sent again, after so many seconds."""


class Transport:
    """Sends requests on behalf of one client.

    Args:
        sleep: pauses for so many seconds.
        retry_budget: seconds that one call may go on failing in ways that pass.
        secrets: returns what must not be quoted anywhere.
        watch: told of every request and of every pause before another one.
    """

    def __init__(
        self,
        *,
        sleep: Callable[[float], None],
        retry_budget: float = RETRY_BUDGET_SECONDS,
        secrets: Callable[[], list[str]],
        watch: RequestListener | None = None,
    ) -> None:
        self._watch = watch
        self._sleep = sleep
        self._retry_budget = retry_budget
        self._secrets = secrets
        self._local = threading.local()

    def call_with_retry(
        self, name: str, attempt: Callable[[], _T], *, least_attempts: int = 1, least_pause: float = 0.0
    ) -> _T:
        """Make a call again and again while it fails in ways that pass, within the budget of this client."""
        return call_with_retry(
            attempt,
            what=f"Platform call '{name}'",
            sleep=self._sleep,
            budget=self._retry_budget,
            least_attempts=least_attempts,
            least_pause=least_pause,
            on_retry=partial(self._watch.retrying, name) if self._watch else None,
        )

    def ask(
        self,
        call: Call,
        method: str,
        url: str,
        *,
        read: Callable[[requests.Response], _T],
        auth: AuthBase | None = None,
        **options: Any,  # noqa: ANN401 - handed on to requests
    ) -> _T:
        """Make a call that needs no token, again and again while it fails in ways that pass.

        Raises:
            FatalError: refused for good.
            UnavailableError: it did not pass within the budget.
        """

        def attempt() -> _T:
            with self.send(call, method, url, auth=auth or NoAuth(), **options) as response:
                self.raise_for_status(call, response)
                return self.read(call, response, read)

        return self.call_with_retry(call.name, attempt)

    def send(
        self,
        call: Call,
        method: str,
        url: str,
        *,
        auth: AuthBase,
        **options: Any,  # noqa: ANN401 - handed on to requests
    ) -> requests.Response:
        """Send one request and return its answer, whatever its status.

        Raises:
            FatalError: the address is not usable.
            RetriableError: there was no answer.
            OutcomeUnknownError: there was no answer, and the request may not be repeated.
        """
        if self._watch:
            self._watch.requested()
        try:
            return self._session("api").request(
                method,
                url,
                auth=auth,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=call.redirects,
                **options,
            )
        except _UNUSABLE_ADDRESS:
            msg = f"Platform call '{call.name}': the address is not usable; check {call.settings}."
            raise FatalError(msg, 0) from None
        except requests.RequestException as err:
            reason = connection_reason(err, url)
            raise _passing_or_lost(reason, repeatable=call.repeatable or never_sent(err)) from None

    def read(self, call: Call, response: requests.Response, read: Callable[[requests.Response], _T]) -> _T:
        """Take the value out of a 2xx answer; what is not as contracted is taken for something that passes."""
        try:
            return read(response)
        except NOT_AS_CONTRACTED:
            kind = self.redact(response.headers.get("Content-Type", "no content type"))
            reason = f"answered {response.status_code} with something else than the contract says ({kind})"
            # Not chained: the parser's error would carry the answer.
            raise _passing_or_lost(reason, repeatable=call.repeatable) from None

    def raise_for_status(self, call: Call, response: requests.Response) -> None:
        """Raise unless the status is a 2xx.

        Raises:
            RetriableError: it usually passes.
            OutcomeUnknownError: it usually passes, but whether the request was carried out is not known.
            ThrottledError: it may be throttled, and the request may not be repeated blindly.
            FatalError: it does not pass.
        """
        status = response.status_code
        if status in call.throttled:
            raise self._throttled(call, response)
        if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
            # Neither was carried out, so even what is not repeatable may be repeated.
            raise _turned_away(response)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
            raise _passing_or_lost(status_text(status), repeatable=call.repeatable)
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            msg = f"{self._refused(call, response)}: {_advice(call, status)}."
            raise FatalError(msg, status)

    def fetch_signed(self, url: str, file: IO[bytes]) -> int:
        """Write what lies at a pre-signed storage URL into a file, in one attempt and without any authorization.

        Storage refuses two kinds of authorization at once (platform contract, section 2), and the query of the URL is
        a credential: no more of it than the host is told to anybody.

        Returns:
            Number of bytes.

        Raises:
            RetriableError: the download broke off, or the storage is not available.
            StorageRefusedError: the storage refused it.
        """
        host = _storage_host(url)
        try:
            response = self._session("storage").get(
                url, auth=NoAuth(), timeout=(CONNECT_SECONDS, READ_SECONDS), stream=True
            )
        except _UNUSABLE_ADDRESS:
            raise RetriableError(_NO_STORAGE_URL) from None
        except requests.RequestException as err:
            raise RetriableError(connection_reason(err, url)) from None
        with response:
            status = response.status_code
            if status == HTTPStatus.TOO_MANY_REQUESTS:
                raise _turned_away(response)
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
                reason = f"the storage at {host} answered {status_text(status)}"
                raise RetriableError(reason, retry_after_seconds(response.headers.get("Retry-After")))
            if status != HTTPStatus.OK:  # nor is a part of a file, or an answer without one, a file
                # Its body is not quoted: it holds the signature and what was signed.
                msg = (
                    f"The storage at {host} refused the download of an export with {status_text(status)}: "
                    "check that nothing on the way to it (a proxy, a firewall) changes requests."
                )
                raise StorageRefusedError(msg, status)
            return write_body(response, file)

    def redact(self, text: str) -> str:
        """Make a text of the platform fit for a message: one line, not long, without a secret in it."""
        return redact(text, self._secrets())

    def _throttled(self, call: Call, response: requests.Response) -> Exception:
        status = response.status_code
        msg = (
            f"{self._refused(call, response)}: either other integrations of the tenant take up what the platform "
            f"grants it (throttled), or a permission is missing; if it does not pass, {_advice(call, status)}."
        )
        if not call.repeatable:
            return ThrottledError(msg, status)
        refusal = FatalError(msg, status)
        if call.patience.spent:
            return refusal
        asked = retry_after_seconds(response.headers.get("Retry-After"))
        reason = f"{status_text(status)}, which may mean throttled"
        return RetriableError(reason, asked, patience=call.patience, refusal=refusal)

    def _refused(self, call: Call, response: requests.Response) -> str:
        said = self.redact(platform_reason(response))
        reason = f" ({said})" if said else ""
        return f"The platform refused the call '{call.name}' with {status_text(response.status_code)}{reason}"

    def _session(self, kind: str) -> requests.Session:
        # One a thread: requests does not promise that a session may be shared. One for the storage besides: what
        # belongs to the API (cookies) has no business there.
        sessions: dict[str, requests.Session] = self._local.__dict__
        if kind not in sessions:
            session = sessions[kind] = _Session()
            session.max_redirects = MAX_REDIRECTS
            # What a library on this machine could decode besides (deflate, zstd) an export could not be told to be.
            session.headers["Accept-Encoding"] = "gzip"
            session.headers["User-Agent"] = f"tap-cxone/{metadata.version('tap-cxone')}"
            if kind == "storage":
                session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        return sessions[kind]


class _Session(requests.Session):
    """Takes no authorization from a ``.netrc`` for the host that it is redirected to."""

    @override
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        try:
            return super().get_redirect_target(resp)
        except UnicodeError:
            resp.close()  # nobody else would: the answer is given to nobody
            raise requests.exceptions.InvalidURL from None

    @override
    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        before, now = response.request.url, prepared_request.url
        if not before or not now or self.should_strip_auth(before, now):  # type: ignore[no-untyped-call]
            prepared_request.headers.pop("Authorization", None)


def write_body(response: requests.Response, file: IO[bytes]) -> int:
    """Write a body, as sent, into a file from its beginning; return its size in bytes.

    Raises:
        RetriableError: it was cut off, or there was none.
        CxoneError: the file cannot be written.
    """
    try:
        file.seek(0)
        file.truncate()
    except OSError as err:
        raise _unwritable(err) from err
    for chunk in _chunks(response):
        try:
            file.write(chunk)
        except OSError as err:
            raise _unwritable(err) from err
    if not file.tell() and response.headers.get("Content-Length") != "0":
        # Nothing at all counts as an empty export only where the platform says that it is one.
        raise RetriableError("an empty answer")  # noqa: EM101, TRY003
    return file.tell()


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """Yield the body as sent: the bytes decide what they are, not Content-Encoding, so nothing is decoded here."""
    arrived = 0
    try:
        for chunk in response.raw.stream(DOWNLOAD_CHUNK_BYTES, decode_content=False):
            yield chunk
            arrived += len(chunk)
    except (HTTPError, OSError) as err:
        reason = f"cut off after {arrived} bytes ({type(err).__name__})"
        raise RetriableError(reason) from None


def _unwritable(err: OSError) -> CxoneError:
    return CxoneError(f"The temporary file of a download cannot be written ({err.strerror}).")


_NO_STORAGE_URL = "the platform named no usable address of the export"


def _storage_host(url: object) -> str:
    with contextlib.suppress(*NOT_AS_CONTRACTED):
        parts = urlsplit(url) if isinstance(url, str) else None
        if parts and parts.scheme.lower() in {"http", "https"} and parts.hostname:
            return parts.hostname
    raise RetriableError(_NO_STORAGE_URL)


def _advice(call: Call, status: int) -> str:
    return call.advice.get(status) or f"check {call.settings}"


def _passing_or_lost(reason: str, *, repeatable: bool) -> RetriableError | OutcomeUnknownError:
    return RetriableError(reason) if repeatable else OutcomeUnknownError(reason)


def _turned_away(response: requests.Response) -> RetriableError:
    asked = retry_after_seconds(response.headers.get("Retry-After"))
    if asked is None and response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        asked = RETRY_AFTER_DEFAULT_SECONDS
    return RetriableError(status_text(response.status_code), asked)
