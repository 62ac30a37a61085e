"""The report of real runs: the tap against a sandbox full of faults, then the command on what it has written."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from tap_cxone.sandbox import Fault
from tests.conftest import config_for, read_lines
from tests.report.conftest import Log, report

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartSandbox, Tap


def test_the_report_tells_what_the_tap_did(start_sandbox: StartSandbox, tap: Tap, tmp_path: Path) -> None:
    faults = (Fault("status", "429", times=2),)
    sandbox = start_sandbox(fail_first=1, bad_records=0.02, faults=faults)
    log = Log(tmp_path / "audit.jsonl")
    run = tap(config_for(sandbox, audit_log_path=str(log.path)))
    assert run.code == 0, run.log

    told = json.loads(report(log, "--json", "--run", "last").stdout)
    lines = read_lines(log.path)
    assert told["totals"]["records"] == len(run.records)
    assert told["totals"]["refused"] == sum(line["event"] == "schema_validation_failure" for line in lines) > 0
    assert told["totals"]["refused"] == sum(kind["records"] for kind in told["refusals"])
    assert told["totals"]["windows"] == 4
    assert told["export_jobs"] == {"total": 5, "failed": 1}
    [stream] = told["streams"]
    assert stream["records"] == len(run.records)
    assert len(stream["days"]) == timedelta(days=10).days
    assert not stream["gaps"]
    assert told["log"]["unreadable"] == 0
    page = report(log, "--output", "-").stdout
    assert page.count("<svg") >= 4


def test_the_check_guards_a_schedule(start_sandbox: StartSandbox, tap: Tap, tmp_path: Path) -> None:
    log = Log(tmp_path / "audit.jsonl")
    tap(config_for(start_sandbox(), audit_log_path=str(log.path)))
    assert report(log, "--check", "2024-01-01", "2024-01-11").exit_code == 0
    late = report(log, "--check", "2024-01-01", "2024-01-12")
    assert late.exit_code == 1
    assert late.stdout == "bot_conversations 2024-01-11T00:00:00.000Z/2024-01-12T00:00:00.000Z never extracted\n"
