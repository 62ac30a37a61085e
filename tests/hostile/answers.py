"""Parts of answers: HTTP responses as bytes, the documented ones, and endless ones."""

from __future__ import annotations

import gzip
import json
import zlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Script = bytes | Callable[[str], Iterable[bytes]]
    """What is sent: bytes, or a function that gets the server's URL and yields them."""

RECORDS: list[dict[str, Any]] = [
    {
        "id": f"event-{number}",
        "type": "bot",
        "dateFrom": "2024-01-01T00:10:00.000Z",
        "dateTo": "2024-01-01T00:20:00.000Z",
        "botId": "bot-1",
        "agentId": "agent-1",
        "duration": 600,
    }
    for number in (1, 2)
]
TOKEN = {"access_token": "token-that-is-secret", "token_type": "Bearer", "expires_in": 3600}
EXPORT = gzip.compress(json.dumps(RECORDS).encode())
EXTRACTION_CSV = (
    b"segmentId,startDate,agentId\r\nevent-1,2024-01-01T00:10:00Z,agent-1\r\nevent-2,2024-01-01T00:10:00Z,agent-1\r\n"
)


def answer(body: bytes, status: int = 200, headers: dict[str, str] | None = None, *, length: bool = True) -> bytes:
    """Return a response; without a length, its body ends with the connection."""
    lines = {"Content-Type": "application/octet-stream"} | (headers or {})
    if length:
        lines.setdefault("Content-Length", str(len(body)))
    phrase = HTTPStatus(status).phrase if status in list(HTTPStatus) else "Odd"
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} {phrase}\r\n{head}\r\n".encode("latin-1") + body


def json_answer(value: object, status: int = 200, **headers: str) -> bytes:
    """Return a response with a JSON body."""
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    return answer(json.dumps(value).encode(), status, {"Content-Type": "application/json"} | names)


def raw_json(text: bytes, status: int = 200) -> bytes:
    """Return a response whose body is JSON as written."""
    return answer(text, status, {"Content-Type": "application/json"})


def redirect(target: str, status: int = 302) -> bytes:
    """Return a redirect."""
    return answer(b"", status, {"Location": target})


def bomb(mebibytes: int, fill: bytes = b" ") -> bytes:
    """Return gzip data of a few kilobytes for each of so many mebibytes."""
    packer = zlib.compressobj(9, wbits=31)
    block = fill * (1 << 20)
    return b"".join([*(packer.compress(block) for _ in range(mebibytes)), packer.flush()])


def endless(head: bytes, part: bytes) -> Callable[[str], Iterator[bytes]]:
    """Return a script that sends a head, and then the same part without an end."""

    def play(_: str) -> Iterator[bytes]:
        yield head
        while True:
            yield part

    return play
