"""Loads into a real PostgreSQL by the real target-postgres: tables equal what the platform holds, cell by cell."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import PROJECT, config_for, wait_until
from tests.end_to_end.helpers import (
    QUESTIONS,
    RECORDINGS,
    WORKFLOWS,
    catalog_for,
    expected_events,
    expected_rows,
    extraction_config,
)
from tests.end_to_end.loading import BOTS, DATES, TIMESTAMP, columns, table, typed
from tests.postgresql import NotInstalledError, find_programs
from tests.target_postgres import COPY, SCHEMA

if TYPE_CHECKING:
    from tap_cxone.sandbox import Sandbox
    from tests.conftest import StartSandbox
    from tests.end_to_end.loading import Pipeline, Rows
    from tests.postgresql import Database, Server

# One worker runs all of these tests, so that only one server is started. The first test may have to install the target.
pytestmark = [pytest.mark.xdist_group("postgresql"), pytest.mark.timeout(600)]

STREAMS = (RECORDINGS, WORKFLOWS, QUESTIONS)


def all_events(sandbox: Sandbox) -> Rows:
    """Return the rows of the first ten days of January 2024."""
    return typed(expected_events(sandbox).values(), BOTS)


def tamper(database: Database) -> None:
    """Change every row of the table, and delete the last one."""
    table_name = f"{SCHEMA}.{BOTS}"
    database.execute(f"""UPDATE {table_name} SET "botId" = 'changed', "dateTo" = now(), duration = -1""")
    database.execute(f'DELETE FROM {table_name} WHERE "dateFrom" = (SELECT max("dateFrom") FROM {table_name})')


@pytest.mark.parametrize("settings", [{}, COPY], ids=["insert", "copy"])
def test_every_event_is_loaded_once_with_its_values(
    start_sandbox: StartSandbox, pipeline: Pipeline, database: Database, settings: dict[str, Any]
) -> None:
    sandbox = start_sandbox(repeated_records=0.1, bad_records=0.1)
    pipeline(config_for(sandbox), database, settings)
    assert table(database, BOTS) == all_events(sandbox)
    types = dict.fromkeys(("id", "type", "botId", "agentId"), "text")
    assert columns(database, BOTS) == types | dict.fromkeys(DATES[BOTS], TIMESTAMP) | {"duration": "numeric"}


def test_a_look_back_updates_and_completes_the_rows_of_its_days(
    start_sandbox: StartSandbox, pipeline: Pipeline, database: Database
) -> None:
    sandbox = start_sandbox()
    first = pipeline(config_for(sandbox), database)
    tamper(database)
    tampered = table(database, BOTS)
    expected = all_events(sandbox)
    assert len(tampered) == len(expected) - 1
    second = pipeline(config_for(sandbox, lookback_minutes=1440), database, state=first.state)
    last_day = typed(expected_events(sandbox, 10, 11).values(), BOTS)
    assert table(database, BOTS) == tampered | last_day
    assert second.state == first.state
    pipeline(config_for(sandbox, lookback_minutes=10 * 1440), database, state=second.state)
    assert table(database, BOTS) == expected


def test_every_row_of_data_extraction_is_loaded_once_with_its_values(
    start_extraction_sandbox: StartSandbox, pipeline: Pipeline, database: Database
) -> None:
    sandbox = start_extraction_sandbox(repeated_records=0.2, bad_rows=0.1)
    config = extraction_config(sandbox, end_date="2024-01-03", lookback_minutes=1440)
    state = None
    # The second load reads the last day again, and copies instead of inserting.
    for settings in ({}, COPY):
        state = pipeline(config, database, settings, catalog=catalog_for(*STREAMS), state=state).state
        for stream in STREAMS:
            types = columns(database, stream)
            rows = expected_rows(sandbox, stream, date(2024, 1, 1), date(2024, 1, 3))
            assert table(database, stream) == typed(rows, stream, types)
            assert types == dict.fromkeys(types, "text") | dict.fromkeys(DATES[stream], TIMESTAMP)
    assert len(sandbox.extractions) == 3 * (2 + 1)


def test_the_server_ends_with_the_process_that_started_it(postgresql: Server) -> None:
    code = (
        "import time\n"
        "from tests.postgresql import running_server\n"
        "with running_server() as server:\n"
        "    print(server.folder, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        folder = Path(process.stdout.readline().strip())
        assert (folder / "data" / "postmaster.pid").exists()
        process.kill()
    wait_until(lambda: not folder.exists(), "the server has stopped and its data are gone")


def test_the_reason_for_a_skip_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tests.postgresql.PACKAGED", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotInstalledError, match="scripts/postgresql installs"):
        find_programs()
