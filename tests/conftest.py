"""Shared by all tests: the marker ``slow``, a sandbox, the tap as a process, and Meltano in a copy of the project.

Tests that start a process are slow. Most of them are marked here, by their folder or their fixtures. The others carry
the marker themselves. A test without the marker fails when it starts a process.
"""

from __future__ import annotations

import array
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import termios
import threading
import time
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from tap_cxone.sandbox import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    StartSandbox = Callable[..., Sandbox]

PROJECT = Path(__file__).parents[1]
JAN_1 = datetime(2024, 1, 1, tzinfo=UTC)
SLOW_FOLDER = PROJECT / "tests" / "end_to_end"
SLOW_FIXTURES = {"tap", "notify", "chrome"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start processes as slow."""
    for item in items:
        if SLOW_FOLDER in item.path.parents or SLOW_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let a test start a process only if it is marked as slow; git is allowed in every test."""
    start = subprocess.Popen.__init__

    def guarded(process: subprocess.Popen[Any], args: Any, *more: Any, **options: Any) -> None:
        assert args[0] == "git", f"{args[0]} is a process: mark the test with pytest.mark.slow"
        start(process, args, *more, **options)

    with pytest.MonkeyPatch.context() as patch:
        if not item.get_closest_marker("slow"):
            patch.setattr(subprocess.Popen, "__init__", guarded)
        return (yield)


def skip_or_fail(reason: str) -> NoReturn:
    """Skip a test that needs something this machine lacks. In CI the test fails instead."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"not to be skipped in CI: {reason}", pytrace=False)
    pytest.skip(reason)


def console_script(name: str) -> list[str]:
    """Return the command line that starts a console script of this checkout, whichever version is installed."""
    scripts = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    module, _, function = scripts[name].partition(":")
    return [sys.executable, "-c", f"from {module} import {function}; {function}()"]


def january(day: int) -> datetime:
    """Return the midnight at which a day of January 2024 begins."""
    return datetime(2024, 1, day, tzinfo=UTC)


def wait_until(condition: Callable[[], object], description: str, seconds: float = 30) -> None:
    """Wait until a condition is true; fail with its description after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"Gave up after waiting {seconds:g} seconds until {description}.")
        time.sleep(0.02)


@dataclass
class Run:
    """One finished run of the tap."""

    code: int
    out: str
    log: str
    messages: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.messages = [json.loads(line) for line in self.out.splitlines()]

    @property
    def records(self) -> list[dict[str, Any]]:
        return [message["record"] for message in self.messages if message["type"] == "RECORD"]

    @property
    def states(self) -> list[dict[str, Any]]:
        return [message["value"] for message in self.messages if message["type"] == "STATE"]

    @property
    def bookmarks(self) -> list[str]:
        marks = [state["bookmarks"].get("bot_conversations", {}) for state in self.states]
        return [mark["replication_key_value"] for mark in marks if "replication_key_value" in mark]

    @property
    def errors(self) -> list[str]:
        """The log messages of level ERROR."""
        return [line.rsplit("| ", 1)[1] for line in self.log.splitlines() if "| ERROR" in line]


@pytest.fixture
def start_sandbox() -> Iterator[StartSandbox]:
    """Start sandboxes with the given options; they stop when the test ends."""
    sandboxes: list[Sandbox] = []

    def start(**options: Any) -> Sandbox:
        sandbox = Sandbox(SandboxOptions(**{"job_seconds": 0.05, "events_per_day": 24} | options)).start()
        sandboxes.append(sandbox)
        return sandbox

    yield start
    for sandbox in sandboxes:
        sandbox.stop()


def config_for(sandbox: Sandbox, **settings: Any) -> dict[str, Any]:
    """Return a configuration that exports the first ten days of January 2024 in windows of three days."""
    return {
        "api_url": sandbox.url,
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "start_date": "2024-01-01",
        "end_date": "2024-01-11",
        "window_days": 3,
        "poll_interval": 1,
    } | settings


