"""What a scheduler learns of a run: exit codes, the event ``run_ended``, and the verdict of ``cxone-report``."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.sandbox import Fault
from tests.conftest import by_id, config_for, read_lines
from tests.end_to_end.helpers import SHUTDOWN_SECONDS, expected_events

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run, StartSandbox, Tap


def verdict(audit: Path, *options: str) -> dict[str, Any]:
    """Return what ``cxone-report --last-run --json`` prints, as a shell script would get it."""
    command = ["cxone-report", "--audit-log-path", str(audit), "--last-run", "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def end_of(audit: Path) -> dict[str, Any]:
    """Return the last event of a log, which must be ``run_ended`` and the only one of its kind."""
    events = read_lines(audit)
    assert [event["event"] for event in events].count("run_ended") == 1
    assert events[-1]["event"] == "run_ended"
    end: dict[str, Any] = events[-1]
    return end


ENDS: dict[str, tuple[dict[str, Any], dict[str, Any], int, bool]] = {
    "complete": ({}, {}, 0, False),
    "setting": ({}, {"window_days": 99}, 2, False),
    "stream map": ({}, {"stream_maps": {"bot_conversations": {"x": "id +"}}}, 2, False),
    "setting of the SDK": ({}, {"flattening_enabled": "perhaps"}, 2, False),
    "invalid query": ({"faults": (Fault("create", "400"),)}, {}, 2, False),
    "wrong secret": ({}, {"client_secret": "wrong"}, 3, False),
    "token refused": ({"faults": (Fault("token", "401"),)}, {}, 3, False),
    "permission": ({"faults": (Fault("create", "403"),)}, {}, 3, False),
    "no slot": ({"foreign_jobs": 3, "foreign_seconds": 60}, {"export_timeout": 1}, 4, True),
    "failing jobs": ({"fail_longer_than_hours": 0}, {"end_date": "2024-01-01T01:00:00Z"}, 5, False),
}
"""Options of the sandbox, settings, and the exit code and ``retryable`` that they cause."""


@pytest.mark.parametrize("name", ENDS)
def test_the_exit_code_is_that_of_the_class_of_error(
    start_sandbox: StartSandbox, tap: Tap, tmp_path: Path, name: str
) -> None:
    options, settings, code, retryable = ENDS[name]
    audit = tmp_path / "audit.jsonl"
    run = tap(config_for(start_sandbox(**options), audit_log_path=str(audit), orchestrator_run_id="ü 7", **settings))
    assert run.code == code, run.log
    end = end_of(audit)
    assert (end["exit_code"], end["retryable"]) == (code, retryable)
    assert (end["reason"] is None) == (code == 0)
    assert end["reason"] is None or end["reason"] in run.errors[-1]
    assert {event["orchestrator_run_id"] for event in read_lines(audit)} == {"ü 7"}
    assert {event["run_id"] for event in read_lines(audit)} == {end["run_id"]}
    if code == 0:
        assert (end["streams"], end["windows"], end["records"]) == (1, 4, len(run.records))
        assert end["seconds"] > 0
    printed = verdict(audit)
    assert printed["verdict"] == ("failed" if code else "completed")
    for field in ("run_id", "exit_code", "retryable", "reason", "streams", "windows", "records", "seconds"):
        assert printed[field] == end[field]
    assert verdict(audit, "--run", "ü 7") == printed


@pytest.mark.parametrize("option", ["state", "catalog"])
def test_a_file_that_cannot_be_read_ends_a_recorded_run(
    start_sandbox: StartSandbox, tap: Tap, tmp_path: Path, option: str
) -> None:
    audit, sandbox = tmp_path / "audit.jsonl", start_sandbox()
    (tap.folder / "good.json").write_text(json.dumps(config_for(sandbox, audit_log_path=str(audit))))
    code, _, log = tap.run_with_options("--config", "good.json", f"--{option}", "missing.json")
    assert code == 2
    assert f"Option '--{option}'" in log
    end = end_of(audit)
    assert (end["exit_code"], end["streams"]) == (2, 0)
    assert sandbox.requests == []


def test_settings_from_the_environment_name_the_log_of_a_failed_run(
    tap: Tap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = tmp_path / "audit.jsonl"
    monkeypatch.setenv("TAP_CXONE_AUDIT_LOG_PATH", str(audit))
    monkeypatch.setenv("TAP_CXONE_ORCHESTRATOR_RUN_ID", "dagster 1")
    monkeypatch.setenv("TAP_CXONE_WINDOW_DAYS", "many")
    code, _, log = tap.run_with_options("--config=ENV")
    assert code == 2
    assert "'window_days'" in log
    end = end_of(audit)
    assert (end["exit_code"], end["orchestrator_run_id"]) == (2, "dagster 1")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, None)])
@pytest.mark.parametrize("target", ["reads", "does not read"])
def test_a_signal_ends_a_run_that_may_be_retried(
    start_sandbox: StartSandbox, tap: Tap, tmp_path: Path, number: int, code: int | None, target: str
) -> None:
    audit = tmp_path / "audit.jsonl"
    running = tap.start(config_for(start_sandbox(events_per_day=20_000), audit_log_path=str(audit)))
    running.read_until(lambda message: message["type"] == "RECORD")
    running.wait_until_output_is_full()
    running.process.send_signal(number)
    if target == "reads" and code:
        assert running.finish(SHUTDOWN_SECONDS).code == code
    else:
        running.process.wait(SHUTDOWN_SECONDS)
    printed = verdict(audit)
    assert printed["exit_code"] == code
    assert printed["retryable"] is True
    assert printed["verdict"] == ("killed" if code is None else "stopped")
    if code is not None:
        assert end_of(audit)["exit_code"] == code


def test_the_verdict_is_that_of_the_run_that_began_last(start_sandbox: StartSandbox, tap: Tap, tmp_path: Path) -> None:
    audit, sandbox = tmp_path / "audit.jsonl", start_sandbox()
    first = config_for(sandbox, audit_log_path=str(audit), orchestrator_run_id="first")
    assert tap(first).code == 0
    assert tap(first | {"orchestrator_run_id": "second", "window_days": 0}).code == 2
    assert verdict(audit)["orchestrator_run_id"] == "second"
    assert verdict(audit, "--run", "first")["verdict"] == "completed"
    done = subprocess.run(
        ["cxone-report", "--audit-log-path", str(audit), "--last-run"], capture_output=True, text=True, check=True
    )
    assert "failed with exit code 2 (do not retry)" in done.stdout
    unknown = subprocess.run(
        ["cxone-report", "--audit-log-path", str(audit), "--last-run", "--run", "third"],
        capture_output=True,
        check=False,
    )
    assert unknown.returncode == 2


def bookmark(run: Run) -> str:
    """Return the last bookmark of a run."""
    return run.bookmarks[-1]


def test_a_range_run_and_the_increment_cover_everything_once_and_leave_each_other_alone(
    start_sandbox: StartSandbox, tap: Tap, tmp_path: Path
) -> None:
    audit, sandbox = tmp_path / "audit.jsonl", start_sandbox()
    common = {"audit_log_path": str(audit), "journal_path": str(tmp_path / "jobs.jsonl"), "window_days": 1}
    increment = config_for(sandbox, **common, start_date="2024-01-06", end_date="2024-01-08")
    newest = tap(increment)
    history = tap(config_for(sandbox, **common, start_date="2024-01-01", end_date="2024-01-06"))
    assert bookmark(history) == "2024-01-06T00:00:00.000Z", "the range's own state ends where the increment began"
    # The increment goes on from its own state, as if there had been no range run.
    later = tap(increment | {"end_date": "2024-01-11"}, state=newest.states[-1])
    runs = (newest, history, later)
    records = [record for run in runs for record in run.records]
    assert by_id(records) == expected_events(sandbox)
    assert len(records) == len(by_id(records)), "no record is read twice"
    check = ["cxone-report", "--audit-log-path", str(audit), "--check", "2024-01-01", "2024-01-11"]
    assert subprocess.run(check, check=False, timeout=60).returncode == 0
