"""Transport: sends requests and retries them. No other module sends requests to the API.

It does not know where tokens come from: the package ``grants`` fetches them with it, ``client`` adds them to calls.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import IO, TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import urlsplit

import requests

from tap_cxone.api.deadline import Deadline, time_is_up
from tap_cxone.api.downloads import download_signed_url
from tap_cxone.api.error_messages import (
    connection_advice,
    connection_reason,
    is_proxy_error,
    never_sent,
    unreachable_reason,
)
from tap_cxone.api.redaction import redact
from tap_cxone.api.responses import raise_for_status, read_value, retriable_or_unknown
from tap_cxone.api.retry import (
    RETRY_BUDGET_SECONDS,
    THROTTLED_BUDGET_SECONDS,
    RetriableError,
    RetryPolicy,
    call_with_retry,
)
from tap_cxone.api.sessions import INVALID_URL_ERRORS, TIMEOUT, Sessions
from tap_cxone.api.tokens import NoAuth
from tap_cxone.errors import FatalError, OutcomeUnknownError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests.auth import AuthBase

    from tap_cxone.api.calls import ApiCall
    from tap_cxone.api.responses import ApiResponse

MIN_ATTEMPT_SECONDS = 60.0
"""Time that every attempt has, even if less is left of the retry budget."""

_T = TypeVar("_T")


class RequestListener(Protocol):
    """Is notified of requests to the API and of retries, in the threads that make them."""

    def requested(self) -> None:
        """A request to the API is about to be sent."""

    def retrying(self, call: str, reason: str, seconds: float, rate_limited: bool) -> None:  # noqa: FBT001 - a callback
        """A request failed and is sent again after a pause.

        Args:
            call: name of the call.
            reason: why it failed.
            seconds: length of the pause.
            rate_limited: whether a rate limit is the reason for the pause.
        """


class Transport:
    """Sends the requests of one client. Thread-safe.

    Args:
        sleep: pauses for a number of seconds.
        retry_budget: seconds for all attempts and pauses of one call.
        secrets: returns what must not appear in messages.
        listener: is notified of every request to the API and of every retry.
    """

    def __init__(
        self,
        *,
        sleep: Callable[[float], None],
        retry_budget: float = RETRY_BUDGET_SECONDS,
        secrets: Callable[[], list[str]],
        listener: RequestListener | None = None,
    ) -> None:
        self._sleep = sleep
        self._policy = RetryPolicy(budget=retry_budget, throttled_budget=min(THROTTLED_BUDGET_SECONDS, retry_budget))
        self._secrets = secrets
        self._listener = listener
        self._sessions = Sessions()
        self._reached: set[tuple[str, str]] = set()  # servers that have answered; adding to a set is atomic

    def call_with_retry(
        self, name: str, attempt: Callable[[], _T], *, min_attempts: int = 1, min_pause: float = 0.0
    ) -> _T:
        """Repeat a call until it succeeds, within the budget of this client, which limits every attempt, too.

        Args:
            name: name of the call, for messages.
            attempt: makes the call once.
            min_attempts: attempts that are made even when the budget is used up.
            min_pause: shortest pause between two attempts, in seconds.

        Raises:
            UnavailableError: the retries are used up.
        """
        begun = time.monotonic()

        def limited() -> _T:
            left = self._policy.budget - (time.monotonic() - begun)
            with Deadline(max(left, MIN_ATTEMPT_SECONDS)) as deadline:
                try:
                    return attempt()
                except (RetriableError, OutcomeUnknownError) as err:
                    if deadline.has_passed:
                        reason = f"no complete response within {deadline.seconds:.0f} s"
                        raise type(err)(reason, advice=err.advice) from None
                    raise

        return call_with_retry(
            limited,
            what=f"Platform call '{name}'",
            sleep=self._sleep,
            policy=replace(self._policy, min_attempts=min_attempts, min_pause=min_pause),
            on_retry=partial(self._listener.retrying, name) if self._listener else None,
        )

    def request(self, call: ApiCall, *, read: Callable[[ApiResponse], _T], auth: AuthBase | None = None) -> _T:
        """Make a call that needs no token, with retries, and return what ``read`` extracts from its response.

        Raises:
            FatalError: the platform refused it.
            UnavailableError: the retries are used up.
        """

        def attempt() -> _T:
            with self.send(call, auth=auth or NoAuth()) as response:
                self.raise_for_status(call, response)
                return self.read(call, response, read)

        return self.call_with_retry(call.name, attempt, min_pause=call.min_pause)

    def send(self, call: ApiCall, *, auth: AuthBase) -> requests.Response:
        """Send one request and return its response, whatever the status. Its body has not been read.

        Raises:
            FatalError: the URL is invalid.
            RetriableError: there was no response, or a redirect to an address that is not valid for a download.
            OutcomeUnknownError: there was no response, and the call is not repeatable.
        """
        if time_is_up():  # another call, for a token perhaps, took too long: this one would be cut off
            reason = "no time was left for the request"
            raise RetriableError(reason, advice=call.later)
        if self._listener:
            self._listener.requested()
        session = self._sessions.api()
        session.redirects_from = call.url if call.follow_redirects else ""
        try:
            response = session.request(
                call.method,
                call.url,
                params=call.params,
                data=call.form,
                json=call.json,
                auth=auth,
                timeout=TIMEOUT,
                allow_redirects=call.follow_redirects,
                stream=True,
            )
        except INVALID_URL_ERRORS as err:
            problem = f"the address is invalid; check {call.address_settings}"
            if isinstance(err, requests.RequestException) and is_proxy_error(err):
                problem = connection_reason(err, call.url)
            msg = f"Platform call '{call.name}': {problem}."
            raise FatalError(msg, 0) from None
        except requests.RequestException as err:
            is_repeatable = call.repeatable or never_sent(err)
            unreachable = unreachable_reason(err, call.url)
            if unreachable and is_repeatable and _server(call.url) not in self._reached:
                advice = connection_advice(err, call.url, call.address_settings)
                final = UnavailableError(f"Platform call '{call.name}': {advice}.")
                raise RetriableError(unreachable, unreachable=True, final_error=final) from None
            reason = connection_reason(err, call.url)
            raise retriable_or_unknown(reason, repeatable=is_repeatable, advice=call.later) from None
        self._reached.add(_server(call.url))
        return response

    def raise_for_status(self, call: ApiCall, response: requests.Response) -> None:
        """Raise unless the status is a 2xx; see ``responses.raise_for_status``."""
        raise_for_status(call, response, self.redact)

    def read(self, call: ApiCall, response: requests.Response, read: Callable[[ApiResponse], _T]) -> _T:
        """Return what ``read`` extracts from a 2xx response; see ``responses.read_value``."""
        return read_value(call, response, read, self.redact)

    def download_signed_url(self, url: str, file: IO[bytes], api_url: str) -> int:
        """Download from a pre-signed storage URL in one attempt; see ``downloads.download_signed_url``."""
        session = self._sessions.storage()
        session.redirects_from = api_url
        return download_signed_url(session, url, file)

    def redact(self, text: str) -> str:
        """Return text from the platform as one short line without secrets."""
        return redact(text, self._secrets())


def _server(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
