"""The HTTP server of the sandbox: uvicorn's protocol in a daemon thread, on a socket that is already bound.

It installs no signal handlers, writes no log, stops immediately and can be started several times in one process.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.routing import Route, Router
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from tap_cxone.sandbox.endpoint import Endpoint, json_error
from tap_cxone.sandbox.exports_api import export_routes
from tap_cxone.sandbox.extractions_api import extraction_routes
from tap_cxone.sandbox.identity_api import identity_routes

if TYPE_CHECKING:
    import socket

    from starlette.requests import Request
    from starlette.responses import Response

    from tap_cxone.sandbox.platform import Platform

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_STOP_SECONDS = 10


class _Protocol(H11Protocol):
    """An HTTP/1.1 protocol that exposes its transport, so that a fault can break the connection."""

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401
        """Add the transport to the state of every request on this connection."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class ServerThread:
    """A thread that serves a platform on a listening socket until it is stopped."""

    def __init__(self, platform: Platform, listener: socket.socket, certificate: str | None) -> None:
        """Start serving, with a certificate over HTTPS, unless an OSError says why the certificate cannot be used."""
        self._config = uvicorn.Config(
            _router(platform),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="critical",
            access_log=False,
            timeout_keep_alive=60,
            ssl_certfile=certificate,
        )
        self._config.load()
        self._listener = listener
        self._stopping, self._ready = asyncio.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="cxone-sandbox", daemon=True)
        self._thread.start()
        self._ready.wait()

    @property
    def running(self) -> bool:
        """Whether the server is still serving."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Close every connection and end the thread."""
        with suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, state = asyncio.get_running_loop(), ServerState()
        server = await self._loop.create_server(
            lambda: _Protocol(self._config, state, {}), sock=self._listener, ssl=self._config.ssl
        )
        self._ready.set()
        await self._stopping.wait()
        server.close()
        for connection in list(state.connections):
            if isinstance(connection, _Protocol):
                connection.transport.abort()
        await asyncio.sleep(0)


def _router(platform: Platform) -> Router:
    """Return the router of all APIs; any other path gets a 404."""
    unknown = Endpoint("unknown", _unknown, platform, needs_token=False)
    routes = [*export_routes(platform), *identity_routes(platform), *extraction_routes(platform)]
    return Router([*routes, Route("/{path:path}", unknown, methods=_METHODS)])


async def _unknown(_: Platform, request: Request) -> Response:
    return json_error(404, f"{request.method} {request.url.path} is not an API call of this platform")
