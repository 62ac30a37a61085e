"""Delivers one message to one receiver: signs it, limits the time of each attempt, and retries.

The error messages of HTTP libraries contain the URL, so this module replaces them with its own.
"""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

import requests
from standardwebhooks import Webhook

from tap_cxone.api.retry import RetriableError, RetryPolicy, call_with_retry, retry_after_seconds
from tap_cxone.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_cxone.notify.receivers import Receiver

_FAILURES: tuple[tuple[type[Exception], str], ...] = (
    (requests.exceptions.ProxyError, "the proxy could not be reached"),
    (requests.exceptions.SSLError, "TLS failed: its certificate is missing or not trusted (see REQUESTS_CA_BUNDLE)"),
    (requests.exceptions.ConnectionError, "the connection failed"),
    (requests.exceptions.InvalidURL, "its URL cannot be used"),
    (requests.exceptions.RequestException, "the response was not valid HTTP"),
    (OSError, "the certificates named by REQUESTS_CA_BUNDLE cannot be read"),
)
"""Reasons by type of error; the first type that matches applies."""


class DeliveryError(Exception):
    """A message could not be delivered.

    Attributes:
        reason: why, without secrets.
        attempts: number of attempts.
        gone: whether the receiver answered that its URL is gone for good.
    """

    def __init__(self, reason: str, attempts: int, *, gone: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.attempts = attempts
        self.gone = gone


@dataclass(frozen=True)
class Delivery:
    """The successful delivery of a message.

    Attributes:
        latency_ms: milliseconds from request to response, of the attempt that succeeded.
        attempts: number of attempts.
    """

    latency_ms: int
    attempts: int


class Deliverer:
    """Delivers messages.

    Args:
        secret: signs the messages (``whsec_...``); None: they are not signed.
        timeout: seconds that an attempt may take, from name resolution to the response.
        sleep: waits for a number of seconds.
    """

    def __init__(self, secret: str | None, timeout: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self._webhook = Webhook(secret) if secret else None
        self._timeout = timeout
        self._sleep = sleep

    def deliver(self, receiver: Receiver, webhook_id: str, body: bytes, *, max_attempts: int) -> Delivery:
        """Send a message until the receiver accepts it.

        Args:
            receiver: the receiver.
            webhook_id: identifies the message, the same at each attempt.
            body: the message, as JSON.
            max_attempts: maximum number of attempts.

        Raises:
            DeliveryError: the receiver has not accepted it.
        """
        attempts = 0
        last = ""

        def attempt() -> int:
            nonlocal attempts, last
            attempts += 1
            try:
                return self._attempt(receiver, webhook_id, body)
            except RetriableError as err:
                last = err.reason
                raise

        try:
            policy = RetryPolicy(budget=0, min_attempts=max_attempts)
            latency_ms = call_with_retry(attempt, what=str(receiver), sleep=self._sleep, policy=policy)
        except UnavailableError:
            raise DeliveryError(last, attempts) from None
        except _GoneError:
            reason = "it answered 410: this URL is gone for good; correct or remove it in 'webhook_url'"
            raise DeliveryError(reason, attempts, gone=True) from None
        return Delivery(latency_ms, attempts)

    def _attempt(self, receiver: Receiver, webhook_id: str, body: bytes) -> int:
        headers = self._headers(webhook_id, body)
        began = time.monotonic()
        response = self._post(receiver.url, headers, body)
        latency_ms = round((time.monotonic() - began) * 1000)
        if response.status == HTTPStatus.GONE:
            raise _GoneError
        if HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            return latency_ms
        reason = f"it answered {response.status}"
        if HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST:
            reason += ", a redirect, which is not followed: set the URL that it leads to"
        raise RetriableError(reason, retry_after_seconds(response.retry_after))

    def _headers(self, webhook_id: str, body: bytes) -> dict[str, str]:
        now = datetime.now(UTC)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "cxone-notify",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
        }
        if self._webhook:
            headers["webhook-signature"] = self._webhook.sign(webhook_id, now, body.decode())
        return headers

    def _post(self, url: str, headers: dict[str, str], body: bytes) -> _Response:
        """Make a request in a thread: the timeout of ``requests`` does not limit the total time.

        Raises:
            RetriableError: there was no response.
        """
        responses: queue.SimpleQueue[_Response | Exception] = queue.SimpleQueue()

        def post() -> None:
            try:
                with requests.post(
                    url, body, headers=headers, timeout=self._timeout, allow_redirects=False, stream=True
                ) as response:
                    responses.put(_Response(response.status_code, response.headers.get("Retry-After")))
            except Exception as err:  # noqa: BLE001 - reported by the caller's thread
                responses.put(err)

        threading.Thread(target=post, daemon=True).start()
        try:
            outcome = responses.get(timeout=self._timeout)
        except queue.Empty:
            outcome = requests.exceptions.Timeout()
        if isinstance(outcome, _Response):
            return outcome
        if isinstance(outcome, requests.exceptions.Timeout):
            reason = f"it did not answer within {self._timeout:g} s"
        else:
            reason = next((text for kind, text in _FAILURES if isinstance(outcome, kind)), type(outcome).__name__)
        raise RetriableError(reason) from None


@dataclass(frozen=True)
class _Response:
    status: int
    retry_after: str | None


class _GoneError(Exception):
    """The receiver answered 410."""
