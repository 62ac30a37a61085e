"""The example for dlt loads into DuckDB what the platform holds, run by run, and nothing of a run that fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.sandbox import Fault
from tests import environments
from tests.conftest import PROJECT, by_key, config_for
from tests.end_to_end.helpers import (
    QUESTIONS,
    RECORDINGS,
    WORKFLOWS,
    catalog_for,
    expected_events,
    expected_rows,
    extraction_config,
    jobs_created,
)
from tests.end_to_end.loading import BOTS, DATES, KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.conftest import StartSandbox
    from tests.end_to_end.loading import Rows

# One worker runs all of these tests, so that dlt is installed only once. Downloads may take a while.
pytestmark = [pytest.mark.xdist_group("dlt"), pytest.mark.timeout(600)]

TAP = Path(sys.executable).with_name("tap-cxone")
EXTRACTIONS = (RECORDINGS, WORKFLOWS, QUESTIONS)
NAMES = {"dateFrom": "date_from", "dateTo": "date_to", "botId": "bot_id", "agentId": "agent_id"}
"""Columns that dlt renames."""
SECRETS = ("client_id", "client_secret", "access_key_id", "access_key_secret")


@dataclass
class DltProject:
    """A folder in which the example runs."""

    programs: Path
    folder: Path

    @property
    def temporary(self) -> Path:
        return self.folder / "temporary"

    def run(
        self, config: dict[str, Any], catalog: dict[str, Any] | None = None, command: Path = TAP
    ) -> subprocess.CompletedProcess[str]:
        """Run the example with a configuration of the tap; standard error goes to standard output."""
        self.temporary.mkdir(exist_ok=True)
        variables = {
            "SOURCES__CXONE__SETTINGS": json.dumps({name: config[name] for name in config if name not in SECRETS}),
            "SOURCES__CXONE__CREDENTIALS": json.dumps({name: config[name] for name in SECRETS if name in config}),
            "SOURCES__CXONE__COMMAND": str(command),
            "DLT_DATA_DIR": str(self.folder / "dlt"),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "TMPDIR": str(self.temporary),
        }
        if catalog:
            path = self.folder / "catalog.json"
            path.write_text(json.dumps(catalog))
            variables["SOURCES__CXONE__CATALOG"] = str(path)
        return subprocess.run(
            [self.programs / "python", "-P", environments.EXAMPLE / "cxone.py"],
            cwd=self.folder,
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )

    def load(self, config: dict[str, Any], catalog: dict[str, Any] | None = None) -> str:
        """Run the example, which has to succeed; return what it wrote."""
        done = self.run(config, catalog)
        assert done.returncode == 0, done.stdout
        assert not list(self.temporary.iterdir()), "the batch files and their folder are removed"
        return done.stdout

    def query(self, statement: str) -> list[list[Any]]:
        script, database = PROJECT / "tests" / "query_duckdb.py", self.folder / "tap_cxone.duckdb"
        command: list[str | Path] = [self.programs / "python", "-P", script, database, statement]
        rows: list[list[Any]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        return rows

    def columns(self, stream: str, schema: str = "cxone") -> dict[str, str]:
        """Return the types of a table's columns."""
        where = f"table_schema = '{schema}' AND table_name = '{stream}'"
        return dict(self.query(f"SELECT column_name, data_type FROM information_schema.columns WHERE {where}"))

    def table(self, stream: str) -> Rows:
        """Return the rows of a table by key; fail if a key occurs twice."""
        return typed((json.loads(row) for (row,) in self.query(f"SELECT to_json(t) FROM cxone.{stream} t")), stream)


@pytest.fixture(scope="module")
def programs() -> Path:
    return environments.install("dlt", *environments.DLT)


@pytest.fixture
def project(programs: Path, tmp_path: Path) -> DltProject:
    return DltProject(programs, tmp_path)


def typed(records: Iterable[dict[str, Any]], stream: str) -> Rows:
    """Return rows by key, with the names and the dates of a table."""
    dates = {NAMES.get(name, name) for name in DATES[stream]}
    rows = ({NAMES.get(name, name): value for name, value in record.items()} for record in records)
    parsed = (
        {name: datetime.fromisoformat(value) if value and name in dates else value for name, value in row.items()}
        for row in rows
    )
    return by_key(parsed, KEYS[stream])


def test_every_event_is_loaded_once_with_its_values(start_sandbox: StartSandbox, project: DltProject) -> None:
    sandbox = start_sandbox(repeated_records=0.1, bad_records=0.1)
    project.load(config_for(sandbox))
    assert project.table(BOTS) == typed(expected_events(sandbox).values(), BOTS)
    texts = dict.fromkeys(("id", "type", "bot_id", "agent_id"), "VARCHAR")
    dates = dict.fromkeys(("date_from", "date_to"), "TIMESTAMP WITH TIME ZONE")
    assert project.columns(BOTS) == texts | dates | {"duration": "DOUBLE"}


