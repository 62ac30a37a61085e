"""Calls to the platform with a token: what is repeated, and refusals put into words that name the setting to fix.

It knows nothing of jobs or records: a caller says which call it makes (``list``, ``create``, ``status``,
``download``), how to read the answer, and what a refusal of it means.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any, TypeVar

from tap_cxone.api.retry import RETRY_BUDGET_SECONDS, Patience, RetriableError
from tap_cxone.api.tokens import BearerAuth, TokenCache
from tap_cxone.api.transport import Call, Transport, write_body
from tap_cxone.errors import StorageRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import requests

    from tap_cxone.api.grants import Grant
    from tap_cxone.api.tokens import Token
    from tap_cxone.api.transport import RequestListener

DOWNLOAD_ATTEMPTS = 3
"""Made whatever the budget says: a large export can take longer than it to break off for the first time."""
STORAGE_REFUSALS = 4
"""So often a storage may refuse a fresh address: it is good for seconds only (platform contract, section 2)."""
THROTTLED_SECONDS = 60.0
"""Pauses altogether for an answer that may mean "throttled", and may as well mean that a permission is missing."""

_T = TypeVar("_T")

_ADVICE: dict[str, dict[int, str]] = {
    "create": {HTTPStatus.BAD_REQUEST: "check the settings 'export_filter', 'export_format' and 'window_days'"},
}
"""What to check, of calls that bring no advice of their own (platform contract, section 1)."""


class PlatformClient:
    """Calls to one platform on behalf of one OAuth client or access key.

    Args:
        api_url: base of the API, without a slash at its end; none: what the grant finds out.
        grant: where tokens come from.
        sleep: pauses for so many seconds.
        retry_budget: seconds that one call may go on failing in ways that pass.
        address: stands for the platform in digests where ``api_url`` is none: the issuer.
        watch: told of every request and of every pause before another one.
    """

    def __init__(
        self,
        *,
        api_url: str | None,
        grant: Grant,
        sleep: Callable[[float], None],
        retry_budget: float = RETRY_BUDGET_SECONDS,
        address: str = "",
        watch: RequestListener | None = None,
    ) -> None:
        self._api_url = api_url
        self._address = address if api_url is None else api_url
        self._grant = grant
        self._retry_budget = retry_budget
        self._transport = Transport(sleep=sleep, retry_budget=retry_budget, secrets=self._secrets, watch=watch)
        self._tokens = TokenCache(lambda: grant.fetch(self._transport))
        self._discovery = threading.Lock()

    def call(  # noqa: PLR0913 - the parts of one request
        self,
        call: str,
        method: str,
        path: str,
        *,
        read: Callable[[requests.Response], _T],
        body: object = None,
        params: dict[str, str] | None = None,
        repeatable: bool = True,
        throttled: frozenset[int] = frozenset(),
        advice: Mapping[int, str] | None = None,
        least_pause: float = 0.0,
    ) -> _T:
        """Make a call and read its answer, again and again while it fails in ways that pass.

        Args:
            call: name of the call, for messages.
            method: HTTP method.
            path: path below the base of the API.
            read: takes the value out of a 2xx answer; a ValueError, LookupError, TypeError or AttributeError from it
                means that the answer is not what the contract says (a proxy's page, say).
            body: JSON body.
            params: query parameters.
            repeatable: False where a second request could do something twice.
            throttled: statuses that may mean "throttled"; repeatable calls are tried again for THROTTLED_SECONDS.
            advice: what to check, by status; in place of what is said of the calls of the analytics export surface.
            least_pause: seconds between two attempts, at least.

        Raises:
            ThrottledError: the request is not repeatable and was refused with a status of ``throttled``.
            FatalError: the platform refused for good.
            UnavailableError: it did not pass within the budget.
            OutcomeUnknownError: the request is not repeatable and whether it was carried out is not known.
        """
        kind = Call(
            call,
            self._grant.api_settings,
            self._advice(_ADVICE.get(call, {}) if advice is None else advice),
            repeatable=repeatable,
            throttled=throttled,
            patience=Patience(min(THROTTLED_SECONDS, self._retry_budget)),
        )

        def attempt() -> _T:
            with self._exchange(kind, method, path, json=body, params=params) as response:
                return self._transport.read(kind, response, read)

        return self._transport.call_with_retry(call, attempt, least_pause=least_pause)

    def download(self, path: str, file: IO[bytes]) -> int:
        """Write the body of an export, as sent, into a file; from its beginning again when it is cut off.

        Returns:
            Number of bytes. Where the answer named its length, that many have arrived.

        Raises:
            FatalError: the platform refused for good.
            UnavailableError: it did not pass within the budget.
            CxoneError: the file cannot be written.
        """
        kind = Call("download", self._grant.api_settings, self._advice({}), redirects=True)

        def attempt() -> int:
            with self._exchange(kind, "GET", path, stream=True) as response:
                if response.status_code != HTTPStatus.OK:
                    reason = f"answered {response.status_code} in place of a file"
                    raise RetriableError(reason)
                return write_body(response, file)

        return self._transport.call_with_retry("download", attempt, least_attempts=DOWNLOAD_ATTEMPTS)

    def download_signed(self, fresh_url: Callable[[], str], file: IO[bytes]) -> int:
        """Write an export from a pre-signed storage URL into a file; without authorization, and without telling it.

        Args:
            fresh_url: asks the platform for a URL; called for every attempt. What it raises goes through.
            file: written from its beginning by every attempt.

        Returns:
            Number of bytes. Where the answer named its length, that many have arrived.

        Raises:
            StorageRefusedError: the storage refused STORAGE_REFUSALS fresh URLs; ``status`` is its last answer's.
            UnavailableError: it did not pass within the budget.
            CxoneError: the file cannot be written.
        """
        refusals = 0

        def attempt() -> int:
            nonlocal refusals
            url = fresh_url()
            try:
                return self._transport.fetch_signed(url, file)
            except StorageRefusedError as err:
                refusals += 1
                if refusals >= STORAGE_REFUSALS:
                    raise
                # The address may have run out before it was used; the next one is a fresh one.
                reason = f"the storage refused the download ({err.status})"
                raise RetriableError(reason, refusal=err) from None

        return self._transport.call_with_retry("download", attempt, least_attempts=DOWNLOAD_ATTEMPTS)

    def digest(self, *parts: object) -> str:
        """Return a digest of some values together with this client's address and id, to recognise its own work by.

        It needs no network, and it is part of what is kept in the state: what it is made of stays as it is.
        """
        whole = json.dumps([self._address, self._grant.identity, *parts], sort_keys=True)
        return hashlib.blake2b(whole.encode(), digest_size=16).hexdigest()

    def redact(self, text: str) -> str:
        """Make a text of the platform fit for a message: one line, not long, without a secret in it."""
        return self._transport.redact(text)

    def _secrets(self) -> list[str]:
        return [*self._grant.secrets, *self._tokens.secrets()]

    def _advice(self, own: Mapping[int, str]) -> dict[int, str]:
        grant = self._grant
        unauthorized = f"a fresh token was refused as well; check {grant.rights}, and that {grant.kinship}"
        return {HTTPStatus.UNAUTHORIZED: unauthorized, HTTPStatus.FORBIDDEN: f"check {grant.rights}"} | dict(own)

    def _base(self, granted: Token) -> str:
        """Return the base of the API; asked for once, where it is not a setting."""
        with self._discovery:
            if self._api_url is None:
                self._api_url = self._grant.discover(self._transport, granted)
            return self._api_url

    @contextlib.contextmanager
    def _exchange(
        self,
        call: Call,
        method: str,
        path: str,
        **options: Any,  # noqa: ANN401 - handed on to requests
    ) -> Iterator[requests.Response]:
        """Send one request with a token and yield its 2xx answer; on a 401 renew the token once and repeat."""
        granted = self._tokens.granted()
        url = self._base(granted) + path
        response = self._transport.send(call, method, url, auth=BearerAuth(granted.token), **options)
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            response.close()
            self._tokens.forget(granted.token)
            auth = BearerAuth(self._tokens.token())
            response = self._transport.send(call, method, url, auth=auth, **options)
        with response:
            self._transport.raise_for_status(call, response)
            yield response
