"""What every command does as a process: when it is interrupted, and when its standard output cannot be written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import console_script
from tests.end_to_end.helpers import WORKFLOWS, catalog_for, extraction_config
from tests.notify.conftest import Log

if TYPE_CHECKING:
    from subprocess import CompletedProcess

    from tests.conftest import StartSandbox, Tap

NAMES = ("tap-cxone", "cxone-notify", "cxone-report", "cxone-sandbox")
INTERRUPT = """
import os, signal, sys

class Interrupter:
    def find_spec(self, name, *_):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupter())
signal.signal(signal.SIGINT, signal.default_int_handler)
"""
"""Sends the signal when a module is about to be imported. Processes that a shell starts in the background ignore it."""


def run(*command: str) -> CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("module", ["tap_cxone.errors", "click"])
@pytest.mark.parametrize("name", [*NAMES, "python -m tap_cxone"])
def test_an_interrupt_while_modules_are_imported_is_no_traceback(name: str, module: str) -> None:
    code = "import runpy; runpy.run_module('tap_cxone', run_name='__main__')"
    script = code if name.startswith("python") else console_script(name)[-1]
    done = run(sys.executable, "-c", INTERRUPT.format(name=module) + script, "--help")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("name", "module", "arguments"),
    [
        ("cxone-notify", "tap_cxone.notify.sending", ["send", "--webhook-url", "http://localhost/"]),
        ("cxone-report", "tap_cxone.report.page", ["--output", "page.html"]),
    ],
)
def test_an_interrupt_while_a_command_runs_is_no_traceback(
    tmp_path: Path, name: str, module: str, arguments: list[str]
) -> None:
    log = Log(tmp_path / "audit.jsonl")
    log.extract("job-1", 1, 11)
    script = INTERRUPT.format(name=module) + console_script(name)[-1]
    done = run(sys.executable, "-c", script, *arguments, "--audit-log-path", str(log.path))
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.fixture
def arguments(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """Return the command of the test's parameter, with the paths of a configuration and an audit log filled in."""
    config = {"sandbox": True, "start_date": "2024-01-01", "end_date": "2024-01-02"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    log = Log(tmp_path / "audit.jsonl")
    log.extract("job-1", 1, 11)
    name, *options = request.param.format(config=tmp_path / "config.json", log=log.path).split()
    return [*console_script(name), *options]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("output", [">/dev/full", ">&-", "<&- >&-"], ids=["full", "closed", "input closed, too"])
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("tap-cxone --version", 1),
        ("tap-cxone --help", 1),
        ("tap-cxone --about", 1),
        ("tap-cxone --discover", 1),
        ("tap-cxone --config {config}", 1),
        ("cxone-notify --help", 1),
        ("cxone-notify status --audit-log-path {log}", 1),
        ("cxone-notify status --json --audit-log-path {log}", 1),
        ("cxone-report --help", 2),
        ("cxone-report --json --audit-log-path {log}", 2),
        ("cxone-report --output - --audit-log-path {log}", 2),
        ("cxone-report --check 2024-01-01 2024-01-02 --audit-log-path {log}", 2),
        ("cxone-sandbox --help", 1),
        ("cxone-sandbox --print-events 2024-01-01 2024-01-02", 1),
    ],
    indirect=["arguments"],
)
def test_standard_output_that_cannot_be_written_is_one_sentence(arguments: list[str], code: int, output: str) -> None:
    done = run("sh", "-c", f'"$@" {output}', "sh", *arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "ignored" not in done.stderr
    reports = [
        line for line in done.stderr.splitlines() if "output" in line and ("cannot be" in line or "reads" in line)
    ]
    assert len(reports) == 1, done.stderr


def test_a_closed_output_ends_a_run_before_anything_is_requested(
    start_extraction_sandbox: StartSandbox, tap: Tap
) -> None:
    """The first message of this stream is written when its first file has arrived."""
    sandbox = start_extraction_sandbox()
    command = tap.command(extraction_config(sandbox), catalog=catalog_for(WORKFLOWS))
    assert run("sh", "-c", '"$@" >&-', "sh", *command).returncode == 1
    assert sandbox.requests == []


@pytest.mark.parametrize(
    "arguments",
    [
        "tap-cxone --about",
        "tap-cxone --discover",
        "cxone-notify status --json --audit-log-path {log}",
        "cxone-sandbox --print-events 2024-01-01 2024-03-01",
    ],
    indirect=True,
)
def test_a_reader_that_has_seen_enough_is_no_traceback(arguments: list[str]) -> None:
    done = run("bash", "-c", '"$@" | head -c 1 >/dev/null; echo "${PIPESTATUS[0]}"', "bash", *arguments)
    assert "Traceback" not in done.stderr
    assert "ignored" not in done.stderr
    assert done.stdout.strip() in {"0", "1"}, "0 if everything was written before the reader ended"
