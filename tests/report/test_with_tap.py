"""The report of real runs: the tap against a sandbox with faults, then the command on its audit log."""

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


def test_report_has_the_figures_of_the_run(start_sandbox: StartSandbox, tap: Tap, tmp_path: Path) -> None:
    faults = (Fault("status", "429", times=2),)
    sandbox = start_sandbox(fail_first=1, bad_records=0.02, faults=faults)
    log = Log(tmp_path / "audit.jsonl")
    run = tap(config_for(sandbox, audit_log_path=str(log.path)))
    assert run.code == 0, run.log

    content = json.loads(report(log, "--json", "--run", "last").stdout)
    lines = read_lines(log.path)
    assert content["totals"]["records"] == len(run.records)
    assert content["totals"]["refused"] == sum(line["event"] == "schema_validation_failure" for line in lines) > 0
    assert content["totals"]["refused"] == sum(kind["records"] for kind in content["refusals"])
    assert content["totals"]["windows"] == 4
    assert content["export_jobs"] == {"total": 5, "failed": 1}
    [stream] = content["streams"]
    assert stream["records"] == len(run.records)
    assert len(stream["days"]) == timedelta(days=10).days
    assert not stream["gaps"]
    assert content["log"]["unreadable"] == 0
    page = report(log, "--output", "-").stdout
    assert page.count("<svg") >= 4


def test_check_finds_the_missing_day(start_sandbox: StartSandbox, tap: Tap, tmp_path: Path) -> None:
    log = Log(tmp_path / "audit.jsonl")
    tap(config_for(start_sandbox(), audit_log_path=str(log.path)))
    assert report(log, "--check", "2024-01-01", "2024-01-11").exit_code == 0
    late = report(log, "--check", "2024-01-01", "2024-01-12")
    assert late.exit_code == 1
    assert late.stdout.endswith("bot_conversations 2024-01-11T00:00:00.000Z/2024-01-12T00:00:00.000Z never extracted\n")
