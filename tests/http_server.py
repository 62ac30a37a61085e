"""One HTTP server for all tests that need one: it records requests, and a function answers them.

pytest-httpserver does not fit: it answers through Werkzeug's WSGI server, which cannot reset a connection, stop in the
middle of a body, omit the length of a body, or send a status line byte by byte; and it closes the connection after
every response, so that connections that are kept open would go untested.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    Response = tuple[int, dict[str, str], bytes] | Literal["reset", "cut", "no length", "drip"]
    """Status, headers and body (a Content-Length is added if it is missing), or a way to break HTTP.

    "reset": the connection is reset. "cut": the body is shorter than announced. "no length": an empty body without a
    Content-Length. "drip": single bytes, and never a whole response.
    """

DRIP_SECONDS = 0.2


@dataclass(frozen=True)
class Request:
    """One request as it arrived; the names of headers are in lower case."""

    method: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    @property
    def authorization(self) -> str | None:
        return self.headers.get("authorization")


def json_response(value: object, status: int = 200, **headers: str) -> Response:
    """Return a response with a JSON body; ``Retry_After="7"`` becomes the header ``Retry-After``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"Content-Type": "application/json"} | named, json.dumps(value).encode()


class HttpServer:
    """A server on a free port of the loopback interface, with a thread for each connection.

    Args:
        respond: answers a request; called in the thread of its connection, possibly in several at once.
    """

    def __init__(self, respond: Callable[[Request], Response]) -> None:
        self.respond = respond
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address without a trailing slash."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def requests(self) -> list[Request]:
        """A copy of the requests so far, in the order of their arrival."""
        with self._lock:
            return self._requests.copy()

    def clear(self) -> None:
        """Forget the requests so far."""
        with self._lock:
            self._requests.clear()

    def pause(self, seconds: float) -> None:
        """Delay the response to a request; ends early when the server is stopped."""
        self.stopped.wait(seconds)

    def stop(self) -> None:
        """Stop the server; may be called twice."""
        if not self.stopped.is_set():
            self.stopped.set()
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def record(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_request(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body)
        self.server.owner.record(request)
        response = self.server.owner.respond(request)
        if isinstance(response, str):
            self.close_connection = True
            self._break(response)
        else:
            self._send(*response)

    do_GET = do_POST = handle_request  # noqa: N815 - names of http.server

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _break(self, how: str) -> None:
        if how == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif how == "drip":
            self._drip()
        else:
            self.send_response(200)
            self.send_header("Connection", "close")
            if how == "cut":
                self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"half": ' if how == "cut" else b"")

    def _drip(self) -> None:
        for byte in chain(b"HTTP/1.1 204 No Content\r\n", repeat(ord("X"))):
            if self.server.owner.stopped.wait(DRIP_SECONDS):
                break
            self.wfile.write(bytes([byte]))

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, owner: HttpServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.owner = owner

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client may close its connection
            super().handle_error(request, client_address)