def test_the_next_run_reads_only_what_is_new_and_the_look_back(
    start_sandbox: StartSandbox, project: DltProject
) -> None:
    sandbox = start_sandbox()
    config = config_for(sandbox, lookback_minutes=1440)
    project.load(config | {"end_date": "2024-01-07"})
    assert project.table(BOTS) == typed(expected_events(sandbox, 1, 7).values(), BOTS)
    before = jobs_created(sandbox)
    project.load(config)
    assert project.table(BOTS) == typed(expected_events(sandbox).values(), BOTS)
    assert min(job.request.body["query"]["dateFrom"] for job in sandbox.jobs[before:]) == "2024-01-06T00:00:00.000Z"


def test_a_run_with_nothing_new_changes_nothing(start_sandbox: StartSandbox, project: DltProject) -> None:
    sandbox = start_sandbox()
    project.load(config_for(sandbox))
    jobs = jobs_created(sandbox)
    project.load(config_for(sandbox))
    assert jobs_created(sandbox) == jobs
    assert project.table(BOTS) == typed(expected_events(sandbox).values(), BOTS)


def test_several_streams_of_data_extraction_are_loaded_with_their_empty_cells(
    start_extraction_sandbox: StartSandbox, project: DltProject
) -> None:
    sandbox = start_extraction_sandbox(repeated_records=0.2, bad_rows=0.1)
    project.load(extraction_config(sandbox, end_date="2024-01-03"), catalog_for(*EXTRACTIONS))
    for stream in EXTRACTIONS:
        rows = list(expected_rows(sandbox, stream, date(2024, 1, 1), date(2024, 1, 3)))
        types = project.columns(stream)
        empty = dict.fromkeys(types)
        assert project.table(stream) == typed((empty | row for row in rows), stream)
        assert types == dict.fromkeys(types, "VARCHAR") | dict.fromkeys(DATES[stream], "TIMESTAMP WITH TIME ZONE")
    assert any(None in row.values() for row in rows)


def test_nothing_of_a_run_that_fails_is_kept_and_the_next_run_loads_it(
    start_sandbox: StartSandbox, project: DltProject
) -> None:
    # The first run creates two jobs, and the second one two more before the platform refuses the third.
    sandbox = start_sandbox(faults=(Fault("create", "400", times=1, after=4),))
    config = config_for(sandbox, window_days=2, max_concurrent_exports=1)
    project.load(config | {"end_date": "2024-01-05"})
    first = project.table(BOTS)
    failed = project.run(config)
    assert failed.returncode != 0
    assert "tap-cxone ended with exit code 2; its log says why. Nothing of this run is loaded" in failed.stdout
    assert "window_extracted" in failed.stdout, "records were read before the failure"
    assert not list(project.temporary.iterdir())
    assert project.table(BOTS) == first == typed(expected_events(sandbox, 1, 5).values(), BOTS)
    project.load(config)
    assert project.table(BOTS) == typed(expected_events(sandbox).values(), BOTS)


def test_a_state_is_not_kept_if_the_tap_fails_after_it(start_sandbox: StartSandbox, project: DltProject) -> None:
    sandbox = start_sandbox()
    failing = project.folder / "failing-tap"
    failing.write_text(f'#!/bin/sh\n"{TAP}" "$@"\nexit 3\n')
    failing.chmod(0o700)
    assert "exit code 3" in project.run(config_for(sandbox), command=failing).stdout
    project.load(config_for(sandbox))
    assert project.table(BOTS) == typed(expected_events(sandbox).values(), BOTS)


def test_a_deselected_column_is_in_no_table(start_sandbox: StartSandbox, project: DltProject) -> None:
    sandbox = start_sandbox()
    project.load(config_for(sandbox), catalog_for(BOTS, without=["agentId"]))
    expected = typed(expected_events(sandbox).values(), BOTS)
    for row in expected.values():
        del row["agent_id"]
    assert project.table(BOTS) == expected
    for schema in ("cxone", "cxone_staging"):
        assert "id" in project.columns(BOTS, schema)
        assert "agent_id" not in project.columns(BOTS, schema)


def test_secrets_are_in_no_file_and_not_in_the_output(start_sandbox: StartSandbox, project: DltProject) -> None:
    sandbox = start_sandbox()
    output = project.load(config_for(sandbox))
    failed = project.run(config_for(sandbox, client_secret="wrong-secret", end_date="2024-01-12"))
    assert failed.returncode != 0
    written = [path.read_bytes() for path in project.folder.rglob("*") if path.is_file()]
    assert written
    assert sandbox.tokens
    for secret in ("wrong-secret", *sandbox.tokens):
        assert secret not in output + failed.stdout
        assert not [content for content in written if secret.encode() in content]
