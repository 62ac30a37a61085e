"""Converts a response to a value or an error: which statuses are retriable, and what the error says."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import requests

from tap_cxone.api.deadline import time_is_up
from tap_cxone.api.error_messages import MALFORMED_RESPONSE_ERRORS, connection_reason, status_text
from tap_cxone.api.retry import RETRY_AFTER_DEFAULT_SECONDS, RetriableError, retry_after_seconds
from tap_cxone.errors import FatalError, OutcomeUnknownError, RefusedError, ThrottledError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_cxone.api.calls import ApiCall

    Redact = Callable[[str], str]

_T = TypeVar("_T")
_PIECE_BYTES = 1 << 10
"""Bytes that are decompressed at once: gzip makes a thousand times as much of them at most."""
_REASON_KEYS = ("message", "errorMessage", "error_description", "errorDescription", "error")


@dataclass(frozen=True)
class ApiResponse:
    """A response whose body has been read.

    Attributes:
        status_code: HTTP status.
        headers: headers; their names are case-insensitive.
        body: the decompressed body.
    """

    status_code: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - any JSON value
        """Return the body as a JSON value; raises ValueError or RecursionError if it is not valid JSON."""
        return json.loads(self.body)


class _TooLongError(ValueError):
    """The body of a response is longer than a call allows."""


def raise_for_status(call: ApiCall, response: requests.Response, redact: Redact) -> None:
    """Raise unless the status is a 2xx.

    Args:
        call: the call that was answered.
        response: its response.
        redact: makes text from the platform safe for a message.

    Raises:
        RetriableError: a retry can succeed.
        OutcomeUnknownError: the call is not repeatable, and it may have been carried out.
        ThrottledError: the call is not repeatable, was not carried out, and may have been throttled.
        RefusedError: the credentials are wrong, or lack a permission.
        FatalError: a retry does not help.
    """
    status = response.status_code
    if status in call.throttled:
        raise _throttled_error(call, response, redact)
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        # Neither was carried out, so that even a call that is not repeatable may be repeated.
        raise not_processed_error(response, call.later)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        raise retriable_or_unknown(status_text(status), repeatable=call.repeatable, advice=call.later)
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        msg = f"{_refusal(call, response, redact)}: {call.hint(status)}."
        raise (RefusedError if _refuses_credentials(call, status) else FatalError)(msg, status)


def _refuses_credentials(call: ApiCall, status: int) -> bool:
    is_wrong_secret = call.name == "token" and status == HTTPStatus.BAD_REQUEST
    return is_wrong_secret or status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


def read_value(call: ApiCall, response: requests.Response, read: Callable[[ApiResponse], _T], redact: Redact) -> _T:
    """Return what ``read`` extracts from a 2xx response.

    Raises:
        RetriableError: the response is incomplete, too long, or malformed (a proxy's page, say).
        OutcomeUnknownError: the same, and the call is not repeatable.
    """
    try:
        return read(_read_body(call, response))
    except requests.RequestException as err:
        reason = connection_reason(err, response.url)
        raise retriable_or_unknown(reason, repeatable=call.repeatable, advice=call.later) from None
    except _TooLongError as err:
        raise retriable_or_unknown(str(err), repeatable=call.repeatable, advice=call.later) from None
    except MALFORMED_RESPONSE_ERRORS:
        content_type = redact(response.headers.get("Content-Type", "no content type"))
        reason = f"the response ({response.status_code}, {content_type}) does not have the documented form"
        advice = f"check {call.address_settings}, and whether a proxy answers in the platform's place"
        # Not chained: the parser's error would contain the response.
        raise retriable_or_unknown(reason, repeatable=call.repeatable, advice=advice) from None


def _read_body(call: ApiCall, response: requests.Response) -> ApiResponse:
    body = bytearray()
    for piece in response.iter_content(_PIECE_BYTES):
        body += piece
        if len(body) > call.max_bytes:
            msg = f"the response is longer than {call.max_bytes >> 20} MiB"
            raise _TooLongError(msg)
    if time_is_up():  # the deadline has ended the connection, which looks like the end of the body
        raise requests.ConnectionError
    return ApiResponse(response.status_code, response.headers, bytes(body))


def retriable_or_unknown(reason: str, *, repeatable: bool, advice: str) -> RetriableError | OutcomeUnknownError:
    """Return the error for a request without a usable response."""
    return RetriableError(reason, advice=advice) if repeatable else OutcomeUnknownError(reason, advice)


def not_processed_error(response: requests.Response, advice: str) -> RetriableError:
    """Return the error for a request that was not carried out: 429, or 503 of the API."""
    retry_after = retry_after_seconds(response.headers.get("Retry-After"))
    if retry_after is None and response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        retry_after = RETRY_AFTER_DEFAULT_SECONDS
    return RetriableError(status_text(response.status_code), retry_after, advice=advice)


def _throttled_error(call: ApiCall, response: requests.Response, redact: Redact) -> Exception:
    status = response.status_code
    msg = (
        f"{_refusal(call, response, redact)}: either other integrations of the tenant use up its request limits "
        f"(throttled), or a permission is missing; if this persists, {call.hint(status)}."
    )
    if not call.repeatable:
        return ThrottledError(msg, status)
    return RetriableError(
        f"{status_text(status)}, possibly throttled",
        retry_after_seconds(response.headers.get("Retry-After")),
        throttled=True,
        final_error=RefusedError(msg, status),
    )


def _refusal(call: ApiCall, response: requests.Response, redact: Redact) -> str:
    explanation = redact(_platform_reason(call, response))
    reason = f" ({explanation})" if explanation else ""
    return f"The platform refused the call '{call.name}' with {status_text(response.status_code)}{reason}"


def _platform_reason(call: ApiCall, response: requests.Response) -> str:
    """Return the platform's explanation of an error, from the JSON body or else from its header, or an empty string."""
    with contextlib.suppress(*MALFORMED_RESPONSE_ERRORS, requests.RequestException):
        body = _read_body(call, response).json()
        for key in _REASON_KEYS:
            if isinstance(body.get(key), str):
                return str(body[key])
    return response.headers.get("icStatusDescription", "")
