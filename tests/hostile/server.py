"""A scripted platform on a raw socket: it sends any bytes, at any pace, in answer to one of the calls."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from tests.hostile.answers import EXPORT, EXTRACTION_CSV, TOKEN, answer, json_answer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.hostile.cases import Case

_ANALYTICS = "/api/v2/analytics/exports"
_EXTRACTION = "/data-extraction/v1/jobs"
_DRIP_SECONDS = 0.02
_IDLE_SECONDS = 30


class HostileServer:
    """Serves one case at a time; every call that is not part of the case is answered as documented.

    Attributes:
        calls: names of the calls of the current case, in their order.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._case: Case | None = None
        self._left = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Address of the API."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def play(self, case: Case) -> None:
        """Serve a case from now on."""
        with self._lock:
            self._case, self._left = case, case.times
            self.calls = []

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(_IDLE_SECONDS)
            while request := _read_request(connection):
                call = _call_of(*request)
                scripted = self._next_answer(call)
                if scripted is None:
                    connection.sendall(self._documented(call))
                    continue
                for part in scripted:
                    connection.sendall(part)
                return

    def _next_answer(self, call: str) -> Iterable[bytes] | None:
        with self._lock:
            self.calls.append(call)
            if not self._case or call != self._case.call or self._left == 0:
                return None
            self._left -= 1
            scripted = self._case.answer
        return [scripted] if isinstance(scripted, bytes) else scripted(self.url)

    def _documented(self, call: str) -> bytes:
        surface = self._case.surface if self._case else "analytics"
        found: dict[str, Any] = {
            "token": TOKEN,
            "list": {"entities": []} if surface == "analytics" else {"jobs": []},
            "create": {"id": "job-1"} if surface == "analytics" else "job-1",
            "status": {"id": "job-1", "status": "completed"},
        }
        if surface == "extraction":
            result = {"url": f"{self.url}/storage/file.csv?X-Amz-Signature=signed-secret"}
            found["status"] = {"jobStatus": {"id": "job-1", "status": "SUCCEEDED", "result": result}}
        if call == "download":
            return answer(EXPORT if surface == "analytics" else EXTRACTION_CSV)
        return json_answer(found[call]) if call in found else answer(b"", 404)


def drip(data: bytes) -> Iterable[bytes]:
    """Yield a byte at a time, each after a pause."""
    for position in range(len(data)):
        time.sleep(_DRIP_SECONDS)
        yield data[position : position + 1]


def _read_request(connection: socket.socket) -> tuple[str, str] | None:
    """Return method and path of the next request; None at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += connection.recv(65536)
    method, target, _ = head.split(b"\r\n")[0].decode().split(" ", 2)
    return method, target.partition("?")[0]


def _call_of(method: str, path: str) -> str:
    if path.startswith("/storage/") or path.endswith("/download"):
        return "download"
    if path in {_ANALYTICS, _EXTRACTION}:
        return "create" if method == "POST" else "list"
    if path.startswith((_ANALYTICS, _EXTRACTION)):
        return "status"
    return "token"
