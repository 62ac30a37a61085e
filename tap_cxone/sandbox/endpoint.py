"""What all API calls share: rate limit, faults and authorisation around a handler, errors, and downloads.

The handlers are in the modules of the APIs: `exports_api`, `extractions_api` and `identity_api`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse

from tap_cxone.sandbox.create_requests import InvalidRequestError
from tap_cxone.sandbox.options import DAMAGE_KINDS, STATUS_KINDS
from tap_cxone.sandbox.platform import Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from starlette.types import Message, Receive, Scope, Send

    from tap_cxone.sandbox.files import File
    from tap_cxone.sandbox.platform import Platform

    Handler = Callable[[Platform, HttpRequest], Awaitable[Response]]

logger = logging.getLogger(__name__)

MESSAGES = {
    400: "The request is not valid",
    401: "The token is missing, malformed or expired",
    403: "The client lacks the scope or role for this call",
    404: "There is no such job",
    409: "The limit of active exports is reached",
    429: "Too many requests",
    500: "Internal error",
    502: "Bad gateway",
    503: "The service is temporarily unavailable",
}
# Files up to this size are sent with a Content-Length; larger ones in chunks while they are generated.
_MAX_BUFFERED_BYTES = 4 << 20
_HTML_PAGE = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Proxy sign-in</h1></body></html>"


def json_error(status: int, message: str | None = None, retry_after: str | None = None) -> Response:
    """Return an error response with the body `{"message": ...}`."""
    return JSONResponse({"message": message or MESSAGES[status]}, status, retry_header(retry_after))


def retry_header(retry_after: str | None) -> dict[str, str]:
    """Return the headers with a Retry-After, if there is one."""
    return {} if retry_after is None else {"Retry-After": retry_after}


@dataclass(frozen=True)
class Endpoint:
    """An API call of the platform as an ASGI application."""

    name: str  # the call that faults and recorded requests name
    handler: Handler  # answers a request that is authorised and meets no fault
    platform: Platform
    error_response: Callable[..., Response] = json_error  # takes a status, a message and the value of Retry-After
    needs_token: bool = True
    is_rate_limited: bool = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the request, then send a response or break the connection if a fault says so."""
        at = time.monotonic()
        request = HttpRequest(scope, receive)
        try:
            await request.body()
        except ClientDisconnect:
            return
        wait = self.platform.rate_limit_wait() if self.is_rate_limited else 0
        fault = None if wait else self.platform.faults.next_fault(self.name)
        if fault == "reset":
            self._record(request, at, None, fault)
            await _disconnect(scope, receive, reset=True)
            return
        if wait:
            response = self.error_response(429, retry_after=str(wait))
        else:
            response = await self._respond(request, fault)
        if fault == "slow":
            await asyncio.sleep(self.platform.options.slow_seconds)
        now = datetime.now(UTC) + timedelta(seconds=self.platform.options.clock_ahead)
        response.headers["Date"] = format_datetime(now, usegmt=True)
        self._record(request, at, None if fault == "lost" else response.status_code, fault)
        if fault == "lost":
            await _disconnect(scope, receive)
        elif fault == "cut":
            await response(scope, receive, _cutting(scope, send))
            await _wait_for_disconnect(receive)
        else:
            await response(scope, receive, send)

    async def _respond(self, request: HttpRequest, fault: str | None) -> Response:
        if fault == "html":
            return HTMLResponse(_HTML_PAGE)
        if fault in STATUS_KINDS:
            return self._fault_response(fault)
        if self.needs_token and not self._is_authorised(request):
            return self.error_response(401)
        request.state.damage = fault if fault in DAMAGE_KINDS else None
        try:
            return await self.handler(self.platform, request)
        except InvalidRequestError as err:
            return json_error(400, str(err))
        except Exception:
            logger.exception("Bug in the sandbox: the call %s failed", self.name)
            return json_error(500, "Bug in the sandbox, see its log")

    def _fault_response(self, fault: str) -> Response:
        status, _, form = fault.partition("-")
        seconds = self.platform.options.retry_after
        retry_after = None
        if fault == "429":
            retry_after = str(seconds)
        elif form == "date":
            # HTTP dates have whole seconds. Round up, so that a client that waits until then waits long enough.
            until = datetime.now(UTC) + timedelta(seconds=seconds + 1)
            retry_after = format_datetime(until.replace(microsecond=0), usegmt=True)
        return self.error_response(int(status), retry_after=retry_after)

    def _is_authorised(self, request: HttpRequest) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme == "Bearer" and self.platform.is_valid_token(token)

    def _record(self, request: HttpRequest, at: float, status: int | None, fault: str | None) -> None:
        """Record the request, before the response is sent: a client that has the response finds the record."""
        job_id = request.path_params.get("job_id") or getattr(request.state, "job_id", None)
        path = request.url.path
        self.platform.requests.append(Request(self.name, request.method, path, status, at, job_id, fault))


async def file_response(file: File) -> Response:
    """Return a response with a file, which is generated chunk by chunk in a worker thread."""
    head, complete = await run_in_threadpool(_read_up_to, file.chunks, _MAX_BUFFERED_BYTES)
    if complete:
        return Response(b"".join(head), headers=file.headers)
    return StreamingResponse(chain(head, file.chunks), headers=file.headers)


def _read_up_to(chunks: Iterator[bytes], size: int) -> tuple[list[bytes], bool]:
    """Read chunks until there are `size` bytes. Return them and whether the file ended before that."""
    head: list[bytes] = []
    length = 0
    for chunk in chunks:
        head.append(chunk)
        length += len(chunk)
        if length >= size:
            return head, False
    return head, True


def media_type(request: HttpRequest) -> str:
    """Return the media type of the request body, in lower case and without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_json(request: HttpRequest) -> object:
    """Return the decoded JSON body of a request, or raise an `InvalidRequestError`."""
    try:
        if media_type(request) == "application/json":
            return msgspec.json.decode(await request.body())
        msg = "Content-Type must be application/json"
    except msgspec.DecodeError:
        msg = "body: is not valid JSON"
    raise InvalidRequestError(msg)


def _cutting(scope: Scope, send: Send) -> Send:
    """Return a `send` that sends half of a response with the Content-Length of all, then closes the connection."""
    start: Message | None = None

    async def send_half(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            start = message
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if start is None or (more and not body):
            return
        headers = MutableHeaders(raw=start["headers"])
        if more or not body:
            headers["content-length"] = str(2 * len(body) + 1)
        else:
            headers["content-length"] = str(len(body))
            body = body[: len(body) // 2]
        await send(start)
        start = None
        await send({"type": "http.response.body", "body": body, "more_body": True})
        _transport(scope).close()

    return send_half


def _transport(scope: Scope) -> Any:  # noqa: ANN401 - an asyncio.Transport, set by the server's protocol
    return scope["state"]["transport"]


async def _disconnect(scope: Scope, receive: Receive, *, reset: bool = False) -> None:
    """Close the connection without a response, either cleanly or with a TCP reset."""
    transport = _transport(scope)
    if reset:
        linger = struct.pack("hh" if hasattr(socket, "SO_EXCLUSIVEADDRUSE") else "ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()
    await _wait_for_disconnect(receive)


async def _wait_for_disconnect(receive: Receive) -> None:
    """Wait until uvicorn has seen the disconnect; otherwise it would send a response of its own."""
    message = await receive()
    while message["type"] != "http.disconnect":
        message = await receive()
