"""The queries of docs/report.md, run by DuckDB on the audit log of real runs."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date, datetime
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.sandbox import Fault
from tests.conftest import PROJECT, config_for, read_lines

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartSandbox, Tap

duckdb = pytest.importorskip("duckdb", reason="the development tools have DuckDB for Python 3.11 to 3.13 only")
Rows = list[tuple[Any, ...]]


@pytest.fixture
def audit(start_sandbox: StartSandbox, tap: Tap, tmp_path: Path) -> Path:
    """Return the audit log of three runs: with failed jobs and rejected records, with a gap before it, and failed."""
    audit = tmp_path / "audit.jsonl"
    sandbox = start_sandbox(fail_first=1, bad_records=0.02, faults=(Fault("status", "429", times=1),))
    for settings in ({}, {"start_date": "2024-01-15", "end_date": "2024-01-16"}):
        run = tap(config_for(sandbox, audit_log_path=str(audit), tenant="acme", **settings))
        assert run.code == 0, run.log
    assert tap(config_for(sandbox, audit_log_path=str(audit), tenant="acme", window_days=99)).code == 2
    with audit.open("a") as log:
        log.write('{"event":"window_extracted","logged_at":\n')
    return audit


@pytest.fixture
def results(audit: Path) -> list[Rows]:
    """Return the rows of each query of the page."""
    view, *queries = re.findall(r"```sql\n(.+?)```", (PROJECT / "docs" / "report.md").read_text(), re.DOTALL)
    connection = duckdb.connect()
    connection.execute(view.replace("audit.jsonl", str(audit)))
    return [connection.execute(query).fetchall() for query in queries]


def events(audit: Path, name: str) -> list[dict[str, Any]]:
    lines = audit.read_text().splitlines()[:-1]
    (audit.parent / "readable.jsonl").write_text("\n".join(lines))
    return [line for line in read_lines(audit.parent / "readable.jsonl") if line["event"] == name]


def test_the_queries_of_the_page_answer_from_a_real_log(audit: Path, results: list[Rows]) -> None:
    assert len(results) == 5
    runs, days, gaps, rejected, jobs = results

    finished = events(audit, "run_finished")
    assert [row[1:2] + row[3:7] for row in runs[:2]] == [
        ("bot_conversations", "completed", line["windows"], line["records"], line["refused"]) for line in finished
    ]
    assert runs[2][1:2] + runs[2][3:6] == (None, "failed", 0, 0)
    assert "window_days" in runs[2][8]

    counts: Counter[str] = Counter()
    for window in events(audit, "window_extracted"):
        counts.update(window["days"])
    assert counts
    assert days == [
        ("acme", "bot_conversations", date.fromisoformat(day[:10]), count) for day, count in sorted(counts.items())
    ]

    assert gaps == [("acme", "bot_conversations", datetime(2024, 1, 11), datetime(2024, 1, 15))]  # noqa: DTZ001 - DuckDB's

    failures = Counter(
        (line["stream"], line["reason"], ", ".join(line["missing_fields"]))
        for line in events(audit, "schema_validation_failure")
    )
    assert failures
    assert {row[:3]: row[3] for row in rejected} == failures

    completed = events(audit, "export_job_completed")
    [row] = jobs
    assert row[:3] == ("bot_conversations", len(events(audit, "export_job_created")), 1)
    assert row[4] == pytest.approx(median(line["seconds"] for line in completed))
    assert row[4] <= row[5] <= max(line["seconds"] for line in completed)
    assert row[6] == sum(line["bytes"] for line in events(audit, "export_downloaded"))
