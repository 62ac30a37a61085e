"""Loads into a real PostgreSQL by the real target-postgres: tables equal what the platform holds, cell by cell."""

from __future__ import annotations

import stat
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import PROJECT, by_id, config_for, wait_until
from tests.end_to_end.helpers import (
    QUESTIONS,
    RECORDINGS,
    WORKFLOWS,
    catalog_for,
    expected_events,
    expected_rows,
    extraction_config,
)
from tests.end_to_end.loading import (
    BOTS,
    DATES,
    TIMESTAMP,
    batch_files,
    columns,
    read_batch,
    table,
    typed,
    with_batches,
)
from tests.postgresql import NotInstalledError, find_programs
from tests.target_postgres import COPY, SCHEMA

if TYPE_CHECKING:
    from tap_cxone.sandbox import Sandbox
    from tests.conftest import StartSandbox, Tap
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


# --- BATCH messages ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, COPY], ids=["insert", "copy"])
def test_batches_of_events_give_the_table_that_records_give(
    start_sandbox: StartSandbox, pipeline: Pipeline, postgresql: Server, tmp_path: Path, settings: dict[str, Any]
) -> None:
    config = config_for(start_sandbox(repeated_records=0.1, bad_records=0.1))
    by_record, by_batch = postgresql.new_database(), postgresql.new_database()
    of_records = pipeline(config, by_record, settings)
    of_batches = pipeline(with_batches(config, tmp_path / "batches"), by_batch, settings)
    assert list((tmp_path / "batches").iterdir())
    assert of_batches.state == of_records.state
    assert columns(by_batch, BOTS) == columns(by_record, BOTS)
    assert table(by_batch, BOTS) == table(by_record, BOTS)


def test_batches_of_data_extraction_give_the_tables_that_records_give(
    start_extraction_sandbox: StartSandbox, pipeline: Pipeline, postgresql: Server, tmp_path: Path
) -> None:
    sandbox = start_extraction_sandbox(repeated_records=0.2, bad_rows=0.1)
    config = extraction_config(sandbox, end_date="2024-01-03")
    catalog = catalog_for(*STREAMS)
    by_record, by_batch = postgresql.new_database(), postgresql.new_database()
    of_records = pipeline(config, by_record, catalog=catalog)
    of_batches = pipeline(with_batches(config, tmp_path / "batches", 5), by_batch, catalog=catalog)
    assert list((tmp_path / "batches").iterdir())
    assert of_batches.state == of_records.state
    for stream in STREAMS:
        assert columns(by_batch, stream) == columns(by_record, stream)
        assert table(by_batch, stream) == table(by_record, stream)


def test_a_look_back_with_batches_updates_and_completes_the_rows(
    start_sandbox: StartSandbox, pipeline: Pipeline, database: Database, tmp_path: Path
) -> None:
    sandbox = start_sandbox()
    config = with_batches(config_for(sandbox), tmp_path / "batches")
    first = pipeline(config, database)
    tamper(database)
    second = pipeline(config | {"lookback_minutes": 10 * 1440}, database, state=first.state)
    assert list((tmp_path / "batches").iterdir())
    assert table(database, BOTS) == all_events(sandbox)
    assert second.state == first.state


def test_each_window_is_a_schema_then_batches_then_a_state(
    start_sandbox: StartSandbox, tap: Tap, tmp_path: Path
) -> None:
    sandbox = start_sandbox(repeated_records=0.1, bad_records=0.1)
    expected = expected_events(sandbox)
    run = tap(with_batches(config_for(sandbox), tmp_path / "batches"))
    assert run.code == 0, run.errors
    assert {message["type"] for message in run.messages} == {"SCHEMA", "BATCH", "STATE"}
    assert next(message["type"] for message in run.messages if message["type"] != "STATE") == "SCHEMA"
    written: list[dict[str, Any]] = []
    bookmark = ""
    for message in run.messages:
        if message["type"] == "BATCH":
            assert message["stream"] == BOTS
            batch = [record for path in batch_files(message) for record in read_batch(path)]
            assert all(record["dateFrom"] >= bookmark for record in batch), "a bookmark passed a record"
            written += batch
        elif message["type"] == "STATE":
            bookmark = message["value"]["bookmarks"][BOTS].get("replication_key_value", "")
            passed = {event for event in expected if expected[event]["dateFrom"] < bookmark}
            assert passed <= by_id(written).keys()
    assert by_id(written) == expected
    assert set(run.bookmarks) == {f"2024-01-{day:02}T00:00:00.000Z" for day in (4, 7, 10, 11)}


def test_batch_files_are_readable_by_their_owner_only(start_sandbox: StartSandbox, tap: Tap, tmp_path: Path) -> None:
    folder = tmp_path / "batches"
    run = tap(with_batches(config_for(start_sandbox()), folder))
    batches = [batch_files(message) for message in run.messages if message["type"] == "BATCH"]
    named = [path for batch in batches for path in batch]
    assert len(named) == len(set(named)) >= 4
    assert {path for path in folder.rglob("*") if path.is_file()} == set(named), "no other file is left behind"
    for path in named:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.name.endswith(".jsonl.gz")
        assert 1 <= len(read_batch(path)) <= 50


def test_a_deselected_column_is_in_no_batch_and_not_in_the_table(
    start_sandbox: StartSandbox, tap: Tap, pipeline: Pipeline, database: Database, tmp_path: Path
) -> None:
    sandbox = start_sandbox()
    agents = {event["agentId"] for event in expected_events(sandbox).values()}
    run = tap(
        with_batches(config_for(sandbox), tmp_path / "batches"),
        catalog=catalog_for(BOTS, without=["agentId"]),
    )
    files = [path for message in run.messages if message["type"] == "BATCH" for path in batch_files(message)]
    assert files
    for path in files:
        records = read_batch(path)
        assert not [record for record in records if "agentId" in record]
        assert not agents.intersection(value for record in records for value in record.values())
    pipeline.write(run.out, database)
    assert "agentId" not in columns(database, BOTS)
    expected = all_events(sandbox)
    for row in expected.values():
        del row["agentId"]
    assert table(database, BOTS) == expected