class RunningTap:
    """A tap process whose standard output a test reads message by message. The log goes to a file."""

    def __init__(self, command: list[str], folder: Path, log_path: Path) -> None:
        self._log_path = log_path
        with log_path.open("w") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=folder)
        assert self.process.stdout
        self.stdout = self.process.stdout

    @property
    def log(self) -> str:
        return self._log_path.read_text()

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield the Singer messages as the tap writes them."""
        for line in self.stdout:
            yield json.loads(line)

    def read_until(self, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Read up to the first message that meets a condition, and return that message."""
        for message in self.messages():
            if condition(message):
                return message
        pytest.fail(f"The tap ended before it wrote the expected message:\n{self.log}")

    def wait_until_output_is_full(self) -> None:
        """Wait until the pipe to the target is full, so that the tap is blocked while it writes."""
        unread = array.array("i", [0])

        def is_full() -> bool:
            before = unread[0]
            fcntl.ioctl(self.stdout, termios.FIONREAD, unread)
            return unread[0] == before > 32 * 1024

        wait_until(is_full, "the output of the tap is full")

    def finish(self, seconds: float = 60) -> Run:
        """Read the rest of the output and return the finished run; a tap that takes longer is killed, and it fails."""
        # Not communicate(): it would skip what the text layer has read ahead.
        watchdog = threading.Timer(seconds, self.process.kill)
        watchdog.start()
        with self.stdout:
            out = self.stdout.read()
        code = self.process.wait()
        watchdog.cancel()
        assert code != -signal.SIGKILL, f"the tap did not end within {seconds:g} seconds"
        return Run(code, out, self.log)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.stdout.close()


@dataclass
class Tap:
    """Runs the tap as a process of its own."""

    folder: Path
    running: list[RunningTap] = field(default_factory=list)

    def command(self, config: dict[str, Any], *options: str, **files: Any) -> list[str]:
        """Return the command line; the contents of ``files`` (state, catalog) are written to files for it."""
        arguments = ["--config", self._write("config", config)]
        for name, content in files.items():
            if content is not None:
                arguments += [f"--{name}", self._write(name, content)]
        return [sys.executable, "-m", "tap_cxone", *arguments, *options]

    def __call__(
        self, config: dict[str, Any], *options: str, environment: dict[str, str] | None = None, **files: Any
    ) -> Run:
        """Run the tap to its end."""
        result = self._run(self.command(config, *options, **files), environment)
        return Run(result.returncode, result.stdout, result.stderr)

    def start(self, config: dict[str, Any], **files: Any) -> RunningTap:
        """Start the tap and return while it runs."""
        log_path = self.folder / f"tap-{len(self.running)}.log"
        running = RunningTap(self.command(config, **files), self.folder, log_path)
        self.running.append(running)
        return running

    def run_with_options(self, *options: str, environment: dict[str, str] | None = None) -> tuple[int, str, str]:
        """Run with these options and no others; return exit code, standard output and standard error."""
        result = self._run([sys.executable, "-m", "tap_cxone", *options], environment)
        return result.returncode, result.stdout, result.stderr

    def _run(self, command: list[str], environment: dict[str, str] | None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=self.folder,
            env=os.environ | (environment or {}),
        )

    def _write(self, name: str, content: Any) -> str:
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(content))
        return str(path)


@pytest.fixture
def tap(tmp_path: Path) -> Iterator[Tap]:
    """Return the tap as a command; processes that a failed test leaves behind are killed."""
    tap = Tap(tmp_path)
    yield tap
    for running in tap.running:
        running.kill()


def copy_project(folder: Path) -> Path:
    """Copy the sample project without the files that earlier runs and tests left in it."""
    ignored = (".git", ".venv*", ".meltano", "*.duckdb", "*.jsonl", "*.html", ".*_cache", "tests")
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns(*ignored))
    return folder


def run_meltano(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Meltano in a project without the settings of this process; standard error goes to standard output."""
    prefixes = ("TAP_CXONE", "MELTANO", "CXONE")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    # Packages may have to be installed through a proxy; requests to the servers of a test must bypass it.
    for name in ("NO_PROXY", "no_proxy"):
        inherited[name] = ",".join(filter(None, (inherited.get(name), "127.0.0.1", "localhost")))
    return subprocess.run(
        ["meltano", *arguments],
        cwd=folder,
        env=inherited | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=500,
        check=False,
    )


def by_key(records: Iterable[dict[str, Any]], names: tuple[str, ...]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return records by the values of their key fields; fail if a key occurs twice."""
    result: dict[tuple[Any, ...], dict[str, Any]] = {}
    for record in records:
        key = tuple(record[name] for name in names)
        assert key not in result, "a key occurs twice"
        result[key] = record
    return result


def by_id(records: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return records by their ``id``; fail if one occurs twice."""
    return {record_id: record for (record_id,), record in by_key(records, ("id",)).items()}


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text().splitlines()]
