"""The HTTP server of the sandbox: uvicorn in a daemon thread, on a socket that is already bound.

It installs no signal handlers, writes no log and can be started several times in one process.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.routing import Route, Router
from uvicorn.protocols.http.h11_impl import H11Protocol

from tap_cxone.sandbox.endpoint import Endpoint, EndpointRules, json_error
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


class _Server(uvicorn.Server):
    """A uvicorn server that stops immediately; the original polls its exit flag ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    async def main_loop(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self.ready.set()
        await self._stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close all sockets and connections, without the grace period that uvicorn gives its clients."""
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        for connection in list(self.server_state.connections):
            if isinstance(connection, H11Protocol):
                connection.transport.abort()
        await asyncio.sleep(0)

    def stop(self) -> None:
        """End the main loop. Thread-safe."""
        self.should_exit = self.force_exit = True
        if self._loop is not None and self._stopping is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)


class ServerThread:
    """A thread that serves a platform on a listening socket until it is stopped."""

    def __init__(self, platform: Platform, listener: socket.socket) -> None:
        """Start serving. Returns once the server accepts requests."""
        config = uvicorn.Config(
            _router(platform),
            http=_Protocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=60,
        )
        self._server = _Server(config)
        self._listener = listener
        self._thread = threading.Thread(target=self._run, name="cxone-sandbox", daemon=True)
        self._thread.start()
        self._server.ready.wait()

    @property
    def running(self) -> bool:
        """Whether the server is still serving."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Close every connection and end the thread."""
        self._server.stop()
        self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._server.serve(sockets=[self._listener]))
        finally:
            self._server.ready.set()


def _router(platform: Platform) -> Router:
    """Return the router of all APIs; any other path gets a 404."""
    unknown = Endpoint("unknown", _unknown, platform, EndpointRules(needs_token=False))
    routes = [*export_routes(platform), *identity_routes(platform), *extraction_routes(platform)]
    return Router([*routes, Route("/{path:path}", unknown, methods=_METHODS)])


async def _unknown(_: Platform, request: Request) -> Response:
    return json_error(404, f"{request.method} {request.url.path} is not an API call of this platform")
