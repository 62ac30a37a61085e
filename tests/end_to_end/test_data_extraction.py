"""Data Extraction streams seen from outside: the tap as a process against the sandbox's second surface."""

from __future__ import annotations

import json
import signal
import subprocess
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.records.names import column_names
from tap_cxone.sandbox import Fault
from tap_cxone.tap import TapCXone
from tests.conftest import read_lines

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tap_cxone.sandbox import Sandbox
    from tests.conftest import Run, StartSandbox, Tap

RECORDINGS, WORKFLOWS, QUESTIONS = "recording_interaction_metadata", "qm_workflows", "qm_questions"
ENTITIES = {
    RECORDINGS: ("recording-interaction-metadata", "12", ("segment_id",)),
    WORKFLOWS: ("qm-workflows", "4", ("workflow_id",)),
    QUESTIONS: ("qm-questions", "1", ("workflow_instance_id", "question_id")),
    "payroll": ("wfm-payroll", "1", ("payroll_id",)),
}
PAYROLL = {
    "entity": "wfm-payroll",
    "version": "1",
    "stream": "payroll",
    "primary_keys": ["Payroll ID"],
    "replication_key": "Date",
}
INTERVAL = 1


def config_for(sandbox: Sandbox, **settings: Any) -> dict[str, Any]:
    """Return a configuration: three days of January 2024."""
    return {
        "auth_method": "access_key",
        "auth_url": f"{sandbox.url}/authentication/v1/token/access-key",
        "access_key_id": sandbox.access_key_id,
        "access_key_secret": sandbox.access_key_secret,
        "start_date": "2024-01-01",
        "end_date": "2024-01-04",
        "submit_interval": INTERVAL,
        "poll_interval": 1,
    } | settings


def catalog_for(*streams: str, config: dict[str, Any] | None = None, without: Iterable[str] = ()) -> dict[str, Any]:
    """Return the discovered catalog with these streams selected, but for some columns."""
    catalog = TapCXone(config=config or {}, validate_config=False).catalog_dict
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = stream["tap_stream_id"] in streams
            elif entry["breadcrumb"][-1] in without:
                entry["metadata"]["selected"] = False
    return catalog


@pytest.fixture
def spaced_sandbox(start_sandbox: StartSandbox) -> StartSandbox:
    """Start sandboxes that want creates apart."""
    return lambda **switches: start_sandbox(**{"submit_seconds": INTERVAL, "rows_per_day": 12} | switches)


