"""An audit log of version 0.1.0: both companion commands print the same JSON for it as that version did."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from tap_cxone.notify.cli import main as notify
from tap_cxone.report.cli import main as report
from tests.conftest import PROJECT

if TYPE_CHECKING:
    import click

OLD = PROJECT / "tests" / "data" / "v0_1_0"


@pytest.mark.parametrize(
    ("command", "options", "expected", "exit_code"),
    [
        (report, ("--json",), "report.json", 0),
        (report, ("--check", "2024-01-01", "2024-01-13", "--json"), "check.json", 1),
        (notify, ("status", "--json"), "notify-status.json", 0),
    ],
)
def test_companions_print_what_version_0_1_0_printed(
    command: click.Command, options: tuple[str, ...], expected: str, exit_code: int
) -> None:
    log = str(OLD / "audit.jsonl")
    environment = {"CXONE_REPORT_AUDIT_LOG_PATH": log, "CXONE_NOTIFY_AUDIT_LOG_PATH": log}
    result = CliRunner().invoke(command, options, env=environment)
    assert result.exit_code == exit_code, result.stderr
    assert json.loads(result.stdout) == json.loads((OLD / expected).read_text("utf-8"))
