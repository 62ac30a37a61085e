"""A platform over real HTTP that answers what a test wrote down, and pauses that are not made."""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tap_cxone.api.client import PlatformClient
from tap_cxone.api.grants import ClientCredentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest
    import requests

    Answer = tuple[int, dict[str, str], bytes] | str
    Serve = Callable[..., "Platform"]

SECRET = 's3cr3t "+/&%ü'


class Pauses(list[float]):
    """Pauses that are not made."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)
        assert len(self) < 100, "an endless loop"


def as_json(response: requests.Response) -> Any:
    return response.json()


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    authorization: str | None
    body: bytes
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Platform:
    """Answers the requests of each path, one after the other; the last answer of a path is given for good.

    An answer is status, headers and body; or "reset" (the connection is closed), "cut" (half of a body) or "nothing"
    (a body of nothing whose length was not named).
    Without an answer of its own the token endpoint hands out token-1, token-2 and so on.
    """

    url: str
    answers: dict[str, list[Answer]]
    seen: list[Seen] = field(default_factory=list)
    pauses: Pauses = field(default_factory=Pauses)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: Seen) -> Answer:
        with self.lock:
            self.seen.append(request)
            left = self.answers.get(request.path)
            if left:
                return left.pop(0) if len(left) > 1 else left[0]
            number = len(self.calls("/oauth/token"))
        return ok({"access_token": f"token-{number}", "token_type": "Bearer", "expires_in": 1200})

    def calls(self, path: str = "/x") -> list[Seen]:
        return [request for request in self.seen if request.path == path]

    def client(self, **changes: Any) -> PlatformClient:
        grant = ClientCredentials(
            changes.pop("auth_url", f"{self.url}/oauth/token"), "client", changes.pop("client_secret", SECRET)
        )
        settings: dict[str, Any] = {"api_url": self.url, "grant": grant, "sleep": self.pauses}
        return PlatformClient(**settings | changes)


def ok(value: object, status: int = 200, **headers: str) -> Answer:
    return status, {"Content-Type": "application/json"} | headers, json.dumps(value).encode()


def refusal(status: int, body: object = None, **headers: str) -> Answer:
    return ok(body or {"message": "no"}, status, **{name.replace("_", "-"): value for name, value in headers.items()})


class Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client may hang up
            super().handle_error(request, client_address)


@contextmanager
def serving(answers: dict[str, list[Answer]]) -> Iterator[Platform]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            path, _, query = self.path.partition("?")
            body = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Seen(self.command, path, headers.get("authorization"), body, query, headers)
            answer = platform.answer(request)
            if answer == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
            elif isinstance(answer, str):
                self.send_response(200)
                self.send_header("Connection", "close")
                if answer == "cut":
                    self.send_header("Content-Length", "1000")
                self.end_headers()
                if answer == "cut":
                    self.wfile.write(b'{"half": ')
            else:
                self._send(*answer)

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = handle_one  # noqa: N815 - names of the library

        def log_message(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    platform = Platform(f"http://127.0.0.1:{server.server_address[1]}", answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield platform
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving_many() -> Iterator[Serve]:
    """Yield what starts such platforms; they stop with the test."""
    with ExitStack() as stack:

        def start(answers: dict[str, list[Answer]] | None = None, *, x: list[Answer] | None = None) -> Platform:
            return stack.enter_context(serving({"/x": x or [ok("done")]} | (answers or {})))

        yield start


def with_netrc(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a ``.netrc`` with an entry for every platform of a test."""
    netrc = folder / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\nmachine localhost login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and all that a traceback of it would show."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
