"""A copy of the sample project with the real Meltano and the real targets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.column_names import column_names
from tap_cxone.sandbox import Sandbox, SandboxOptions
from tests.conftest import JAN_1, by_id, copy_project, run_meltano, wait_until

if sys.version_info < (3, 14):
    import duckdb
else:
    pytest.skip("DuckDB 1.2, which target-duckdb needs, has no wheel for Python 3.14", allow_module_level=True)

if TYPE_CHECKING:
    from pathlib import Path

# One worker runs all of these tests, so that the plugins are installed only once.
pytestmark = [pytest.mark.xdist_group("meltano"), pytest.mark.timeout(600)]

FIELDS = ("id", "type", "dateFrom", "dateTo", "botId", "agentId", "duration")
JOB = ("--environment=sandbox", "run", "bot-conversations", "summary:show")


class Project:
    """A copy of the sample project that tests run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / ".output"

    def meltano(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return run_meltano(self.folder, *arguments, **environment)

    def table(self, environment: str = "sandbox") -> dict[str, dict[str, Any]]:
        with duckdb.connect(str(self.output / f"{environment}.duckdb"), read_only=True) as connection:
            columns = ", ".join(f'"{name}"' for name in FIELDS)  # target-duckdb writes them in lower case
            rows = connection.execute(f"SELECT {columns} FROM cxone.bot_conversations").fetchall()
            return by_id(dict(zip(FIELDS, row, strict=True)) for row in rows)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(copy_project(tmp_path_factory.mktemp("project") / "copy"))


def expected_table(end: datetime) -> dict[str, dict[str, Any]]:
    """Return the rows of a complete table: the sandbox's events with typed columns."""
    events = by_id(Sandbox().valid_events(JAN_1, end))
    for event in events.values():
        for name in ("dateFrom", "dateTo"):
            event[name] = datetime.fromisoformat(event[name]).replace(tzinfo=None)
    return events


def test_the_main_job_loads_everything_once_then_only_new_events(project: Project) -> None:
    first = project.meltano(*JOB)
    assert first.returncode == 0, first.stdout
    assert "Complete: the table holds every record" in first.stdout
    assert "in 4 windows" in first.stdout
    assert "Summary: 4 of 4 windows, 24000 records" in first.stdout
    assert "<h1" in (project.output / "sandbox-report.html").read_text()
    assert project.table() == expected_table(datetime(2024, 4, 10, tzinfo=UTC))

    second = project.meltano(*JOB)
    assert second.returncode == 0, second.stdout
    assert "Nothing new" in second.stdout
    assert "export_job_created" not in second.stdout

    third = project.meltano(*JOB, TAP_CXONE_END_DATE="2024-04-20")
    assert third.returncode == 0, third.stdout
    assert third.stdout.count("export_job_created") == 1
    assert project.table() == expected_table(datetime(2024, 4, 20, tzinfo=UTC))

    with duckdb.connect(str(project.output / "sandbox.duckdb")) as connection:
        connection.execute(
            "DELETE FROM cxone.bot_conversations WHERE id = (SELECT min(id) FROM cxone.bot_conversations)"
        )
    incomplete = project.meltano("--environment=sandbox", "run", "summary:show")
    assert incomplete.returncode != 0
    assert "NOT COMPLETE" in incomplete.stdout


def test_target_jsonl_gets_every_record(project: Project) -> None:
    result = project.meltano(
        "--environment=sandbox", "run", "tap-cxone", "target-jsonl", TAP_CXONE_END_DATE="2024-02-03"
    )
    assert result.returncode == 0, result.stdout
    lines = (project.output / "bot_conversations.jsonl").read_text().splitlines()
    events = by_id(Sandbox().valid_events(JAN_1, datetime(2024, 2, 3, tzinfo=UTC)))
    assert by_id(map(json.loads, lines)) == events


def test_the_data_extraction_job_loads_every_row(project: Project) -> None:
    settings = {"TAP_CXONE_END_DATE": "2024-01-03", "TAP_CXONE_SUBMIT_INTERVAL": "1", "TAP_CXONE_POLL_INTERVAL": "1"}
    result = project.meltano("--environment=sandbox", "run", "data-extraction", **settings)
    assert result.returncode == 0, result.stdout
    tables = {
        "recording_interaction_metadata": ("recording-interaction-metadata", "12", "start_date"),
        "qm_workflows": ("qm-workflows", "4", "submission_date"),
        "qm_questions": ("qm-questions", "1", "evaluation_submission_date"),
    }
    for table, (entity, version, date_column) in tables.items():
        expected = list(Sandbox().extraction_rows(entity, version, date(2024, 1, 1), date(2024, 1, 3)))
        names = dict(zip(expected[0], column_names(tuple(expected[0])), strict=True))
        with duckdb.connect(str(project.output / "sandbox.duckdb"), read_only=True) as connection:
            columns = ", ".join(f'"{name}"' for name in names.values())
            found = connection.execute(f"SELECT {columns} FROM cxone.{table}").fetchall()
        rows = [
            tuple(
                datetime.fromisoformat(row[header]).replace(tzinfo=None) if name == date_column else row[header] or None
                for header, name in names.items()
            )
            for row in expected
        ]
        assert sorted(found, key=repr) == sorted(rows, key=repr)


def test_a_rejected_client_fails_the_run_and_names_the_settings(project: Project) -> None:
    with Sandbox() as sandbox:
        result = project.meltano(
            "--environment=dev",
            "run",
            "tap-cxone",
            "target-jsonl",
            TAP_CXONE_API_URL=sandbox.url,
            TAP_CXONE_CLIENT_ID="sandbox",
            TAP_CXONE_CLIENT_SECRET="not-the-secret",
        )
    assert result.returncode != 0
    assert "check the settings 'client_id' and 'client_secret'" in result.stdout
    assert "not-the-secret" not in result.stdout


def kill_pipeline_after_jobs(
    project: Project, command: tuple[str, ...], environment: dict[str, str], sandbox: Sandbox, jobs: int
) -> None:
    """Start a pipeline and kill all of its processes once so many jobs have been created."""
    process = subprocess.Popen(
        ["meltano", *command],
        cwd=project.folder,
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: len(sandbox.jobs) >= jobs or process.poll() is not None, f"{jobs} jobs are created", 120)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_run_after_killed_pipelines_completes_the_table(project: Project) -> None:
    """Meltano, tap and target are killed at different moments; then a run completes."""
    with Sandbox(SandboxOptions(job_seconds=1.5)) as sandbox:
        environment = {
            "TAP_CXONE_API_URL": sandbox.url,
            "TAP_CXONE_CLIENT_ID": sandbox.client_id,
            "TAP_CXONE_CLIENT_SECRET": sandbox.client_secret,
            "TAP_CXONE_START_DATE": "2024-01-01",
            "TAP_CXONE_END_DATE": "2024-01-29",
            "TAP_CXONE_POLL_INTERVAL": "1",
        }
        command = ("--environment=dev", "run", "--force", "tap-cxone", "target-duckdb")
        for jobs in (1, 3):
            kill_pipeline_after_jobs(project, command, environment, sandbox, jobs)
        last = project.meltano(*command, **environment)
        assert last.returncode == 0, last.stdout
        jobs_created = len(sandbox.jobs)
    assert project.table("dev") == expected_table(datetime(2024, 1, 29, tzinfo=UTC))
    assert jobs_created <= 4 + 2, "a kill costs one more job at most, and none if the response had arrived"
