"""Shared by the tests of cxone-notify: a receiver, an audit log to write, and the command as a process."""

from __future__ import annotations

import os
import subprocess
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tap_cxone.dates import format_date, utc_now
from tests import http_server
from tests.conftest import console_script, january, read_lines
from tests.http_server import HttpServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.http_server import Response

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TOKEN = "token-that-nobody-may-see"
VALUE = "value-of-a-record"


class Request(http_server.Request):
    """One webhook request."""

    @property
    def message(self) -> dict[str, Any]:
        content: dict[str, Any] = msgspec.json.decode(self.body)
        return content

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]


class Listener:
    """A webhook receiver on the loopback interface.

    Args:
        answers: statuses, or statuses and headers, of the first responses.
        always: status of all other responses.
        seconds: delay before each response.
        drip: send single bytes instead of a response.
        on_request: called with each request before it is answered.
    """

    def __init__(
        self,
        *,
        answers: list[int | tuple[int, dict[str, str]]] | None = None,
        always: int = 204,
        seconds: float = 0.0,
        drip: bool = False,
        on_request: Callable[[Request], None] | None = None,
    ) -> None:
        self.always = always
        self.on_request = on_request
        self._answers = iter(answers or [])
        self._lock = threading.Lock()
        self._seconds = seconds
        self._drip = drip
        self._server = HttpServer(self._respond)

    @property
    def url(self) -> str:
        host = self._server.url.removeprefix("http://")
        return f"http://user:{TOKEN}@{host}/hook?token={TOKEN}"

    @property
    def requests(self) -> list[Request]:
        return [_webhook_request(request) for request in self._server.requests]

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [request.message for request in self.requests]

    @property
    def jobs(self) -> list[str]:
        return [message["job_id"] for message in self.messages]

    def clear(self) -> None:
        """Forget the requests so far."""
        self._server.clear()

    def stop(self) -> None:
        self._server.stop()

    def _respond(self, request: http_server.Request) -> Response:
        if self.on_request:
            self.on_request(_webhook_request(request))
        if self._drip:
            return "drip"
        self._server.pause(self._seconds)
        with self._lock:
            answer = next(self._answers, self.always)
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        return status, headers, b""


def _webhook_request(request: http_server.Request) -> Request:
    return Request(request.method, request.target, request.headers, request.body)


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    """Start receivers that stop when the test ends."""
    started: list[Listener] = []

    def start(**options: Any) -> Listener:
        started.append(Listener(**options))
        return started[-1]

    yield start
    for listener in started:
        listener.stop()


@pytest.fixture
def listener(listen: Callable[..., Listener]) -> Listener:
    """Return a receiver that accepts everything."""
    return listen()


@dataclass
class Log:
    """An audit log, written as the tap writes it.

    Attributes:
        labels: tenant and host of each event; empty as in older versions.
    """

    path: Path
    labels: dict[str, str] = field(default_factory=dict)

    def write(self, event: str, **fields: Any) -> None:
        fields.setdefault("logged_at", format_date(utc_now()))
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode({"event": event, **self.labels, **fields}) + b"\n")

    def begin(self, run: str, bookmark: int | None, stream: str = "bot_conversations") -> None:
        """Write that a run began; the bookmark is a day of January 2024."""
        mark = format_date(january(bookmark)) if bookmark else None
        self.write("run_started", stream=stream, run_id=run, bookmark=mark)

    def extract(self, job: str, start: int, end: int, *, sample: Any = (), records: int = 10, **more: Any) -> None:
        """Write the events of a window, from one day of January 2024 to another."""
        stream = more.pop("stream", "bot_conversations")
        names = {
            "stream": stream,
            "job_id": job,
            "dateFrom": format_date(january(start)),
            "dateTo": format_date(january(end)),
        } | more
        self.write("export_job_created", **names, format="json")
        self.write("schema_validation_failure", **names, record_id=VALUE, reason="window_extracted")
        self.write(
            "validation_summary", **names, total_records=records + 3, validated=records, duplicates=1, schema_errors=2
        )
        self.write("window_extracted", **names, record_count=records, bytes=5, seconds=0.1, sample=list(sample))

    def events(self, event: str) -> list[dict[str, Any]]:
        """Return all events of a name; incomplete lines are skipped."""
        found = []
        for line in self.path.read_bytes().splitlines():
            try:
                found.append(msgspec.json.decode(line))
            except msgspec.DecodeError:
                continue
        return [line for line in found if isinstance(line, dict) and line.get("event") == event]

    @property
    def lines(self) -> list[dict[str, Any]]:
        return read_lines(self.path)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Return an audit log in which two windows have been extracted."""
    log = Log(tmp_path / "audit.jsonl")
    log.extract("job-1", 1, 11, sample=[{"id": VALUE, "duration": 1.50}])
    log.extract("job-2", 11, 21, records=20)
    return log


@dataclass
class Notify:
    """The command as a process, with one audit log."""

    log: Log

    def environment(self, **settings: str) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CXONE_NOTIFY", "MELTANO")) and not name.lower().endswith("_proxy")
        }
        own = {f"CXONE_NOTIFY_{name.upper()}": value for name, value in settings.items() if name.islower()}
        other = {name: value for name, value in settings.items() if not name.islower()}
        return inherited | {"CXONE_NOTIFY_AUDIT_LOG_PATH": str(self.log.path)} | own | other

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*console_script("cxone-notify"), *arguments],
            env=self.environment(**settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, **settings: str) -> tuple[int, str, str]:
        """Run a command; return exit code, standard output and standard error."""
        with self.start(*arguments, **settings) as process:
            out, err = process.communicate(timeout=60)
        assert TOKEN not in out + err
        assert VALUE not in out + err
        assert SECRET.removeprefix("whsec_") not in out + err
        assert "Traceback" not in err, err
        return process.returncode, out, err


@pytest.fixture
def notify(log: Log) -> Notify:
    """Return the command."""
    return Notify(log)
