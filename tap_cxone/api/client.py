"""Authenticated calls to the platform: tokens, retries, downloads, and errors that name the setting to check."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from dataclasses import replace
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, TypeVar

from tap_cxone.api.calls import ApiCall
from tap_cxone.api.downloads import write_body
from tap_cxone.api.identity import PlatformIdentity, host_name, tenant_id
from tap_cxone.api.retry import RETRY_BUDGET_SECONDS, RetriableError
from tap_cxone.api.tokens import BearerAuth, TokenCache
from tap_cxone.api.transport import Transport
from tap_cxone.errors import StorageRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

    from tap_cxone.api.grants import Grant
    from tap_cxone.api.responses import ApiResponse
    from tap_cxone.api.tokens import Token
    from tap_cxone.api.transport import RequestListener

MIN_DOWNLOAD_ATTEMPTS = 3
"""Attempts made even when the retry budget is used up: one attempt at a large file can outlast the whole budget."""
MAX_STORAGE_REFUSALS = 4
"""Fresh URLs refused before a download fails: a single one may have expired (platform contract, section 2)."""

_T = TypeVar("_T")


class PlatformClient:
    """Calls to one platform with one OAuth client or access key. Thread-safe.

    Args:
        api_url: base URL of the API, without a trailing slash; None to ask the grant for it.
        grant: authentication method.
        sleep: pauses for a number of seconds.
        retry_budget: seconds for all attempts and pauses of one call.
        address: identifies the platform in digests if ``api_url`` is None: the issuer.
        listener: is notified of every request to the API and of every retry.
    """

    def __init__(
        self,
        *,
        api_url: str | None,
        grant: Grant,
        sleep: Callable[[float], None],
        retry_budget: float = RETRY_BUDGET_SECONDS,
        address: str = "",
        listener: RequestListener | None = None,
    ) -> None:
        self._address = address if api_url is None else api_url
        self._grant = grant
        self._transport = Transport(sleep=sleep, retry_budget=retry_budget, secrets=self._secrets, listener=listener)
        self._tokens = TokenCache(lambda: grant.fetch(self._transport))
        self._api_url = ApiUrl(api_url, lambda token: grant.discover(self._transport, token))
        self._identity: PlatformIdentity | None = None

    @property
    def identity(self) -> PlatformIdentity | None:
        """What ``identify`` returned last; None before its first call."""
        return self._identity

    def identify(self) -> PlatformIdentity:
        """Return the platform's identity; request a token, and discover the API, as far as that was not done before.

        Raises:
            FatalError: the token endpoint, or the issuer, refused.
            UnavailableError: the retries are used up.
            CxoneError: the address of the API cannot be discovered.
        """
        token = self._tokens.get()
        host = host_name(self._api_url.get(token))
        self._identity = PlatformIdentity(host, tenant_id(token.access_token, token.id_token))
        return self._identity

    def api_url(self) -> str:
        """Return the base URL of the API, without a trailing slash; raises as ``identify``."""
        return self._api_url.get(self._tokens.get())

    def token_lifetime(self) -> float:
        """Return the lifetime of the current token in seconds, as its response says; raises as ``identify``."""
        return self._tokens.get().expires_in

    def call(self, call: ApiCall, read: Callable[[ApiResponse], _T]) -> _T:
        """Make a call, with retries, and return what ``read`` extracts from its response.

        Args:
            call: the call; its ``url`` is a path below the API's base URL.
            read: extracts the value from a 2xx response. A ValueError, LookupError, TypeError or AttributeError means
                that the response is malformed (a proxy's page, say).

        Raises:
            ThrottledError: the call is not repeatable and got one of its ``throttled`` statuses.
            FatalError: the platform refused the call.
            UnavailableError: the retries are used up.
            OutcomeUnknownError: the call is not repeatable, and it may have been carried out.
        """
        call = self._with_hints(call)

        def attempt() -> _T:
            with self._exchange(call) as response:
                return self._transport.read(call, response, read)

        return self._transport.call_with_retry(call.name, attempt, min_pause=call.min_pause)

    def download(self, path: str, file: IO[bytes]) -> int:
        """Download an export from the API into a file, without decoding it; an interrupted download starts again.

        Args:
            path: path below the API's base URL.
            file: overwritten from its beginning by every attempt.

        Returns:
            Number of bytes; as many as the response announced, if it announced a length.

        Raises:
            FatalError: the platform refused the call.
            UnavailableError: the retries are used up.
            CxoneError: the file cannot be written.
        """
        call = self._with_hints(ApiCall("download", "GET", path, follow_redirects=True))

        def attempt() -> int:
            with self._exchange(call) as response:
                if response.status_code != HTTPStatus.OK:
                    reason = f"status {response.status_code} instead of a file"
                    raise RetriableError(reason)
                return write_body(response, file)

        return self._transport.call_with_retry(call.name, attempt, min_attempts=MIN_DOWNLOAD_ATTEMPTS)

    def download_signed(self, fresh_url: Callable[[], str], file: IO[bytes]) -> int:
        """Download an export from pre-signed storage URLs into a file, without authorization.

        Args:
            fresh_url: asks the platform for a URL; called for every attempt. Its exceptions pass through.
            file: overwritten from its beginning by every attempt.

        Returns:
            Number of bytes; as many as the response announced, if it announced a length.

        Raises:
            StorageRefusedError: the storage refused MAX_STORAGE_REFUSALS fresh URLs; ``status`` is that of the last.
            UnavailableError: the retries are used up.
            CxoneError: the file cannot be written.
        """
        refusals = 0

        def attempt() -> int:
            nonlocal refusals
            url = fresh_url()
            try:
                return self._transport.download_signed_url(url, file, self._api_url.get(self._tokens.get()))
            except StorageRefusedError as err:
                refusals += 1
                if refusals >= MAX_STORAGE_REFUSALS:
                    raise
                # The URL may have expired before it was used; the next one is fresh.
                reason = f"the storage refused the download ({err.status})"
                raise RetriableError(reason, final_error=err) from None

        return self._transport.call_with_retry("download", attempt, min_attempts=MIN_DOWNLOAD_ATTEMPTS)

    def digest(self, *parts: object) -> str:
        """Return a digest of this client's address and identity together with ``parts`` (JSON values).

        Runs recognise their own jobs by it. It is kept in the state, so its computation must not change.
        """
        content = json.dumps([self._address, self._grant.identity, *parts], sort_keys=True)
        return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()

    def redact(self, text: str) -> str:
        """Return text from the platform as one short line without secrets, safe for errors and logs."""
        return self._transport.redact(text)

    def _secrets(self) -> list[str]:
        return [*self._grant.secrets, *self._tokens.secrets()]

    def _with_hints(self, call: ApiCall) -> ApiCall:
        """Add what this client's grant can say about errors."""
        grant = self._grant
        unauthorized = f"a new token was refused, too; check {grant.permissions}, and that {grant.same_tenant}"
        hints: dict[int, str] = {
            HTTPStatus.UNAUTHORIZED: unauthorized,
            HTTPStatus.FORBIDDEN: f"check {grant.permissions}",
        }
        return replace(call, hints=hints | dict(call.hints), address_settings=grant.api_settings)

    @contextlib.contextmanager
    def _exchange(self, call: ApiCall) -> Iterator[requests.Response]:
        """Send one request with a token and yield its 2xx response; after a 401, send it once more with a new token."""
        token = self._tokens.get()
        call = replace(call, url=self._api_url.get(token) + call.url)
        response = self._transport.send(call, auth=BearerAuth(token.access_token))
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            response.close()
            self._tokens.forget(token.access_token)
            response = self._transport.send(call, auth=BearerAuth(self._tokens.get().access_token))
        with response:
            self._transport.raise_for_status(call, response)
            yield response


class ApiUrl:
    """The base URL of the API, discovered once if it is not a setting. Thread-safe.

    One lock guards the URL and is held during the discovery, since every thread that asks for the URL needs its result.
    Redaction takes only the lock of ``TokenCache``, so errors can be redacted meanwhile.

    Args:
        url: the base URL, or None to discover it.
        discover: looks the URL up with a token. After an exception, the next call of ``get`` tries again.
    """

    def __init__(self, url: str | None, discover: Callable[[Token], str]) -> None:
        self._url = url
        self._discover = discover
        self._lock = threading.Lock()

    def get(self, token: Token) -> str:
        """Return the base URL, without a trailing slash."""
        with self._lock:
            if self._url is None:
                self._url = self._discover(token)
            return self._url