def keyed(records: Iterable[dict[str, Any]], keys: tuple[str, ...]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return records by their key; fails where one comes twice."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for record in records:
        key = tuple(record[name] for name in keys)
        assert key not in found, "a key came twice"
        found[key] = record
    return found


def records_of(run: Run, stream: str) -> list[dict[str, Any]]:
    return [m["record"] for m in run.messages if m["type"] == "RECORD" and m["stream"] == stream]


def held(sandbox: Sandbox, stream: str, start: date, end: date, version: str | None = None) -> list[dict[str, Any]]:
    """Return what a correct client ends up with."""
    entity, usual, _ = ENTITIES[stream]
    rows = list(sandbox.extraction_rows(entity, version or usual, start, end))
    return [dict(zip(column_names(tuple(row)), (cell or None for cell in row.values()), strict=True)) for row in rows]


def expect(run: Run, sandbox: Sandbox, stream: str, first: int = 1, behind: int = 4) -> None:
    keys = ENTITIES[stream][2]
    found = keyed(records_of(run, stream), keys)
    wanted = keyed(held(sandbox, stream, date(2024, 1, first), date(2024, 1, behind)), keys)
    assert {key: found.get(key) for key in wanted} == wanted
    assert all(key in wanted for key in found)


def bookmark(run: Run, stream: str) -> str:
    value: str = run.states[-1]["bookmarks"][stream]["replication_key_value"]
    return value


def nothing_secret(run: Run, sandbox: Sandbox, folder: Path) -> None:
    """Look for keys, tokens and signed addresses in everything that a run has left."""
    left = run.out + run.log + "".join(path.read_text() for path in folder.glob("*.jsonl"))
    secrets = [sandbox.access_key_secret, sandbox.access_key_id, *sandbox.tokens]
    signatures = [url.partition("?")[2] for url in sandbox.signed_urls]
    assert sandbox.tokens
    assert not [secret for secret in secrets if secret in left]
    assert not [signature for signature in signatures if signature in left]
    assert "X-Amz-Signature" not in left


# --- Everything, once, and within the limits --------------------------------------------------------------------------


@pytest.mark.parametrize("inclusive", [False, True])
def test_every_row_comes_once_in_either_reading_of_the_dates(
    spaced_sandbox: StartSandbox, tap: Tap, tmp_path: Path, *, inclusive: bool
) -> None:
    sandbox = spaced_sandbox(inclusive_end=inclusive, repeated_records=0.2)
    paths = {f"{name}_path": str(tmp_path / f"{name}.jsonl") for name in ("audit_log", "journal", "quarantine")}
    config = config_for(sandbox, sample_size=5, **paths)
    run = tap(
        config,
        catalog=catalog_for(RECORDINGS, WORKFLOWS, QUESTIONS),
        environment={"TAP_CXONE_LOGLEVEL": "DEBUG"},
    )
    assert run.code == 0
    for stream, (_, _, keys) in list(ENTITIES.items())[:3]:
        found = keyed(records_of(run, stream), keys)
        # In the inclusive reading the last file has the day behind the range as well.
        days = keyed(held(sandbox, stream, date(2024, 1, 1), date(2024, 1, 5 if inclusive else 4)), keys)
        assert found == days
        assert bookmark(run, stream) == "2024-01-04T00:00:00.000Z"
    assert sandbox.refused_creates == 0
    assert sandbox.max_active_extractions == 1
    created = [job.created_at for job in sandbox.extractions]
    assert len(created) == 9
    assert min(later - earlier for earlier, later in pairwise(created)) >= INTERVAL
    nothing_secret(run, sandbox, tmp_path)
    windows = [event for event in read_lines(tmp_path / "audit_log.jsonl") if event["event"] == "window_extracted"]
    assert len(windows) == 9
    assert all(event["sample"] == [] for event in windows), "samples of these streams are never kept"


def test_a_schema_precedes_the_first_record_with_its_columns(spaced_sandbox: StartSandbox, tap: Tap) -> None:
    run = tap(config_for(spaced_sandbox()), catalog=catalog_for(RECORDINGS))
    known: dict[str, Any] = {}
    for message in run.messages:
        if message["type"] == "SCHEMA":
            known = message["schema"]["properties"]
        elif message["type"] == "RECORD":
            assert message["record"].keys() <= known.keys()
    assert known["start_date"]["format"] == "date-time"
    assert known["voice_recording_status"]["type"] == ["string", "null"]
    assert "new columns are taken up, as text: agent_1_acd_id" in run.log


def test_only_bot_conversations_without_a_catalog(spaced_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = spaced_sandbox()
    given = {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret, "api_url": sandbox.url}
    run = tap({**given, "start_date": "2024-01-01", "end_date": "2024-01-02"})
    assert run.code == 0
    assert {message["stream"] for message in run.messages if message["type"] == "RECORD"} == {"bot_conversations"}
    assert not sandbox.extractions


def test_a_selected_stream_says_what_it_lacks(tap: Tap) -> None:
    config = {"client_id": "c", "client_secret": "s", "start_date": "2024-01-01"}
    run = tap(config, catalog=catalog_for(WORKFLOWS))
    assert run.code == 1
    [error] = run.errors
    assert "Stream 'qm_workflows' needs to know where the tenant is" in error
    assert "'region', 'access_key_id' and 'access_key_secret'" in error


# --- Days -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["INCREMENTAL", "FULL_TABLE"])
def test_a_day_that_is_not_over_is_read_again(
    spaced_sandbox: StartSandbox, tap: Tap, tmp_path: Path, method: str
) -> None:
    catalog = catalog_for(WORKFLOWS)
    [stream] = [stream for stream in catalog["streams"] if stream["tap_stream_id"] == WORKFLOWS]
    stream["replication_method"] = method
    sandbox = spaced_sandbox(rows_per_day=1440)
    today = datetime.now(UTC).date()
    config = config_for(
        sandbox, start_date=str(today - timedelta(days=1)), end_date=None, journal_path=str(tmp_path / "journal")
    )
    before = datetime.now(UTC)
    first = tap(config, catalog=catalog)
    second = tap(config, catalog=catalog, state=first.states[-1])
    settled = before - timedelta(minutes=30)
    days = [job.request.start_date for job in sandbox.extractions]
    assert days.count(settled.date()) == 2, "its job of the first run is of no use any more"
    if method == "INCREMENTAL":
        mark = datetime.fromisoformat(bookmark(first, WORKFLOWS))
        assert settled - timedelta(seconds=1) <= mark <= datetime.now(UTC) - timedelta(minutes=30)
        assert bookmark(second, WORKFLOWS) >= bookmark(first, WORKFLOWS)
    both = {record["workflow_id"] for run in (first, second) for record in records_of(run, WORKFLOWS)}
    rows = held(sandbox, WORKFLOWS, today - timedelta(days=1), today + timedelta(days=1))
    due = {row["workflow_id"] for row in rows if datetime.fromisoformat(row["submission_date"]) < settled}
    assert due
    assert due <= both


def test_windows_begin_and_end_at_midnight(spaced_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = spaced_sandbox()
    config = config_for(
        sandbox, start_date="2024-01-01T15:00:00", end_date="2024-01-05T07:00:00Z", extraction_window_days=2
    )
    run = tap(config, catalog=catalog_for(QUESTIONS))
    asked = [(job.request.start_date, job.request.end_date) for job in sandbox.extractions]
    days = [date(2024, 1, day) for day in (1, 3, 5, 6)]
    assert asked == [(days[0], days[1]), (days[1], days[2]), (days[2], days[3])]
    expect(run, sandbox, QUESTIONS, 1, 6)
    assert bookmark(run, QUESTIONS) == "2024-01-05T07:00:00.000Z"


def test_a_window_that_is_too_long_for_the_platform_is_cut_at_a_midnight(
    spaced_sandbox: StartSandbox, tap: Tap
) -> None:
    sandbox = spaced_sandbox(fail_longer_than_days=1, submit_seconds=0)
    config = config_for(sandbox, extraction_window_days=3, submit_interval=0)
    run = tap(config, catalog=catalog_for(WORKFLOWS))
    assert run.code == 0
    expect(run, sandbox, WORKFLOWS)


# --- The tenant's one place -------------------------------------------------------------------------------------------


def test_a_job_of_somebody_else_is_waited_for(spaced_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = spaced_sandbox(foreign_extractions=1, foreign_seconds=4)
    run = tap(config_for(sandbox, end_date="2024-01-02"), catalog=catalog_for(WORKFLOWS))
    assert run.code == 0
    expect(run, sandbox, WORKFLOWS, 1, 2)
    assert sandbox.refused_creates == 0
    assert "waits for a place: 1 exports are active" in run.log
    assert all(not job.downloads for job in sandbox.extractions if job.foreign)


def test_a_second_integration_does_not_stop_a_run(spaced_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = spaced_sandbox(rival_every=3, foreign_seconds=1)
    run = tap(config_for(sandbox), catalog=catalog_for(WORKFLOWS))
    assert run.code == 0
    expect(run, sandbox, WORKFLOWS)


def test_a_missing_permission_ends_the_run_with_both_causes(spaced_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = spaced_sandbox(forbidden_entities="qm-workflows", submit_seconds=0)
    run = tap(config_for(sandbox, submit_interval=0), catalog=catalog_for(WORKFLOWS))
    assert run.code == 1
    [error] = run.errors
    assert "403" in error
    assert "permission" in error
    assert "throttled" in error
    assert 2 < sandbox.refused_creates <= 10


def killed_at_first_job(tap: Tap, config: dict[str, Any]) -> dict[str, Any]:
    """Kill a run when its first job has gone out with the state; return that state."""
    process = subprocess.Popen(
        tap.command(config, catalog=catalog_for(WORKFLOWS)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=tap.folder,
    )
    assert process.stdout
    lines = (json.loads(line) for line in process.stdout)
    state: dict[str, Any] = next(
        message["value"]
        for message in lines
        if message["type"] == "STATE" and "export_jobs" in message["value"]["bookmarks"].get(WORKFLOWS, {})
    )
    process.kill()
    process.communicate()
    return state


@pytest.mark.parametrize("memory", ["state", "journal"])
def test_a_job_is_adopted_after_a_crash(spaced_sandbox: StartSandbox, tap: Tap, tmp_path: Path, memory: str) -> None:
    sandbox = spaced_sandbox(job_seconds=2)
    journal = {"journal_path": str(tmp_path / "journal")} if memory == "journal" else {}
    config = config_for(sandbox, **journal)
    state = killed_at_first_job(tap, config)
    run = tap(config, catalog=catalog_for(WORKFLOWS), state=state if memory == "state" else None)
    assert run.code == 0
    expect(run, sandbox, WORKFLOWS)
    assert len(sandbox.extractions) == 3
    assert sandbox.refused_creates == 0
    assert "of an earlier run is" in run.log


def test_an_expired_job_is_made_again(spaced_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = spaced_sandbox(extraction_expires_after=1)
    config = config_for(sandbox, end_date="2024-01-02")
    state = killed_at_first_job(tap, config)
    while sandbox.extractions[0].status != "EXPIRED":
        pass
    run = tap(config, catalog=catalog_for(WORKFLOWS), state=state)
    assert run.code == 0
    expect(run, sandbox, WORKFLOWS, 1, 2)
    assert len(sandbox.extractions) == 2


def test_a_signal_ends_a_wait_for_the_next_create(spaced_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = spaced_sandbox(submit_seconds=60)
    process = subprocess.Popen(
        tap.command(config_for(sandbox, submit_interval=60), catalog=catalog_for(WORKFLOWS)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=tap.folder,
    )
    assert process.stdout
    while '"replication_key_value"' not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=10)
    assert process.returncode == 143
    last = json.loads(out.splitlines()[-1])["value"]["bookmarks"][WORKFLOWS]
    assert last["replication_key_value"] == "2024-01-02T00:00:00.000Z"


# --- Files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Fault("download", "403", times=2),
        Fault("download", "cut", times=1),
        Fault("download", "503", times=1),
        Fault("status", "403", times=2),
        Fault("list", "403", times=2),
        Fault("create", "403", times=1),
        Fault("create", "lost", times=1),
        Fault("token", "503", times=1),
        Fault("status", "401", times=1),
    ],
    ids=lambda fault: f"{fault.call}={fault.kind}",
)
def test_what_passes_is_got_around(spaced_sandbox: StartSandbox, tap: Tap, tmp_path: Path, fault: Fault) -> None:
    sandbox = spaced_sandbox(faults=(fault,))
    run = tap(
        config_for(sandbox, end_date="2024-01-02"),
        catalog=catalog_for(RECORDINGS),
        environment={"TAP_CXONE_LOGLEVEL": "DEBUG"},
    )
    assert run.code == 0, run.errors
    expect(run, sandbox, RECORDINGS, 1, 2)
    nothing_secret(run, sandbox, tmp_path)


def test_a_signed_address_is_asked_for_anew_when_it_has_run_out(spaced_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = spaced_sandbox(faults=(Fault("download", "403", times=2),))
    run = tap(config_for(sandbox, end_date="2024-01-02"), catalog=catalog_for(WORKFLOWS))
    asked = [request for request in sandbox.requests if request.call == "download"]
    assert len({request.path for request in asked}) >= 1
    assert [request.status for request in asked] == [403, 403, 200]
    calls = [request.call for request in sandbox.requests]
    assert [before for before, call in pairwise(calls) if call == "download"] == ["status"] * 3
    expect(run, sandbox, WORKFLOWS, 1, 2)


def test_rows_that_do_not_fit_are_refused_counted_and_kept(
    spaced_sandbox: StartSandbox, tap: Tap, tmp_path: Path
) -> None:
    sandbox = spaced_sandbox(bad_rows=0.2, rows_per_day=50)
    paths = {f"{name}_path": str(tmp_path / f"{name}.jsonl") for name in ("audit_log", "quarantine")}
    run = tap(config_for(sandbox, **paths), catalog=catalog_for(WORKFLOWS))
    assert run.code == 0
    expect(run, sandbox, WORKFLOWS)
    events = read_lines(tmp_path / "audit_log.jsonl")
    refused = sum(event["schema_errors"] for event in events if event["event"] == "validation_summary")
    assert refused > 5
    kept = read_lines(tmp_path / "quarantine.jsonl")
    assert len(kept) == refused
    assert all("cells, the header" in line["reason"] for line in kept)


def test_days_without_rows_move_the_bookmark(spaced_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = spaced_sandbox(rows_per_day=0)
    run = tap(config_for(sandbox), catalog=catalog_for(WORKFLOWS))
    assert run.code == 0
    assert not run.records
    assert bookmark(run, WORKFLOWS) == "2024-01-04T00:00:00.000Z"


# --- Entities by configuration ----------------------------------------------------------------------------------------


def test_any_entity_can_be_configured(spaced_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = spaced_sandbox()
    entities = [PAYROLL | {"window_days": 3}]
    config = config_for(sandbox)
    # As from an orchestrator's environment.
    run = tap(
        config,
        "--config=ENV",
        catalog=catalog_for("payroll", config={"data_extraction_entities": entities}),
        environment={"TAP_CXONE_DATA_EXTRACTION_ENTITIES": json.dumps(entities)},
    )
    assert run.code == 0
    expect(run, sandbox, "payroll")
    assert len(sandbox.extractions) == 1


def test_a_fixed_schema_types_and_drops(spaced_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = spaced_sandbox()
    schema = {"properties": {"Payroll ID": {"type": "string"}, "Hours": {"type": ["number", "null"]}}}
    entities = [PAYROLL | {"schema": schema}]
    config = config_for(sandbox, end_date="2024-01-02", data_extraction_entities=entities)
    run = tap(config, catalog=catalog_for("payroll", config={"data_extraction_entities": entities}))
    assert run.code == 0
    rows = held(sandbox, "payroll", date(2024, 1, 1), date(2024, 1, 2))
    assert [record["hours"] for record in run.records] == [row["hours"] and float(row["hours"]) for row in rows]
    assert all(record.keys() == {"payroll_id", "hours", "date"} for record in run.records)
    assert "fields that the schema does not have are dropped: 'agent_name'" in run.log


def test_a_version_changes_the_columns(spaced_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = spaced_sandbox()
    old = {"data_extraction_entities": [{"stream": RECORDINGS, "version": "10"}]}
    first = tap(config_for(sandbox, end_date="2024-01-02", **old), catalog=catalog_for(RECORDINGS))
    assert all("disposition" in record for record in first.records)
    second = tap(config_for(sandbox, end_date="2024-01-03"), catalog=catalog_for(RECORDINGS), state=first.states[-1])
    assert all("disposition" not in record and "channel" in record for record in second.records)
    assert "channel" in second.log


def test_types_that_were_assumed_wrongly_lose_nothing(spaced_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = spaced_sandbox()
    catalog = catalog_for(WORKFLOWS)
    [stream] = [stream for stream in catalog["streams"] if stream["tap_stream_id"] == WORKFLOWS]
    stream["schema"]["properties"]["form_name"] = {"type": "integer"}
    run = tap(config_for(sandbox), catalog=catalog)
    assert run.code == 1
    assert not run.records
    assert "none of its" in run.errors[0]
    assert "'data_extraction_entities'" in run.errors[0]


def test_a_file_without_the_key_ends_the_run_after_one_job(spaced_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = spaced_sandbox()
    entities = [{"stream": WORKFLOWS, "primary_keys": ["Ticket"]}]
    config = config_for(sandbox, data_extraction_entities=entities)
    run = tap(config, catalog=catalog_for(WORKFLOWS, config={"data_extraction_entities": entities}))
    assert run.code == 1
    assert "no column for the key ticket; it has workflow_id, submission_date" in run.errors[0]
    assert "'primary_keys'" in run.errors[0]
    assert len(sandbox.extractions) <= 2


# --- The SDK's own way ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left_out", [("agent_1_name",), ("ani",), ("agent_1_name", "ani")], ids=str)
def test_a_column_that_is_not_selected_stays_out(
    spaced_sandbox: StartSandbox, tap: Tap, left_out: tuple[str, ...]
) -> None:
    sandbox = spaced_sandbox()
    catalog = catalog_for(RECORDINGS, without=left_out)
    [stream] = [stream for stream in catalog["streams"] if stream["tap_stream_id"] == RECORDINGS]
    if "ani" in left_out:  # which discovery does not know
        stream["metadata"].append({"breadcrumb": ["properties", "ani"], "metadata": {"selected": False}})
    run = tap(config_for(sandbox, end_date="2024-01-02"), catalog=catalog)
    assert len(run.records) == 12
    for message in run.messages:
        if message["type"] in {"RECORD", "SCHEMA"}:
            fields = message.get("record") or message["schema"]["properties"]
            assert not set(left_out) & fields.keys()
    assert all("dnis" in record for record in run.records)


def test_stream_maps_see_new_columns(spaced_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = spaced_sandbox()
    maps = {RECORDINGS: {"who": "agent_1_team", "agent_1_team": None, "notes": None}}
    run = tap(config_for(sandbox, end_date="2024-01-02", stream_maps=maps), catalog=catalog_for(RECORDINGS))
    assert run.code == 0
    assert len(run.records) == 12
    teams = [row["agent_1_team"] for row in held(sandbox, RECORDINGS, date(2024, 1, 1), date(2024, 1, 2))]
    assert [record.get("who") for record in run.records] == teams
    assert not any("notes" in record for record in run.records)


# --- Who --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["access_key", "password basic", "password body", "client_credentials"])
def test_each_way_to_a_token(spaced_sandbox: StartSandbox, tap: Tap, tmp_path: Path, method: str) -> None:
    name, _, client_auth = method.partition(" ")
    sandbox = spaced_sandbox(client_auth=client_auth or "any", token_seconds=2)
    client = {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret}
    config = config_for(sandbox) | {"auth_method": name}
    if name == "password":
        config |= {**client, "issuer": sandbox.url}
        del config["auth_url"]
    if name == "client_credentials":
        config |= {**client, "api_url": sandbox.url, "auth_url": f"{sandbox.url}/auth/token"}
    run = tap(config, catalog=catalog_for(WORKFLOWS), environment={"TAP_CXONE_LOGLEVEL": "DEBUG"})
    assert run.code == 0, run.errors
    expect(run, sandbox, WORKFLOWS)
    nothing_secret(run, sandbox, tmp_path)


def test_the_sandbox_setting_serves_this_surface_too(tap: Tap) -> None:
    config = {"sandbox": True, "start_date": "2024-01-01", "end_date": "2024-01-02", "submit_interval": 1}
    run = tap(config, catalog=catalog_for(WORKFLOWS))
    assert run.code == 0
    assert len(run.records) == 120


# --- Found by trying to break it --------------------------------------------------------------------------------------


def test_two_pipelines_of_one_tenant_both_come_through(spaced_sandbox: StartSandbox, tap: Tap, tmp_path: Path) -> None:
    sandbox = spaced_sandbox(rows_per_day=5)
    other = type(tap)(tmp_path / "other")
    other.folder.mkdir()
    config = config_for(sandbox, end_date="2024-01-05")
    beside = subprocess.Popen(
        other.command(config, catalog=catalog_for(QUESTIONS)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=other.folder,
    )
    run = tap(config, catalog=catalog_for(WORKFLOWS))
    out, _ = beside.communicate(timeout=120)
    assert (run.code, beside.returncode) == (0, 0), run.errors
    expect(run, sandbox, WORKFLOWS, 1, 5)
    assert out.count('"type":"RECORD"') == len(held(sandbox, QUESTIONS, date(2024, 1, 1), date(2024, 1, 5)))


def test_the_state_alone_remembers_when_a_job_was_last_asked_for(spaced_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = spaced_sandbox(submit_seconds=4)
    config = config_for(sandbox, submit_interval=4, end_date="2024-01-03")
    run = tap(config, catalog=catalog_for(WORKFLOWS), state=killed_at_first_job(tap, config))
    assert run.code == 0
    assert len(sandbox.extractions) == 2
    assert sandbox.refused_creates == 0


@pytest.mark.parametrize("kind", ["503", "429"])
def test_a_create_that_failed_is_repeated_no_sooner_than_the_interval(
    spaced_sandbox: StartSandbox, tap: Tap, kind: str
) -> None:
    sandbox = spaced_sandbox(faults=(Fault("create", kind, times=1),), retry_after=1)
    run = tap(config_for(sandbox, submit_interval=3, end_date="2024-01-02"), catalog=catalog_for(WORKFLOWS))
    assert run.code == 0
    asked = [request.at for request in sandbox.requests if request.call == "create"]
    assert len(asked) == 2
    assert asked[1] - asked[0] >= 3


def test_the_connection_test_asks_the_surface_that_the_settings_are_for(spaced_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = spaced_sandbox()
    run = tap(config_for(sandbox), "--test")
    assert run.code == 0, run.errors
    assert {message["stream"] for message in run.messages if message["type"] == "RECORD"} == {
        RECORDINGS,
        WORKFLOWS,
        QUESTIONS,
    }
    assert not sandbox.jobs, "no analytics export was asked for"


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"properties": {"Payroll ID": {"type": "integer"}}}, "none of its 12 rows has the types"),
        (
            {"properties": {"Tax": {"type": "string"}}, "required": ["Tax"]},
            "no column for the required field tax",
        ),
    ],
)
def test_a_schema_that_fits_no_row_loses_nothing(
    spaced_sandbox: StartSandbox, tap: Tap, schema: dict[str, Any], said: str
) -> None:
    sandbox = spaced_sandbox()
    entities = [PAYROLL | {"schema": schema}]
    config = config_for(sandbox, data_extraction_entities=entities)
    run = tap(config, catalog=catalog_for("payroll", config={"data_extraction_entities": entities}))
    assert run.code == 1
    assert not run.records
    assert said in run.errors[0]
    assert "replication_key_value" not in json.dumps(run.states)


def test_a_storage_that_refuses_every_address_is_named(spaced_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = spaced_sandbox(faults=(Fault("download", "403"),))
    run = tap(config_for(sandbox, submit_interval=0, end_date="2024-01-02"), catalog=catalog_for(WORKFLOWS))
    assert run.code == 1
    assert "The storage at" in run.errors[0]
    assert "a proxy, a firewall" in run.errors[0]
