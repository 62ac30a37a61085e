"""The sample project with the real Meltano, the real targets, in a copy of this checkout."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.records.names import column_names
from tap_cxone.sandbox import Sandbox, SandboxOptions
from tests.conftest import JAN_1, by_id, copy_project, run_meltano

if sys.version_info < (3, 14):
    import duckdb
else:
    pytest.skip("DuckDB 1.2, which target-duckdb needs, has no wheel for Python 3.14", allow_module_level=True)

if TYPE_CHECKING:
    from pathlib import Path

# One worker for all: the plugins are installed once.
pytestmark = [pytest.mark.xdist_group("meltano"), pytest.mark.timeout(600)]

FIELDS = ("id", "type", "dateFrom", "dateTo", "botId", "agentId", "duration")
JOB = ("--environment=sandbox", "run", "bot-conversations", "summary:show")


class Project:
    """A copy of the sample project."""

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


def expected(until: datetime) -> dict[str, dict[str, Any]]:
    """Return what a table should hold: the sandbox's events with typed columns."""
    events = by_id(Sandbox().valid_events(JAN_1, until))
    for event in events.values():
        for name in ("dateFrom", "dateTo"):
            event[name] = datetime.fromisoformat(event[name]).replace(tzinfo=None)
    return events


def test_the_main_job_loads_everything_once_and_then_only_what_is_new(project: Project) -> None:
    first = project.meltano(*JOB)
    assert first.returncode == 0, first.stdout
    assert "Complete: the table holds every record" in first.stdout
    assert "in 4 windows" in first.stdout
    assert "Summary: 4 of 4 windows, 24000 records" in first.stdout
    assert "<h1" in (project.output / "sandbox-report.html").read_text()
    assert project.table() == expected(datetime(2024, 4, 10, tzinfo=UTC))

    second = project.meltano(*JOB)
    assert second.returncode == 0, second.stdout
    assert "Nothing new" in second.stdout
    assert "export_job_created" not in second.stdout

    third = project.meltano(*JOB, TAP_CXONE_END_DATE="2024-04-20")
    assert third.returncode == 0, third.stdout
    assert third.stdout.count("export_job_created") == 1
    assert project.table() == expected(datetime(2024, 4, 20, tzinfo=UTC))

    with duckdb.connect(str(project.output / "sandbox.duckdb")) as connection:
        connection.execute(
            "DELETE FROM cxone.bot_conversations WHERE id = (SELECT min(id) FROM cxone.bot_conversations)"
        )
    lossy = project.meltano("--environment=sandbox", "run", "summary:show")
    assert lossy.returncode != 0
    assert "NOT COMPLETE" in lossy.stdout


def test_target_jsonl_gets_the_same_records(project: Project) -> None:
    done = project.meltano("--environment=sandbox", "run", "tap-cxone", "target-jsonl", TAP_CXONE_END_DATE="2024-02-03")
    assert done.returncode == 0, done.stdout
    lines = (project.output / "bot_conversations.jsonl").read_text().splitlines()
    events = by_id(Sandbox().valid_events(JAN_1, datetime(2024, 2, 3, tzinfo=UTC)))
    assert by_id(map(json.loads, lines)) == events


def test_the_data_extraction_job_loads_every_row(project: Project) -> None:
    quick = {"TAP_CXONE_END_DATE": "2024-01-03", "TAP_CXONE_SUBMIT_INTERVAL": "1", "TAP_CXONE_POLL_INTERVAL": "1"}
    done = project.meltano("--environment=sandbox", "run", "data-extraction", **quick)
    assert done.returncode == 0, done.stdout
    tables = {
        "recording_interaction_metadata": ("recording-interaction-metadata", "12"),
        "qm_workflows": ("qm-workflows", "4"),
        "qm_questions": ("qm-questions", "1"),
    }
    for table, (entity, version) in tables.items():
        wanted = list(Sandbox().extraction_rows(entity, version, date(2024, 1, 1), date(2024, 1, 3)))
        names = dict(zip(wanted[0], column_names(tuple(wanted[0])), strict=True))
        with duckdb.connect(str(project.output / "sandbox.duckdb"), read_only=True) as connection:
            columns = ", ".join(f'"{name}"' for name in names.values())
            found = connection.execute(f"SELECT {columns} FROM cxone.{table}").fetchall()
        typed = {"start_date", "submission_date"}
        rows = [
            tuple(
                datetime.fromisoformat(row[header]).replace(tzinfo=None) if name in typed else row[header] or None
                for header, name in names.items()
            )
            for row in wanted
        ]
        assert sorted(found, key=repr) == sorted(rows, key=repr)


def test_a_refused_client_fails_the_run_with_the_setting_to_check(project: Project) -> None:
    with Sandbox() as sandbox:
        done = project.meltano(
            "--environment=dev",
            "run",
            "tap-cxone",
            "target-jsonl",
            TAP_CXONE_API_URL=sandbox.url,
            TAP_CXONE_CLIENT_ID="sandbox",
            TAP_CXONE_CLIENT_SECRET="not-the-secret",
        )
    assert done.returncode != 0
    assert "check the settings 'client_id' and 'client_secret'" in done.stdout
    assert "not-the-secret" not in done.stdout


def test_killed_pipelines_load_everything_in_the_end(project: Project) -> None:
    """Everything is killed (Meltano, tap, target), at moments that differ, until a run comes through."""
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
        for created in (1, 3):
            process = subprocess.Popen(
                ["meltano", *command],
                cwd=project.folder,
                env=os.environ | environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            while len(sandbox.jobs) < created and process.poll() is None:
                time.sleep(0.05)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        last = project.meltano(*command, **environment)
        assert last.returncode == 0, last.stdout
        jobs = [job.body["query"]["dateFrom"] for job in sandbox.jobs]
    assert project.table("dev") == expected(datetime(2024, 1, 29, tzinfo=UTC))
    assert len(jobs) <= 4 + 2, "no more than one further job for each kill, and none where the answer had come"
