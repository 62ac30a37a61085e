"""States and journals that are damaged, or were written with a wrong clock: one sentence, or no effect."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.dates import format_date, utc_now
from tests.conftest import by_id, config_for, read_lines
from tests.end_to_end.helpers import (
    WORKFLOWS,
    assert_complete,
    catalog_for,
    expected_events,
    extraction_config,
    jobs_created,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartSandbox, Tap

YEAR_1 = "0001-01-01T00:00:00.000Z"
JOB = {
    "job_id": "job",
    "dateFrom": "2024-01-01T00:00:00.000Z",
    "dateTo": "2024-01-04T00:00:00.000Z",
    "fingerprint": "f",
    "at": YEAR_1,
}


def state_of(value: Any, stream: str = "bot_conversations", **more: Any) -> dict[str, Any]:
    bookmark = {"replication_key": "dateFrom", "replication_key_value": value} if value else {}
    return {"bookmarks": {stream: bookmark | more}}


def warnings_of(log: str) -> list[str]:
    return [line for line in log.splitlines() if "| WARNING" in line]


# --- The future -------------------------------------------------------------------------------------------------------


def test_a_bookmark_days_ahead_ends_the_run_before_the_first_request(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    run = tap(config_for(sandbox), state=state_of(format_date(utc_now() + timedelta(days=2))))
    assert run.code == 2
    [error] = run.errors
    assert "The bookmark of 'bot_conversations' in the state" in error
    assert "is more than a day in the future: set the clock of this machine" in error
    assert "Traceback" not in run.log
    assert sandbox.requests == []


def test_a_bookmark_hours_ahead_is_a_warning(start_sandbox: StartSandbox, tap: Tap) -> None:
    bookmark = format_date(utc_now() + timedelta(hours=2))
    run = tap(config_for(start_sandbox()), state=state_of(bookmark))
    assert run.code == 0
    assert run.bookmarks == [bookmark]
    [warning] = warnings_of(run.log)
    assert f"the bookmark ({bookmark}) is in the future" in warning


def test_a_start_date_in_the_future_is_a_warning(start_sandbox: StartSandbox, tap: Tap) -> None:
    run = tap(config_for(start_sandbox(), start_date=format_date(utc_now() + timedelta(days=400)), end_date=None))
    assert run.code == 0
    assert run.records == []
    [warning] = warnings_of(run.log)
    assert "setting 'start_date'" in warning
    assert "is in the future" in warning


@pytest.mark.parametrize("at", ["in an hour", "9999-12-31T23:59:59.999Z"])
@pytest.mark.parametrize("store", ["state", "journal"])
def test_a_job_of_the_future_is_not_waited_for(
    start_extraction_sandbox: StartSandbox, tap: Tap, store: str, at: str
) -> None:
    """In the journal it belongs to another stream, which shares the time between creates."""
    sandbox = start_extraction_sandbox()
    job = JOB | {"at": format_date(utc_now() + timedelta(hours=1)) if at == "in an hour" else at}
    journal = tap.folder / "journal"
    journal.write_text(json.dumps(job | {"event": "created", "scope": "another"}) if store == "journal" else "")
    state = state_of(None, WORKFLOWS, export_jobs=[job]) if store == "state" else None
    config = extraction_config(sandbox, journal_path=str(journal))
    run = tap.start(config, catalog=catalog_for(WORKFLOWS), state=state).finish(60)
    assert run.code == 0
    assert_complete(run, sandbox, WORKFLOWS)


# --- The first year ---------------------------------------------------------------------------------------------------


def test_a_bookmark_of_the_first_year_with_a_look_back_is_read_from_the_start_date(
    start_sandbox: StartSandbox, tap: Tap
) -> None:
    sandbox = start_sandbox()
    run = tap(config_for(sandbox, lookback_minutes=1440), state=state_of(YEAR_1))
    assert run.code == 0
    assert by_id(run.records) == expected_events(sandbox)


@pytest.mark.parametrize("store", ["state", "journal"])
def test_a_job_of_the_first_year_is_not_used(start_sandbox: StartSandbox, tap: Tap, tmp_path: Path, store: str) -> None:
    sandbox = start_sandbox()
    journal = tmp_path / "journal"
    config = config_for(sandbox, journal_path=str(journal))
    tap(config)
    lines = [line | {"at": YEAR_1} for line in read_lines(journal) if line["event"] == "created"]
    journal.write_text("".join(f"{json.dumps(line)}\n" for line in lines) if store == "journal" else "")
    created = jobs_created(sandbox)
    state = state_of("2024-01-01T00:00:00.000Z", export_jobs=lines if store == "state" else [])
    for _ in range(2):  # the journal then has lines of a completed run, too
        run = tap(config, state=state)
        assert run.code == 0
        assert by_id(run.records) == expected_events(sandbox)
    assert jobs_created(sandbox) == created + 4


# --- Another form -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (b"null", "must hold a JSON object"),
        (b"[]", "must hold a JSON object"),
        (b'{"a": %s}' % (b"1" * 5000), "a number in it is too long"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": "\\ud800"}', "is not in UTF-8"),
        (b'{"bookmarks": []}', "'bookmarks' is not an object"),
        (
            b'{"bookmarks": {"bot_conversations": "text"}}',
            "what it has for stream 'bot_conversations' is not an object",
        ),
        (b'{"bookmarks": {"unknown": null}}', "what it has for stream 'unknown' is not an object"),
        (b'{"bookmarks": {"bot_conversations": {"replication_key_value": 7}}}', "is not an ISO 8601 date"),
        (b'{"bookmarks": {"bot_conversations": {"replication_key_value": {"a": 1}}}}', "is not an ISO 8601 date"),
        (b'{"bookmarks": {"bot_conversations": {"replication_key_value": 1e999}}}', "is not an ISO 8601 date"),
    ],
    ids=lambda value: value[:70] if isinstance(value, str) else "",
)
def test_a_damaged_state_is_one_sentence(tap: Tap, state: bytes, reason: str) -> None:
    (tap.folder / "config.json").write_text(json.dumps({"sandbox": True, "start_date": "2024-01-01"}))
    (tap.folder / "state.json").write_bytes(state)
    code, _, log = tap.run_with_options("--config", "config.json", "--state", "state.json")
    assert code == 2
    assert "Traceback" not in log
    [error] = [line for line in log.splitlines() if "| ERROR" in line]
    assert reason in error


@pytest.mark.parametrize("jobs", ["text", ["text", 7, None, {}, JOB | {"active_before": 7}]], ids=["text", "entries"])
def test_damaged_jobs_and_platforms_in_the_state_are_ignored(
    start_sandbox: StartSandbox, tap: Tap, jobs: object
) -> None:
    sandbox = start_sandbox()
    run = tap(config_for(sandbox), state=state_of("2024-01-01", export_jobs=jobs, platform="text"))
    assert run.code == 0
    assert by_id(run.records) == expected_events(sandbox)
