"""A call as the network shows it: rate limit, faults and authorisation around a handler, and connections that break.

Shared by every surface of the platform; what a call means is in the surface's own module.
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
from typing import TYPE_CHECKING, Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse

from tap_cxone.sandbox.options import DAMAGE_KINDS, STATUS_KINDS
from tap_cxone.sandbox.platform import Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from starlette.types import Message, Receive, Scope, Send

    from tap_cxone.sandbox.platform import Platform

    Handler = Callable[[Platform, HttpRequest], Awaitable[Response]]

logger = logging.getLogger(__name__)

MESSAGES = {
    400: "The request is not valid",
    401: "The token is missing, malformed or has run out",
    403: "The client lacks the scope or role for this call",
    404: "There is no such job",
    409: "The limit of active exports is reached",
    429: "Too many requests",
    500: "Internal error",
    502: "Bad gateway",
    503: "The service is not available at the moment",
}
# A file up to this size has a Content-Length; a bigger one is sent in chunks while it is made.
_KNOWN_LENGTH = 4 << 20
_PAGE = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Proxy sign-in</h1></body></html>"


def refusal(status: int, message: str | None = None, retry_after: str | None = None) -> Response:
    """Return an error answer: `{"message": ...}`, with Retry-After where one is given."""
    headers = {"Retry-After": retry_after} if retry_after is not None else None
    return JSONResponse({"message": message or MESSAGES[status]}, status, headers)


def oauth_refusal(
    status: int, message: str | None = None, retry_after: str | None = None, error: str = "temporarily_unavailable"
) -> Response:
    """Return an error answer of a token endpoint (RFC 6749, section 5.2)."""
    headers = {"Cache-Control": "no-store"}
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    return JSONResponse({"error": error, "error_description": message or MESSAGES[status]}, status, headers)


class Refuse(Protocol):
    """Makes an error answer in the form of one surface, with that surface's own text where none is given."""

    def __call__(self, status: int, message: str | None = None, retry_after: str | None = None) -> Response:
        """Return the answer; `retry_after` is the value of the header of that name."""
        ...


@dataclass(frozen=True)
class Manners:
    """How a call treats those who ask.

    `authorised` calls need a live bearer token, `limited` ones count against the rate limit; `refuse` forms what is
    answered for either reason, and for a fault.
    """

    authorised: bool = True
    limited: bool = True
    refuse: Refuse = refusal


class Call:
    """One call of the platform as an ASGI application."""

    def __init__(self, name: str, handler: Handler, platform: Platform, manners: Manners | None = None) -> None:
        """Name the call; without manners it is authorised, limited and refuses in JSON."""
        self._name = name
        self._handler = handler
        self._platform = platform
        self._manners = manners or Manners()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the request, then answer it, or break the connection where a fault says so."""
        at = time.monotonic()
        request = HttpRequest(scope, receive)
        try:
            await request.body()
        except ClientDisconnect:
            return
        wait = self._platform.seconds_over_limit() if self._manners.limited else 0
        fault = None if wait else self._platform.faults.draw(self._name)
        if fault == "reset":
            self._note(request, at, None, fault)
            await _hang_up(scope, receive, reset=True)
            return
        refuse = self._manners.refuse
        response = refuse(429, retry_after=str(wait)) if wait else await self._answer(request, fault)
        if fault == "slow":
            await asyncio.sleep(self._platform.options.slow_seconds)
        self._note(request, at, None if fault == "lost" else response.status_code, fault)
        if fault == "lost":
            await _hang_up(scope, receive)
        elif fault == "cut":
            await response(scope, receive, _CutSend(scope, send))
            await _until_gone(receive)
        else:
            await response(scope, receive, send)

    async def _answer(self, request: HttpRequest, fault: str | None) -> Response:
        if fault == "html":
            return HTMLResponse(_PAGE)
        if fault in STATUS_KINDS:
            return self._struck(fault)
        if self._manners.authorised and not self._is_authorised(request):
            return self._manners.refuse(401)
        request.state.damage = fault if fault in DAMAGE_KINDS else None
        try:
            return await self._handler(self._platform, request)
        except Exception:
            logger.exception("The sandbox itself failed at the call %s", self._name)
            return refusal(500, "The sandbox itself failed: see its log")

    def _struck(self, fault: str) -> Response:
        status, _, form = fault.partition("-")
        seconds = self._platform.options.retry_after
        retry_after = None
        if fault == "429":
            retry_after = str(seconds)
        elif form == "date":
            # A date has whole seconds: round up, so that waiting until then is never too short.
            until = datetime.now(UTC) + timedelta(seconds=seconds + 1)
            retry_after = format_datetime(until.replace(microsecond=0), usegmt=True)
        return self._manners.refuse(int(status), retry_after=retry_after)

    def _is_authorised(self, request: HttpRequest) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme == "Bearer" and self._platform.is_live(token)

    def _note(self, request: HttpRequest, at: float, status: int | None, fault: str | None) -> None:
        """Remember the request before its answer leaves, so that whoever has the answer finds it."""
        job_id = request.path_params.get("job_id") or getattr(request.state, "job_id", None)
        path = request.url.path
        self._platform.requests.append(Request(self._name, request.method, path, status, at, job_id, fault))


async def file_response(pieces: Iterator[bytes], headers: dict[str, str]) -> Response:
    """Send a file that is made piece by piece, in a thread beside the server's."""
    head, complete = await run_in_threadpool(_taken, pieces, _KNOWN_LENGTH)
    if complete:
        return Response(b"".join(head), headers=headers)
    return StreamingResponse(chain(head, pieces), headers=headers)


def _taken(pieces: Iterator[bytes], size: int) -> tuple[list[bytes], bool]:
    """Take pieces until there are `size` bytes; tell whether that was all."""
    head: list[bytes] = []
    taken = 0
    for piece in pieces:
        head.append(piece)
        taken += len(piece)
        if taken >= size:
            return head, False
    return head, True


def media_type(request: HttpRequest) -> str:
    """Return what the body claims to be, without parameters and in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


class _CutSend:
    """Passes on half of an answer, whose Content-Length promises all of it, then closes the connection."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        elif self._start is not None and (message.get("body") or not message.get("more_body")):
            start, self._start = self._start, None
            await self._send_half(start, message.get("body", b""), more=message.get("more_body", False))

    async def _send_half(self, start: Message, body: bytes, *, more: bool) -> None:
        headers = MutableHeaders(raw=start["headers"])
        if more or not body:
            headers["content-length"] = str(2 * len(body) + 1)
        else:
            headers["content-length"] = str(len(body))
            body = body[: len(body) // 2]
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body, "more_body": True})
        _transport(self._scope).close()


def _transport(scope: Scope) -> Any:  # noqa: ANN401 - asyncio.Transport, put there by the server's protocol
    return scope["state"]["transport"]


async def _hang_up(scope: Scope, receive: Receive, *, reset: bool = False) -> None:
    """Close the connection without an answer: in an orderly way, or by a TCP reset."""
    transport = _transport(scope)
    if reset:
        linger = struct.pack("hh" if hasattr(socket, "SO_EXCLUSIVEADDRUSE") else "ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()
    await _until_gone(receive)


async def _until_gone(receive: Receive) -> None:
    """Wait until the server knows that the connection is closed: else it would answer in our place."""
    while (await receive())["type"] != "http.disconnect":
        pass
