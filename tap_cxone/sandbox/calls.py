"""A call as the network shows it: rate limit, faults and authorisation around a handler, and connections that break.

Shared by every surface of the platform; what a call means is in the surface's own module.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, JSONResponse, Response

from tap_cxone.sandbox.options import DAMAGE_KINDS, STATUS_KINDS
from tap_cxone.sandbox.platform import Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Message, Receive, Scope, Send

    from tap_cxone.sandbox.platform import Platform

    Handler = Callable[[Platform, HttpRequest], Awaitable[Response]]

logger = logging.getLogger(__name__)

_MESSAGES = {
    400: "The request is not valid",
    401: "The token is missing, malformed or has run out",
    403: "The client lacks the scope or role for this call",
    404: "There is no such export",
    409: "The limit of active exports is reached",
    429: "Too many requests",
    500: "Internal error",
    502: "Bad gateway",
    503: "The service is not available at the moment",
}
_PAGE = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Proxy sign-in</h1></body></html>"


def refusal(status: int, message: str | None = None, retry_after: str | None = None) -> Response:
    """Return an error answer: `{"message": ...}`, with Retry-After where one is given."""
    headers = {"Retry-After": retry_after} if retry_after is not None else None
    return JSONResponse({"message": message or _MESSAGES[status]}, status, headers)


class Call:
    """One call of the platform as an ASGI application."""

    def __init__(self, name: str, handler: Handler, platform: Platform, *, authorised: bool = True) -> None:
        """Name the call; `authorised` calls need a live bearer token."""
        self._name = name
        self._handler = handler
        self._platform = platform
        self._authorised = authorised

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the request, then answer it, or break the connection where a fault says so."""
        at = time.monotonic()
        request = HttpRequest(scope, receive)
        try:
            await request.body()
        except ClientDisconnect:
            return
        wait = self._platform.seconds_over_limit()
        fault = None if wait else self._platform.faults.draw(self._name)
        if fault == "reset":
            self._note(request, at, None, fault)
            await _hang_up(scope, receive, reset=True)
            return
        response = refusal(429, retry_after=str(wait)) if wait else await self._answer(request, fault)
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
        if self._authorised and not self._is_authorised(request):
            return refusal(401)
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
        if self._name == "token":
            return oauth_refusal(int(status), "temporarily_unavailable", _MESSAGES[int(status)], retry_after)
        return refusal(int(status), retry_after=retry_after)

    def _is_authorised(self, request: HttpRequest) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme == "Bearer" and self._platform.is_live(token)

    def _note(self, request: HttpRequest, at: float, status: int | None, fault: str | None) -> None:
        """Remember the request before its answer leaves, so that whoever has the answer finds it."""
        job_id = request.path_params.get("job_id") or getattr(request.state, "job_id", None)
        path = request.url.path
        self._platform.requests.append(Request(self._name, request.method, path, status, at, job_id, fault))


def oauth_refusal(status: int, error: str, description: str, retry_after: str | None = None) -> Response:
    """Return an error answer of a token endpoint (RFC 6749, section 5.2)."""
    headers = {"Cache-Control": "no-store"}
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    return JSONResponse({"error": error, "error_description": description}, status, headers)


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
