"""How a run ends early: signals, a target that has ended or does not read, and temporary files of killed runs."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Run, by_id, config_for, read_lines, wait_until
from tests.end_to_end.helpers import SHUTDOWN_SECONDS, expected_events

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import StartSandbox, Tap


@pytest.fixture
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the tap a folder for its temporary files, which must be empty in the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    assert list(folder.iterdir()) == [], "temporary files are removed"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("moment", ["polling", "emitting"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_signal_ends_the_run_at_a_clean_point(
    start_sandbox: StartSandbox,
    tap: Tap,
    temporary_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    code: int,
    moment: str,
    unbuffered: str,
) -> None:
    """Without a buffer, a signal interrupts a write to a full pipe halfway."""
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    sandbox = start_sandbox(job_seconds=60 if moment == "polling" else 0.05, events_per_day=20_000)
    running = tap.start(config_for(sandbox))
    if moment == "polling":
        running.read_until(lambda message: message["type"] == "STATE")
        wait_until(lambda: any(request.call == "status" for request in sandbox.requests), "a job is polled")
    else:
        running.read_until(lambda message: message["type"] == "RECORD")
        running.wait_until_output_is_full()
    running.process.send_signal(number)
    run = running.finish(SHUTDOWN_SECONDS)
    assert run.code == code
    assert run.messages[-1]["type"] == "STATE"
    assert "Traceback" not in run.log
    jobs = run.states[-1]["bookmarks"]["bot_conversations"]["export_jobs"]
    assert {job["job_id"] for job in jobs} <= {job.id for job in sandbox.jobs}
    assert jobs


def test_a_signal_ends_a_run_whose_target_does_not_read(
    start_sandbox: StartSandbox, tap: Tap, temporary_folder: Path
) -> None:
    sandbox = start_sandbox(events_per_day=20_000)
    running = tap.start(config_for(sandbox))
    running.read_until(lambda message: message["type"] == "RECORD")
    running.wait_until_output_is_full()
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(SHUTDOWN_SECONDS) == 143


def test_a_signal_that_comes_when_the_run_is_complete_changes_nothing(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    python, _, _, *arguments = tap.command(config_for(sandbox))
    done = tap._run([python, "-m", "tests.end_to_end.signalled_tap", *arguments], None)
    run = Run(done.returncode, done.stdout, done.stderr)
    assert run.code == 0
    assert by_id(run.records) == expected_events(sandbox)
    assert "Traceback" not in run.log


@pytest.mark.parametrize("moment", ["polling", "emitting"])
def test_a_closed_output_ends_the_run(
    start_sandbox: StartSandbox, tap: Tap, temporary_folder: Path, tmp_path: Path, moment: str
) -> None:
    audit = tmp_path / "audit.jsonl"
    sandbox = start_sandbox(job_seconds=60 if moment == "polling" else 0.05, events_per_day=20_000)
    running = tap.start(config_for(sandbox, audit_log_path=str(audit)))
    expected_type = "STATE" if moment == "polling" else "RECORD"
    running.read_until(lambda message: message["type"] == expected_type)
    running.stdout.close()
    assert running.process.wait(SHUTDOWN_SECONDS) == 1
    assert "The target has ended" in running.log
    assert "Traceback" not in running.log
    *_, failure, finished, _ = read_lines(audit)
    assert (failure["event"], finished["event"]) == ("pipeline_error", "run_finished")
    assert finished["exit"] == "stopped"
    assert finished["reason"] == failure["reason"]
    assert "The target has ended" in finished["reason"]


def test_temporary_files_of_a_killed_run_are_removed_by_the_next_run(
    start_sandbox: StartSandbox, tap: Tap, temporary_folder: Path
) -> None:
    running = tap.start(config_for(start_sandbox(job_seconds=60)))
    running.read_until(
        lambda message: (
            message["type"] == "STATE" and "export_jobs" in message["value"]["bookmarks"]["bot_conversations"]
        )
    )
    [leftover] = temporary_folder.iterdir()
    assert tap(config_for(start_sandbox())).code == 0
    assert leftover.exists(), "a run keeps the folder of another one that is still running"
    running.kill()
    assert leftover.exists()
    assert tap(config_for(start_sandbox())).code == 0
