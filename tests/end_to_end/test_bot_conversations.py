"""The whole tap as a process, over HTTP against the sandbox."""

from __future__ import annotations

import json
import stat
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.sandbox import Fault
from tests.conftest import Tap, by_id, config_for, january, read_lines

if TYPE_CHECKING:
    from pathlib import Path

    from tap_cxone.sandbox import Sandbox
    from tests.conftest import StartSandbox


SANDBOX_ONLY = {"SANDBOX": "true", "START_DATE": "2024-01-01", "END_DATE": "2024-01-02"}


def held(sandbox: Sandbox, first: int, last: int) -> dict[str, dict[str, Any]]:
    return by_id(sandbox.valid_events(january(first), january(last)))


def test_every_event_comes_once_with_its_values(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    run = tap(config_for(sandbox))
    assert run.code == 0
    assert by_id(run.records) == held(sandbox, 1, 11)


def test_windows_are_half_open_touch_and_keep_to_the_limit(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    tap(config_for(sandbox, window_days=30, end_date="2024-03-15T10:00:00+02:00"))
    edges = [(job.date_from, job.date_to) for job in sandbox.jobs]
    assert [job.body["query"]["dateFrom"] for job in sandbox.jobs] == [
        "2024-01-01T00:00:00.000Z",
        "2024-01-31T00:00:00.000Z",
        "2024-03-01T00:00:00.000Z",
    ]
    assert sandbox.jobs[-1].body["query"]["dateTo"] == "2024-03-15T08:00:00.000Z"
    assert all(end == start for (_, end), (start, _) in pairwise(edges))


def test_a_state_follows_the_records_of_each_window(start_sandbox: StartSandbox, tap: Tap) -> None:
    run = tap(config_for(start_sandbox()))
    bookmark = ""
    for message in run.messages:
        if message["type"] == "RECORD":
            assert message["record"]["dateFrom"] >= bookmark, "a bookmark passed a record that was still to come"
        elif message["type"] == "STATE":
            bookmark = message["value"]["bookmarks"]["bot_conversations"].get("replication_key_value", "")
    assert run.bookmarks == sorted(run.bookmarks)
    assert set(run.bookmarks) == {f"2024-01-{day:02}T00:00:00.000Z" for day in (4, 7, 10, 11)}


def test_a_second_run_asks_only_for_what_is_new(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    first = tap(config_for(sandbox, end_date="2024-01-07"))
    second = tap(config_for(sandbox), state=first.states[-1])
    assert [str(job.date_from)[:10] for job in sandbox.jobs] == ["2024-01-01", "2024-01-04", "2024-01-07", "2024-01-10"]
    assert by_id(first.records + second.records) == held(sandbox, 1, 11)
    third = tap(config_for(sandbox), state=second.states[-1])
    assert third.code == 0
    assert third.records == []
    assert len(sandbox.jobs) == 4


def test_look_back_reads_again_without_moving_the_bookmark_back(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    state = tap(config_for(sandbox)).states[-1]
    again = tap(config_for(sandbox, lookback_minutes="1440"), state=state)
    assert by_id(again.records) == held(sandbox, 10, 11)
    assert set(again.bookmarks) == {"2024-01-11T00:00:00.000Z"}


def test_an_end_before_the_bookmark_changes_nothing(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    state = tap(config_for(sandbox)).states[-1]
    again = tap(config_for(sandbox, end_date="2024-01-05", lookback_minutes=1440), state=state)
    assert again.code == 0
    assert again.records == []
    assert set(again.bookmarks) == {"2024-01-11T00:00:00.000Z"}


def test_a_bookmark_never_moves_backwards_within_a_look_back(start_sandbox: StartSandbox, tap: Tap) -> None:
    """The windows of a long look-back end before the bookmark; a crash among them must not lose ground."""
    sandbox = start_sandbox()
    state = tap(config_for(sandbox)).states[-1]
    again = tap(config_for(sandbox, lookback_minutes=8 * 1440, window_days=1), state=state)
    assert len(again.records) == 8 * 24
    assert set(again.bookmarks) == {"2024-01-11T00:00:00.000Z"}


def test_a_start_date_behind_the_bookmark_is_said(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    state = tap(config_for(sandbox, end_date="2024-01-03")).states[-1]
    run = tap(config_for(sandbox, start_date="2024-01-08"), state=state)
    assert by_id(run.records) == held(sandbox, 8, 11)
    assert "'start_date' (2024-01-08T00:00:00.000Z) is later than the bookmark" in run.log


def test_empty_windows_advance_the_bookmark(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    run = tap(config_for(sandbox, start_date="2023-12-01", end_date="2023-12-09"))
    assert run.code == 0
    assert run.records == []
    assert run.bookmarks[-1] == "2023-12-09T00:00:00.000Z"
    assert len(set(run.bookmarks)) == 3


def test_full_table_reads_the_whole_range(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    state = tap(config_for(sandbox)).states[-1]
    catalog = json.loads(tap.text("--discover")[1])
    catalog["streams"][0]["replication_method"] = "FULL_TABLE"
    run = tap(config_for(sandbox), state=state, catalog=catalog)
    assert by_id(run.records) == held(sandbox, 1, 11)


@pytest.mark.parametrize(
    "shape",
    [
        {"encoding": "payload"},
        {"encoding": "transport"},
        {"encoding": "both"},
        {"encoding": "none"},
        {"encoding": "mislabelled"},
        {"members": 5},
        {"layout": "pretty"},
        {"layout": "ndjson"},
        {"layout": "ndjson", "encoding": "none", "members": 1},
    ],
    ids=str,
)
def test_the_bytes_decide_what_a_download_is(start_sandbox: StartSandbox, tap: Tap, shape: dict[str, Any]) -> None:
    sandbox = start_sandbox(**shape)
    run = tap(config_for(sandbox, window_days=30))
    assert by_id(run.records) == held(sandbox, 1, 11)


@pytest.mark.parametrize("settings", [{"export_compression": "none"}, {"export_compression": "gzip"}], ids=str)
@pytest.mark.parametrize("csv_bom", [False, True])
def test_csv_gives_the_same_records(
    start_sandbox: StartSandbox, tap: Tap, settings: dict[str, Any], *, csv_bom: bool
) -> None:
    sandbox = start_sandbox(csv_bom=csv_bom)
    run = tap(config_for(sandbox, export_format="csv", window_days=30, **settings))
    assert by_id(run.records) == held(sandbox, 1, 11)
    assert sandbox.jobs[0].body["compression"] == (None if settings["export_compression"] == "none" else "gzip")


def test_bad_and_repeated_records(start_sandbox: StartSandbox, tap: Tap, tmp_path: Path) -> None:
    sandbox = start_sandbox(bad_records=0.1, repeated_records=0.1, invalid_first=0.1, extra_fields=True)
    audit, quarantine = tmp_path / "deep" / "audit.jsonl", tmp_path / "quarantine.jsonl"
    run = tap(config_for(sandbox, audit_log_path=str(audit), quarantine_path=str(quarantine), sample_size=3))
    assert run.code == 0
    assert by_id(run.records) == held(sandbox, 1, 11)
    events = read_lines(audit)
    kept = read_lines(quarantine)
    refused = [event for event in events if event["event"] == "schema_validation_failure"]
    summaries = [event for event in events if event["event"] == "validation_summary"]
    assert len(refused) == len(kept) == sum(event["schema_errors"] for event in summaries) > 0
    assert sum(event["validated"] for event in summaries) == len(run.records)
    assert sum(event["duplicates"] for event in summaries) > 0
    for event in summaries:
        assert event["total_records"] == event["validated"] + event["duplicates"] + event["schema_errors"]
    assert any(event["missing_fields"] for event in refused)
    assert all(event["reason"] and entry["reason"] for event, entry in zip(refused, kept, strict=True))
    samples = [event["sample"] for event in events if event["event"] == "window_extracted"]
    assert [len(sample) for sample in samples] == [3, 3, 3, 3]
    assert samples[0] == run.records[:3]
    named = [line for line in run.log.splitlines() if "fields that the schema does not have" in line]
    assert len(named) == 4, "unknown fields are named once for each window"
    assert stat.S_IMODE(audit.stat().st_mode) == stat.S_IMODE(quarantine.stat().st_mode) == 0o600


def test_the_audit_log_tells_the_whole_run(start_sandbox: StartSandbox, tap: Tap, tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    sandbox = start_sandbox(fail_first=1)
    run = tap(config_for(sandbox, audit_log_path=str(audit), window_days=10))
    events = read_lines(audit)
    assert [event["event"] for event in events] == [
        "run_started",
        "export_job_created",
        "export_job_failed",
        "export_job_created",
        "export_job_completed",
        "export_downloaded",
        "validation_summary",
        "window_extracted",
        "run_finished",
    ]
    assert len({event["run_id"] for event in events}) == 1
    assert events[1].keys() >= {"stream", "job_id", "dateFrom", "dateTo", "format", "compression", "latency_ms"}
    assert events[2]["reason"]
    *_, downloaded, _, extracted, finished = events
    assert (downloaded["bytes"], downloaded["attempts"]) == (extracted["bytes"], 1)
    assert extracted["bookmark"] == finished["bookmark"] == "2024-01-11T00:00:00.000Z"
    assert (finished["exit"], finished["reason"]) == ("completed", None)
    assert (finished["windows"], finished["windows_done"], finished["jobs"], finished["jobs_failed"]) == (1, 1, 2, 1)
    assert finished["records"] == len(run.records)
    assert finished["requests"] == len(sandbox.requests)
    times = [finished[f"{name}_seconds"] for name in ("queue", "queue_or_running", "running", "download", "emit")]
    assert 0 < sum(times) <= finished["wall_seconds"]
    assert extracted["record_count"] == len(run.records)
    assert extracted["job_id"] == sandbox.jobs[1].id
    assert extracted["bytes"] > 0
    assert extracted["days"] == {f"2024-01-{day:02}": 24 for day in range(1, 11)}
    assert extracted["sample"] == []
    assert all(event["logged_at"].endswith("Z") for event in events)


def test_an_event_that_two_neighbours_return_is_emitted_once(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(inclusive_end=True)
    run = tap(config_for(sandbox))
    emitted = by_id(run.records)
    assert emitted.items() >= held(sandbox, 1, 11).items()
    assert len(emitted) <= len(held(sandbox, 1, 11)) + 1, "only the event at the very end may come on top"


def test_a_failing_platform_ends_the_run_in_front_of_the_window(
    start_sandbox: StartSandbox, tap: Tap, tmp_path: Path
) -> None:
    sandbox = start_sandbox(fail_longer_than_hours=47)
    state = {
        "bookmarks": {
            "bot_conversations": {
                "replication_key": "dateFrom",
                "replication_key_value": "2024-01-02T00:00:00+00:00",
            }
        }
    }
    audit = tmp_path / "audit.jsonl"
    sandbox = start_sandbox(fail_all=True)
    run = tap(config_for(sandbox, audit_log_path=str(audit)), state=state)
    assert run.code == 1
    assert run.records == []
    [error] = run.errors
    assert "2024-01-02T00:00:00.000Z/" in error
    assert any(job.id in error for job in sandbox.jobs)
    assert "Traceback" not in run.log
    assert set(run.bookmarks) == {"2024-01-02T00:00:00+00:00"}
    *_, failure, finished = read_lines(audit)
    assert (failure["event"], finished["event"]) == ("pipeline_error", "run_finished")
    assert (finished["exit"], finished["reason"]) == ("failed", failure["reason"])


@pytest.mark.parametrize("damage", ["truncated", "corrupt", "unclosed", "cut", "html"])
def test_a_damaged_download_is_fetched_again(start_sandbox: StartSandbox, tap: Tap, damage: str) -> None:
    encoding = {"encoding": "none"} if damage == "unclosed" else {}
    sandbox = start_sandbox(faults=(Fault("download", damage, times=2),), **encoding)
    run = tap(config_for(sandbox))
    assert run.code == 0
    assert by_id(run.records) == held(sandbox, 1, 11)
    assert len(sandbox.jobs) == 4


@pytest.mark.parametrize("damage", ["truncated", "corrupt"])
def test_what_stays_damaged_is_an_error_and_never_half_a_window(
    start_sandbox: StartSandbox, tap: Tap, damage: str
) -> None:
    sandbox = start_sandbox(faults=(Fault("download", damage, after=1),))
    run = tap(config_for(sandbox, max_concurrent_exports=1))
    assert run.code == 1
    assert by_id(run.records) == held(sandbox, 1, 4)
    assert run.bookmarks[-1] == "2024-01-04T00:00:00.000Z"


def test_tokens_are_renewed_in_the_middle_of_a_long_poll(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(token_seconds=1.0, job_seconds=2.5)
    run = tap(config_for(sandbox, window_days=30))
    assert run.code == 0
    assert len(run.records) == 240
    assert sum(request.call == "token" for request in sandbox.requests) >= 3


def test_a_401_renews_the_token_once_and_repeats_the_request(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(faults=(Fault("status", "401", times=1), Fault("create", "401", times=1)))
    run = tap(config_for(sandbox, window_days=30))
    assert run.code == 0
    assert len(sandbox.jobs) == 1
    assert sum(request.call == "token" for request in sandbox.requests) == 3


def test_selection_stream_maps_and_flattening(start_sandbox: StartSandbox, tap: Tap, tmp_path: Path) -> None:
    sandbox = start_sandbox()
    catalog = json.loads(tap.text("--discover")[1])
    for entry in catalog["streams"][0]["metadata"]:
        if entry["breadcrumb"] == ["properties", "agentId"]:
            entry["metadata"]["selected"] = False
    audit = tmp_path / "audit.jsonl"
    maps = {"bot_conversations": {"botId": "md5(botId)", "minutes": "duration / 60"}}
    run = tap(
        config_for(
            sandbox,
            stream_maps=maps,
            flattening_enabled=True,
            flattening_max_depth=1,
            sample_size=1,
            audit_log_path=str(audit),
        ),
        catalog=catalog,
    )
    assert run.code == 0
    [schema] = [message["schema"] for message in run.messages if message["type"] == "SCHEMA"]
    assert "agentId" not in schema["properties"]
    assert "minutes" in schema["properties"]
    expected = held(sandbox, 1, 11)
    for record in run.records:
        assert "agentId" not in record
        assert record["botId"] != expected[record["id"]]["botId"]
        assert record["minutes"] == pytest.approx(expected[record["id"]]["duration"] / 60)
    samples = [event["sample"] for event in read_lines(audit) if event["event"] == "window_extracted"]
    assert samples[0] == run.records[:1], "a sample shows no more than the target gets"


def test_discovery_needs_no_credentials(tap: Tap) -> None:
    code, out, _ = tap.text("--discover")
    assert code == 0
    stream, *others = json.loads(out)["streams"]
    assert {other["tap_stream_id"] for other in others} == {
        "recording_interaction_metadata",
        "qm_workflows",
        "qm_questions",
    }
    for other in others:
        [root] = [entry["metadata"] for entry in other["metadata"] if not entry["breadcrumb"]]
        assert root["selected-by-default"] is False
        assert any(spec.get("format") == "date-time" for spec in other["schema"]["properties"].values())
    assert (stream["tap_stream_id"], stream["key_properties"], stream["replication_key"]) == (
        "bot_conversations",
        ["id"],
        "dateFrom",
    )
    assert all(spec["description"] for spec in stream["schema"]["properties"].values())
    assert stream["schema"]["properties"]["dateFrom"]["format"] == "date-time"


def test_the_connection_test_reads_one_record(start_sandbox: StartSandbox, tap: Tap) -> None:
    run = tap(config_for(start_sandbox()), "--test")
    assert run.code == 0
    assert len(run.records) == 1


def test_sandbox_setting_needs_no_credentials(tap: Tap) -> None:
    environment = {f"TAP_CXONE_{name}": value for name, value in SANDBOX_ONLY.items()}
    code, out, _ = tap.text("--config", "ENV", environment=environment)
    assert code == 0
    assert out.count('"type":"RECORD"') == 240


def test_no_secret_token_or_record_value_in_any_log(start_sandbox: StartSandbox, tap: Tap, tmp_path: Path) -> None:
    faults = (Fault("status", "503", times=1), Fault("download", "cut", times=1), Fault("create", "401", times=1))
    sandbox = start_sandbox(bad_records=0.05, repeated_records=0.05, extra_fields=True, faults=faults)
    run = tap(
        config_for(sandbox, client_secret="sandbox", audit_log_path=str(tmp_path / "a")),
        environment={"TAP_CXONE_LOGLEVEL": "DEBUG", "LOGLEVEL": "DEBUG"},
    )
    assert run.code == 0
    values = {value for record in run.records for key in ("id", "botId", "agentId") for value in [record[key]]}
    assert values
    assert [value for value in values if value in run.log] == []
    assert "Bearer" not in run.log
    tokens = list(sandbox._platform._tokens)
    assert tokens
    assert [token for token in tokens if token in run.log + (tmp_path / "a").read_text() + json.dumps(run.states)] == []
