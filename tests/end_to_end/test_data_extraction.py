"""Data Extraction streams from days to bookmarks: the tap as a process against the sandbox's second API."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import by_key, read_lines
from tests.end_to_end.helpers import (
    ENTITIES,
    QUESTIONS,
    RECORDINGS,
    SUBMIT_INTERVAL,
    WORKFLOWS,
    assert_complete,
    assert_no_secrets,
    bookmark_of,
    catalog_entry,
    catalog_for,
    expected_rows,
    extraction_config,
    records_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartSandbox, Tap

# --- Rows, columns, settings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inclusive", [False, True])
def test_every_row_is_emitted_once_for_inclusive_and_exclusive_ends(
    start_extraction_sandbox: StartSandbox, tap: Tap, tmp_path: Path, *, inclusive: bool
) -> None:
    sandbox = start_extraction_sandbox(inclusive_end=inclusive, repeated_records=0.2)
    paths = {f"{name}_path": str(tmp_path / f"{name}.jsonl") for name in ("audit_log", "journal", "quarantine")}
    config = extraction_config(sandbox, sample_size=5, **paths)
    run = tap(
        config,
        catalog=catalog_for(RECORDINGS, WORKFLOWS, QUESTIONS),
        environment={"TAP_CXONE_LOGLEVEL": "DEBUG"},
    )
    assert run.code == 0
    for stream, (_, _, keys) in list(ENTITIES.items())[:3]:
        # With an inclusive end date, the last file has the day after the range as well.
        expected = by_key(expected_rows(sandbox, stream, date(2024, 1, 1), date(2024, 1, 5 if inclusive else 4)), keys)
        assert by_key(records_of(run, stream), keys) == expected
        assert bookmark_of(run, stream) == "2024-01-04T00:00:00.000Z"
    assert sandbox.refused_creates == 0
    assert sandbox.max_active_extractions == 1
    created_at = [job.created_at for job in sandbox.extractions]
    assert len(created_at) == 9
    assert min(later - earlier for earlier, later in pairwise(created_at)) >= SUBMIT_INTERVAL
    assert_no_secrets(run, sandbox, tmp_path)
    windows = [event for event in read_lines(tmp_path / "audit_log.jsonl") if event["event"] == "window_extracted"]
    assert len(windows) == 9
    assert all(event["sample"] == [] for event in windows), "samples of these streams are never kept"


def test_a_schema_with_all_columns_precedes_the_first_record(start_extraction_sandbox: StartSandbox, tap: Tap) -> None:
    run = tap(extraction_config(start_extraction_sandbox()), catalog=catalog_for(RECORDINGS))
    properties: dict[str, Any] = {}
    for message in run.messages:
        if message["type"] == "SCHEMA":
            properties = message["schema"]["properties"]
        elif message["type"] == "RECORD":
            assert message["record"].keys() <= properties.keys()
    assert properties["start_date"]["format"] == "date-time"
    assert properties["voice_recording_status"]["type"] == ["string", "null"]
    assert "new columns are added as text: channel, end_date, notes, sentiment\n" in run.log
    assert "columns that the file does not have: agent_1_contact_number, disposition\n" in run.log


@pytest.mark.parametrize("spelling", ["camel", "capitals"])
def test_another_spelling_of_the_headers_gives_the_same_records(
    start_extraction_sandbox: StartSandbox, tap: Tap, spelling: str
) -> None:
    sandbox = start_extraction_sandbox(header_spelling=spelling)
    run = tap(extraction_config(sandbox), catalog=catalog_for(RECORDINGS, WORKFLOWS, QUESTIONS))
    assert run.code == 0
    for stream in (RECORDINGS, WORKFLOWS, QUESTIONS):
        assert_complete(run, sandbox, stream)


def test_malformed_rows_are_rejected_counted_and_quarantined(
    start_extraction_sandbox: StartSandbox, tap: Tap, tmp_path: Path
) -> None:
    sandbox = start_extraction_sandbox(bad_rows=0.2, rows_per_day=50)
    paths = {f"{name}_path": str(tmp_path / f"{name}.jsonl") for name in ("audit_log", "quarantine")}
    run = tap(extraction_config(sandbox, **paths), catalog=catalog_for(WORKFLOWS))
    assert run.code == 0
    assert_complete(run, sandbox, WORKFLOWS)
    events = read_lines(tmp_path / "audit_log.jsonl")
    rejected = sum(event["schema_errors"] for event in events if event["event"] == "validation_summary")
    assert rejected > 5
    quarantined = read_lines(tmp_path / "quarantine.jsonl")
    assert len(quarantined) == rejected
    assert all("cells, the header" in line["reason"] for line in quarantined)


@pytest.mark.parametrize("deselected", [("ani",), ("sentiment",), ("ani", "sentiment")], ids=str)
def test_a_deselected_column_is_in_no_record_and_no_schema(
    start_extraction_sandbox: StartSandbox, tap: Tap, deselected: tuple[str, ...]
) -> None:
    sandbox = start_extraction_sandbox()
    catalog = catalog_for(RECORDINGS, without=deselected)
    stream = catalog_entry(catalog, RECORDINGS)
    if "sentiment" in deselected:  # discovery does not know this column
        stream["metadata"].append({"breadcrumb": ["properties", "sentiment"], "metadata": {"selected": False}})
    run = tap(extraction_config(sandbox, end_date="2024-01-02"), catalog=catalog)
    assert len(run.records) == 12
    for message in run.messages:
        if message["type"] in {"RECORD", "SCHEMA"}:
            fields = message.get("record") or message["schema"]["properties"]
            assert not set(deselected) & fields.keys()
    assert all("dnis" in record for record in run.records)


def test_stream_maps_apply_to_new_columns(start_extraction_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_extraction_sandbox()
    maps = {RECORDINGS: {"mood": "sentiment", "sentiment": None, "notes": None}}
    run = tap(extraction_config(sandbox, end_date="2024-01-02", stream_maps=maps), catalog=catalog_for(RECORDINGS))
    assert run.code == 0
    assert len(run.records) == 12
    rows = expected_rows(sandbox, RECORDINGS, date(2024, 1, 1), date(2024, 1, 2))
    assert [record.get("mood") for record in run.records] == [row["sentiment"] for row in rows]
    assert not any("notes" in record for record in run.records)


def test_without_a_catalog_only_bot_conversations_are_read(start_extraction_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_extraction_sandbox()
    config = {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret, "api_url": sandbox.url}
    run = tap({**config, "start_date": "2024-01-01", "end_date": "2024-01-02"})
    assert run.code == 0
    assert {message["stream"] for message in run.messages if message["type"] == "RECORD"} == {"bot_conversations"}
    assert not sandbox.extractions


def test_a_selected_stream_names_the_missing_settings(tap: Tap) -> None:
    config = {"client_id": "c", "client_secret": "s", "start_date": "2024-01-01"}
    run = tap(config, catalog=catalog_for(WORKFLOWS))
    assert run.code == 2
    [error] = run.errors
    assert "Stream 'qm_workflows' needs to know where the tenant is" in error
    assert "'region', 'access_key_id' and 'access_key_secret'" in error


@pytest.mark.parametrize("method", ["access_key", "password basic", "password body", "client_credentials"])
def test_every_authentication_method_works(
    start_extraction_sandbox: StartSandbox, tap: Tap, tmp_path: Path, method: str
) -> None:
    name, _, client_auth = method.partition(" ")
    sandbox = start_extraction_sandbox(client_auth=client_auth or "any", token_seconds=2)
    client = {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret}
    config = extraction_config(sandbox) | {"auth_method": name}
    if name == "password":
        config |= {**client, "issuer": sandbox.url}
        del config["auth_url"]
    if name == "client_credentials":
        config |= {**client, "api_url": sandbox.url, "auth_url": f"{sandbox.url}/auth/token"}
    run = tap(config, catalog=catalog_for(WORKFLOWS), environment={"TAP_CXONE_LOGLEVEL": "DEBUG"})
    assert run.code == 0, run.errors
    assert_complete(run, sandbox, WORKFLOWS)
    assert_no_secrets(run, sandbox, tmp_path)


def test_the_sandbox_setting_serves_data_extraction(tap: Tap) -> None:
    config = {"sandbox": True, "start_date": "2024-01-01", "end_date": "2024-01-02", "submit_interval": 1}
    run = tap(config, catalog=catalog_for(WORKFLOWS))
    assert run.code == 0
    assert len(run.records) == 120


def test_the_connection_test_uses_the_api_of_the_settings(start_extraction_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_extraction_sandbox()
    run = tap(extraction_config(sandbox), "--test")
    assert run.code == 0, run.errors
    assert {message["stream"] for message in run.messages if message["type"] == "RECORD"} == {
        RECORDINGS,
        WORKFLOWS,
        QUESTIONS,
    }
    assert not sandbox.jobs, "no analytics export is created"
    assert len(sandbox.extractions) == 3, "one job for each stream"


# --- Days -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["INCREMENTAL", "FULL_TABLE"])
def test_a_day_that_is_not_over_is_read_again(
    start_extraction_sandbox: StartSandbox, tap: Tap, tmp_path: Path, method: str
) -> None:
    catalog = catalog_for(WORKFLOWS)
    stream = catalog_entry(catalog, WORKFLOWS)
    stream["replication_method"] = method
    sandbox = start_extraction_sandbox(rows_per_day=1440)
    today = datetime.now(UTC).date()
    config = extraction_config(
        sandbox, start_date=str(today - timedelta(days=1)), end_date=None, journal_path=str(tmp_path / "journal")
    )
    before = datetime.now(UTC)
    first = tap(config, catalog=catalog)
    second = tap(config, catalog=catalog, state=first.states[-1])
    settled = before - timedelta(minutes=30)
    days = [job.request.start_date for job in sandbox.extractions]
    assert days.count(settled.date()) == 2, "the job of the first run is not used for this day"
    if method == "INCREMENTAL":
        first_bookmark = datetime.fromisoformat(bookmark_of(first, WORKFLOWS))
        assert settled - timedelta(seconds=1) <= first_bookmark <= datetime.now(UTC) - timedelta(minutes=30)
        assert bookmark_of(second, WORKFLOWS) >= bookmark_of(first, WORKFLOWS)
    emitted = {record["workflow_id"] for run in (first, second) for record in records_of(run, WORKFLOWS)}
    rows = expected_rows(sandbox, WORKFLOWS, today - timedelta(days=1), today + timedelta(days=1))
    expected = {row["workflow_id"] for row in rows if datetime.fromisoformat(row["submission_date"]) < settled}
    assert expected
    assert expected <= emitted


def test_windows_begin_and_end_at_midnight(start_extraction_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_extraction_sandbox()
    config = extraction_config(
        sandbox, start_date="2024-01-01T15:00:00", end_date="2024-01-05T07:00:00Z", extraction_window_days=2
    )
    run = tap(config, catalog=catalog_for(QUESTIONS))
    requested = [(job.request.start_date, job.request.end_date) for job in sandbox.extractions]
    days = [date(2024, 1, day) for day in (1, 3, 5, 6)]
    assert requested == [(days[0], days[1]), (days[1], days[2]), (days[2], days[3])]
    assert_complete(run, sandbox, QUESTIONS, 1, 6)
    assert bookmark_of(run, QUESTIONS) == "2024-01-05T07:00:00.000Z"


def test_a_window_too_long_for_the_platform_is_split_at_midnight(
    start_extraction_sandbox: StartSandbox, tap: Tap
) -> None:
    sandbox = start_extraction_sandbox(fail_longer_than_days=1, submit_seconds=0)
    config = extraction_config(sandbox, extraction_window_days=3, submit_interval=0)
    run = tap(config, catalog=catalog_for(WORKFLOWS))
    assert run.code == 0
    assert_complete(run, sandbox, WORKFLOWS)


def test_days_without_rows_advance_the_bookmark(start_extraction_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_extraction_sandbox(rows_per_day=0)
    run = tap(extraction_config(sandbox), catalog=catalog_for(WORKFLOWS))
    assert run.code == 0
    assert not run.records
    assert bookmark_of(run, WORKFLOWS) == "2024-01-04T00:00:00.000Z"
