"""The command `cxone-sandbox`, and starting and stopping a sandbox within a process."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import requests
from click.testing import CliRunner

from tap_cxone.sandbox import Sandbox, SandboxError, SandboxOptions
from tap_cxone.sandbox.cli import main
from tap_cxone.sandbox.options import CALLS, KINDS
from tests.conftest import PROJECT, console_script

from .export_client import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = console_script("cxone-sandbox")
# Processes that a shell starts in the background ignore SIGINT; restore the default.
INTERRUPTIBLE = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
START = f"{INTERRUPTIBLE}; {COMMAND[-1]}"


@contextmanager
def _running(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command and wait for the line with its URL, at most 30 seconds."""
    with subprocess.Popen(
        [sys.executable, "-c", START, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        watchdog = threading.Timer(30, process.kill)
        watchdog.start()
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            watchdog.cancel()
            match = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert match, line
            yield process, match[0]
        finally:
            watchdog.cancel()
            process.kill()


@pytest.mark.slow
def test_the_command_serves_until_it_is_interrupted() -> None:
    with _running("--port", "0", "--fault", "list=503:1", "--token-seconds", "60") as (process, url):
        token = requests.post(f"{url}/oauth/token", data=CREDENTIALS, timeout=5).json()
        assert token["expires_in"] == 60
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        statuses = [
            requests.get(f"{url}/api/v2/analytics/exports", headers=headers, timeout=5).status_code for _ in range(2)
        ]
        assert statuses == [503, 200]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert (out, err) == ("", "")


def test_a_port_in_use_is_reported_in_one_sentence() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        result = CliRunner().invoke(main, ["--port", str(port)])
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: The sandbox cannot listen on 127.0.0.1 port {port}: ")
    assert result.output.count("\n") == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "example.org", "::"])
def test_only_loopback_addresses_are_accepted(host: str) -> None:
    result = CliRunner().invoke(main, ["--host", host])
    assert result.exit_code == 1
    assert "loopback" in result.output


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--fault", "list=418"], "418"),
        (["--bad-records", "2"], "bad_records"),
        (["--layout", "xml"], "xml"),
        (["--print-events", "yesterday", "2024-01-02"], "yesterday"),
    ],
)
def test_wrong_options_are_usage_errors(arguments: list[str], named: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert named in result.output


@pytest.mark.slow
def test_events_can_be_printed() -> None:
    arguments = ["--events-per-day", "12", "--bad-records", "0.5", "--print-events", "2024-01-01", "2024-01-03T00:00Z"]
    result = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=True, timeout=60)
    sandbox = Sandbox(SandboxOptions(events_per_day=12, bad_records=0.5))
    expected = list(sandbox.valid_events(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC)))
    assert [json.loads(line) for line in result.stdout.splitlines()] == expected
    assert 0 < len(expected) < 24


@pytest.mark.slow
def test_a_reader_of_events_may_have_seen_enough() -> None:
    command = [*COMMAND, "--print-events", "2024-01-01", "2024-06-01"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


def test_help_names_every_switch() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    for switch in fields(SandboxOptions):
        option = "--fault" if switch.name == "faults" else f"--{switch.name.replace('_', '-')}"
        assert option in result.output


def test_the_documentation_names_every_option_and_every_fault() -> None:
    text = (PROJECT / "docs" / "sandbox.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(--[a-z-]+|[a-z0-9-]+)`", text))
    options = {option for parameter in main.params for option in parameter.opts if option != "--print-events"}
    assert {*options, *KINDS, *CALLS} <= documented


def test_starting_and_stopping_leaves_nothing_behind() -> None:
    threads = threading.active_count()
    handler = signal.getsignal(signal.SIGINT)
    sandbox, states = Sandbox(), []
    for _ in range(3):
        with sandbox:
            assert requests.post(f"{sandbox.url}/oauth/token", data=CREDENTIALS, timeout=5).ok
            states.append(sandbox.running)
            with pytest.raises(SandboxError, match="already"):
                sandbox.start()
        states.append(sandbox.running)
        with pytest.raises(requests.ConnectionError):
            requests.get(sandbox.url, timeout=5)
    assert states == [True, False] * 3
    assert threading.active_count() == threads
    assert signal.getsignal(signal.SIGINT) is handler


def test_the_sandbox_stops_during_a_download() -> None:
    with Sandbox(SandboxOptions(events_per_day=200_000, job_seconds=0, encoding="none")) as sandbox:
        token = requests.post(f"{sandbox.url}/oauth/token", data=CREDENTIALS, timeout=5).json()["access_token"]
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {token}"
        query = {
            "dateFrom": "2024-01-01T00:00:00.000Z",
            "dateTo": "2024-01-31T00:00:00.000Z",
            "filter": "type eq 'bot'",
        }
        body = {"query": query, "exportType": "conversation", "format": "json", "compression": None}
        exports = f"{sandbox.url}/api/v2/analytics/exports"
        job_id = session.post(exports, json=body, timeout=5).json()["id"]
        response = session.get(f"{exports}/{job_id}/download", stream=True, timeout=5)
        next(response.iter_content(10))
    assert not sandbox.running
    response.close()
    session.close()


@pytest.mark.slow
def test_a_missing_library_is_reported_in_one_sentence() -> None:
    """Only starting needs the extra. Importing the package and reading events does not."""
    script = (
        "import sys; sys.modules['uvicorn'] = sys.modules['starlette'] = None\n"
        "from datetime import datetime\n"
        "from tap_cxone.sandbox import Sandbox, SandboxError\n"
        "next(Sandbox().events(datetime(2024, 1, 1), datetime(2024, 1, 2)))\n"
        "try:\n    Sandbox().start()\nexcept SandboxError as err:\n    print(err)\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.endswith("install the extra 'sandbox' of tap-cxone\n")
    assert result.stdout.count("\n") == 1
