"""One message to one receiver: signed, in bounded time, again while it fails.

The only module that sends. What libraries say of a failed request holds its URL: here only its kind is passed on.
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
    (requests.exceptions.SSLError, "TLS failed: its certificate is not trusted (REQUESTS_CA_BUNDLE), or it has none"),
    (requests.exceptions.ConnectionError, "the connection failed"),
    (requests.exceptions.InvalidURL, "its address cannot be used"),
    (requests.exceptions.RequestException, "the answer was none of HTTP"),
    (OSError, "the certificates that REQUESTS_CA_BUNDLE names cannot be read"),
)
"""The first that fits says what is told of an error."""


class DeliveryError(Exception):
    """A message did not get through.

    Attributes:
        reason: why, fit for a log line.
        attempts: how often it was tried.
        gone: whether the receiver said that it will not come back.
    """

    def __init__(self, reason: str, attempts: int, *, gone: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.attempts = attempts
        self.gone = gone


@dataclass(frozen=True)
class Delivered:
    """A message got through.

    Attributes:
        latency_ms: from the request to the answer, of the attempt that succeeded.
        attempts: how often it was tried.
    """

    latency_ms: int
    attempts: int


class Deliverer:
    """Delivers messages.

    Args:
        secret: what they are signed with (``whsec_...``), or none.
        timeout: seconds until an attempt counts as failed, from the first look for the address to the answer.
        sleep: pauses for so many seconds.
    """

    def __init__(self, secret: str | None, timeout: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self._webhook = Webhook(secret) if secret else None
        self._timeout = timeout
        self._sleep = sleep

    def deliver(self, receiver: Receiver, webhook_id: str, body: bytes, *, max_attempts: int) -> Delivered:
        """Send a message until the receiver has taken it.

        Raises:
            DeliveryError: it has not, in as many attempts.
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
            reason = "it answered 410: this address is gone for good; correct or remove it in 'webhook_url'"
            raise DeliveryError(reason, attempts, gone=True) from None
        return Delivered(latency_ms, attempts)

    def _attempt(self, receiver: Receiver, webhook_id: str, body: bytes) -> int:
        headers = self._headers(webhook_id, body)
        asked = time.monotonic()
        answer = self._post(receiver.url, headers, body)
        latency_ms = round((time.monotonic() - asked) * 1000)
        if answer.status == HTTPStatus.GONE:
            raise _GoneError
        if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return latency_ms
        reason = f"it answered {answer.status}"
        if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
            reason += ", a redirect, which is not followed: give the address that it leads to"
        raise RetriableError(reason, retry_after_seconds(answer.retry_after))

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

    def _post(self, url: str, headers: dict[str, str], body: bytes) -> _Answer:
        """Make a request in a thread, since nothing else bounds the time of all of its parts.

        Raises:
            RetriableError: there was no answer.
        """
        answers: queue.SimpleQueue[_Answer | Exception] = queue.SimpleQueue()

        def post() -> None:
            try:
                with requests.post(
                    url, body, headers=headers, timeout=self._timeout, allow_redirects=False, stream=True
                ) as response:
                    answers.put(_Answer(response.status_code, response.headers.get("Retry-After")))
            except Exception as err:  # noqa: BLE001 - whatever it is, it is told in words of ours
                answers.put(err)

        threading.Thread(target=post, daemon=True).start()
        try:
            answer = answers.get(timeout=self._timeout)
        except queue.Empty:
            answer = requests.exceptions.Timeout()
        if isinstance(answer, _Answer):
            return answer
        if isinstance(answer, requests.exceptions.Timeout):
            reason = f"it did not answer within {self._timeout:g} s"
        else:
            reason = next((said for kind, said in _FAILURES if isinstance(answer, kind)), type(answer).__name__)
        raise RetriableError(reason) from None


@dataclass(frozen=True)
class _Answer:
    status: int
    retry_after: str | None


class _GoneError(Exception):
    """The receiver says that it will not come back."""
