"""Shared by all tests: the marker ``slow``, a sandbox, the tap as a process, and Meltano in a copy of the project.

A test that starts a process is slow. Most are marked here, by their folder or their fixtures; any other has the marker
itself. A test without it fails when it starts a process.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from tap_cxone.sandbox import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

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
    """Let a test start a process only if it is slow; git is quick enough for any."""
    start = subprocess.Popen.__init__

    def guarded(process: subprocess.Popen[Any], args: Any, *more: Any, **options: Any) -> None:
        assert args[0] == "git", f"{args[0]} is a process: mark the test with pytest.mark.slow"
        start(process, args, *more, **options)

    with pytest.MonkeyPatch.context() as patch:
        if not item.get_closest_marker("slow"):
            patch.setattr(subprocess.Popen, "__init__", guarded)
        return (yield)


def skip_or_fail(reason: str) -> NoReturn:
    """Skip a test for something that this machine lacks. CI has to have it: there the test fails."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"not to be skipped in CI: {reason}", pytrace=False)
    pytest.skip(reason)


def january(day: int) -> datetime:
    """Return the midnight at which a day of January 2024 begins."""
    return datetime(2024, 1, day, tzinfo=UTC)


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
        """What the log says at level ERROR."""
        return [line.rsplit("| ", 1)[1] for line in self.log.splitlines() if "| ERROR" in line]


@pytest.fixture
def start_sandbox() -> Iterator[StartSandbox]:
    """Start sandboxes with the given switches; they stop with the test."""
    started: list[Sandbox] = []

    def start(**switches: Any) -> Sandbox:
        sandbox = Sandbox(SandboxOptions(**{"job_seconds": 0.05, "events_per_day": 24} | switches)).start()
        started.append(sandbox)
        return sandbox

    yield start
    for sandbox in started:
        sandbox.stop()


def config_for(sandbox: Sandbox, **settings: Any) -> dict[str, Any]:
    """Return a configuration: ten days of January 2024 in windows of three."""
    return {
        "api_url": sandbox.url,
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "start_date": "2024-01-01",
        "end_date": "2024-01-11",
        "window_days": 3,
        "poll_interval": 1,
    } | settings


@dataclass
class Tap:
    """Runs the tap as a process of its own."""

    folder: Path

    def command(self, config: dict[str, Any], *options: str, **files: Any) -> list[str]:
        """Return the command line; ``files`` (state, catalog) are written out for it."""
        given = ["--config", self._write("config", config)]
        for name, content in files.items():
            if content is not None:
                given += [f"--{name}", self._write(name, content)]
        return [sys.executable, "-m", "tap_cxone", *given, *options]

    def __call__(
        self, config: dict[str, Any], *options: str, environment: dict[str, str] | None = None, **files: Any
    ) -> Run:
        done = self._run(self.command(config, *options, **files), environment)
        return Run(done.returncode, done.stdout, done.stderr)

    def text(self, *options: str, environment: dict[str, str] | None = None) -> tuple[int, str, str]:
        """Run without a configuration file; return exit code, standard output and standard error."""
        done = self._run([sys.executable, "-m", "tap_cxone", *options], environment)
        return done.returncode, done.stdout, done.stderr

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
def tap(tmp_path: Path) -> Tap:
    """Return the tap as a command."""
    return Tap(tmp_path)


def copy_project(folder: Path) -> Path:
    """Copy the sample project, without what earlier runs and tests have left in it."""
    left_out = (".git", ".venv*", ".meltano", "*.duckdb", "*.jsonl", "*.html", ".*_cache", "tests")
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns(*left_out))
    return folder


def run_meltano(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Meltano in a project, with nothing of this process's settings; both outputs come in one."""
    ours = ("TAP_CXONE", "MELTANO", "CXONE")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    # Packages may have to come through a proxy; what a test serves here must not go there.
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


def by_id(records: Any) -> dict[str, dict[str, Any]]:
    """Return records by their key; fails where one comes twice."""
    found: dict[str, dict[str, Any]] = {}
    for record in records:
        assert record["id"] not in found, "a key came twice"
        found[record["id"]] = record
    return found


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text().splitlines()]
