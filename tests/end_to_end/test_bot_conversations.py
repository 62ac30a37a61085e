"""Bot conversations from windows to bookmarks: the tap as a process against the sandbox."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tap_cxone.sandbox import Fault
from tests.conftest import by_id, config_for, read_lines
from tests.end_to_end.helpers import catalog_entry, catalog_for, expected_events

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartSandbox, Tap


def test_every_event_is_emitted_once_with_its_values(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    run = tap(config_for(sandbox))
    assert run.code == 0
    assert by_id(run.records) == expected_events(sandbox)


def test_windows_are_contiguous_and_within_the_length_limit(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    tap(config_for(sandbox, window_days=30, end_date="2024-03-15T10:00:00+02:00"))
    edges = [(job.request.date_from, job.request.date_to) for job in sandbox.jobs]
    assert [job.request.body["query"]["dateFrom"] for job in sandbox.jobs] == [
        "2024-01-01T00:00:00.000Z",
        "2024-01-31T00:00:00.000Z",
        "2024-03-01T00:00:00.000Z",
    ]
    assert sandbox.jobs[-1].request.body["query"]["dateTo"] == "2024-03-15T08:00:00.000Z"
    assert all(end == start for (_, end), (start, _) in pairwise(edges))


def test_a_state_follows_the_records_of_each_window(start_sandbox: StartSandbox, tap: Tap) -> None:
    run = tap(config_for(start_sandbox()))
    bookmark = ""
    for message in run.messages:
        if message["type"] == "RECORD":
            assert message["record"]["dateFrom"] >= bookmark, "a bookmark passed a record that had not been written"
        elif message["type"] == "STATE":
            bookmark = message["value"]["bookmarks"]["bot_conversations"].get("replication_key_value", "")
    assert run.bookmarks == sorted(run.bookmarks)
    assert set(run.bookmarks) == {f"2024-01-{day:02}T00:00:00.000Z" for day in (4, 7, 10, 11)}


def test_a_second_run_exports_only_what_is_new(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    first = tap(config_for(sandbox, end_date="2024-01-07"))
    second = tap(config_for(sandbox), state=first.states[-1])
    starts = [f"{job.request.date_from:%m-%d}" for job in sandbox.jobs]
    assert starts == ["01-01", "01-04", "01-07", "01-10"]
    assert by_id(first.records + second.records) == expected_events(sandbox)
    third = tap(config_for(sandbox), state=second.states[-1])
    assert third.code == 0
    assert third.records == []
    assert len(sandbox.jobs) == 4


def test_a_look_back_does_not_move_the_bookmark_back(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    state = tap(config_for(sandbox)).states[-1]
    second = tap(config_for(sandbox, lookback_minutes="1440"), state=state)
    assert by_id(second.records) == expected_events(sandbox, 10, 11)
    assert set(second.bookmarks) == {"2024-01-11T00:00:00.000Z"}


def test_an_end_date_before_the_bookmark_changes_nothing(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    state = tap(config_for(sandbox)).states[-1]
    second = tap(config_for(sandbox, end_date="2024-01-05", lookback_minutes=1440), state=state)
    assert second.code == 0
    assert second.records == []
    assert set(second.bookmarks) == {"2024-01-11T00:00:00.000Z"}


def test_a_long_look_back_never_moves_the_bookmark_back(start_sandbox: StartSandbox, tap: Tap) -> None:
    """The windows of a long look-back end before the bookmark; a crash in one of them must not move it back."""
    sandbox = start_sandbox()
    state = tap(config_for(sandbox)).states[-1]
    second = tap(config_for(sandbox, lookback_minutes=8 * 1440, window_days=1), state=state)
    assert len(second.records) == 8 * 24
    assert set(second.bookmarks) == {"2024-01-11T00:00:00.000Z"}


def test_a_start_date_after_the_bookmark_is_logged(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    state = tap(config_for(sandbox, end_date="2024-01-03")).states[-1]
    run = tap(config_for(sandbox, start_date="2024-01-08"), state=state)
    assert by_id(run.records) == expected_events(sandbox, 8, 11)
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
    catalog = catalog_for("bot_conversations")
    catalog_entry(catalog, "bot_conversations")["replication_method"] = "FULL_TABLE"
    run = tap(config_for(sandbox), state=state, catalog=catalog)
    assert by_id(run.records) == expected_events(sandbox)


def test_the_audit_log_has_every_event_of_a_run(start_sandbox: StartSandbox, tap: Tap, tmp_path: Path) -> None:
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
        "run_ended",
    ]
    assert len({event["run_id"] for event in events}) == 1
    assert events[1].keys() >= {"stream", "job_id", "dateFrom", "dateTo", "format", "compression", "latency_ms"}
    assert events[2]["reason"]
    *_, downloaded, _, extracted, finished, ended = events
    assert (downloaded["bytes"], downloaded["attempts"]) == (extracted["bytes"], 1)
    assert extracted["bookmark"] == finished["bookmark"] == "2024-01-11T00:00:00.000Z"
    assert (finished["exit"], finished["reason"]) == ("completed", None)
    assert ended["event"] == "run_ended"
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


def test_a_failed_window_does_not_advance_the_bookmark(start_sandbox: StartSandbox, tap: Tap, tmp_path: Path) -> None:
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
    assert run.code == 5
    assert run.records == []
    [error] = run.errors
    assert "2024-01-02T00:00:00.000Z/" in error
    assert any(job.id in error for job in sandbox.jobs)
    assert "Traceback" not in run.log
    assert set(run.bookmarks) == {"2024-01-02T00:00:00+00:00"}
    *_, failure, finished, _ = read_lines(audit)
    assert (failure["event"], finished["event"]) == ("pipeline_error", "run_finished")
    assert (finished["exit"], finished["reason"]) == ("failed", failure["reason"])


def test_an_expiring_token_is_renewed_while_a_job_is_polled(start_sandbox: StartSandbox, tap: Tap) -> None:
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


def test_selection_stream_maps_and_flattening_are_applied(
    start_sandbox: StartSandbox, tap: Tap, tmp_path: Path
) -> None:
    sandbox = start_sandbox()
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
        catalog=catalog_for("bot_conversations", without=["agentId"]),
    )
    assert run.code == 0
    [schema] = [message["schema"] for message in run.messages if message["type"] == "SCHEMA"]
    assert "agentId" not in schema["properties"]
    assert "minutes" in schema["properties"]
    expected = expected_events(sandbox)
    for record in run.records:
        assert "agentId" not in record
        assert record["botId"] != expected[record["id"]]["botId"]
        assert record["minutes"] == pytest.approx(expected[record["id"]]["duration"] / 60)
    samples = [event["sample"] for event in read_lines(audit) if event["event"] == "window_extracted"]
    assert samples[0] == run.records[:1], "a sample has only what the target gets"


def test_discovery_needs_no_credentials(tap: Tap) -> None:
    code, out, _ = tap.run_with_options("--discover")
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


def test_the_connection_test_reads_one_record_of_one_job_and_leaves_no_trace(
    start_sandbox: StartSandbox, tap: Tap, tmp_path: Path
) -> None:
    sandbox = start_sandbox()
    files = {f"{name}_path": str(tmp_path / f"{name}.jsonl") for name in ("audit_log", "journal", "quarantine")}
    run = tap(config_for(sandbox, window_days=1, **files), "--test")
    assert run.code == 0
    assert len(run.records) == 1
    assert len(sandbox.jobs) == 1
    assert list(tmp_path.glob("*.jsonl")) == []


def test_the_sandbox_setting_needs_no_credentials(tap: Tap) -> None:
    environment = {
        "TAP_CXONE_SANDBOX": "true",
        "TAP_CXONE_START_DATE": "2024-01-01",
        "TAP_CXONE_END_DATE": "2024-01-02",
    }
    code, out, _ = tap.run_with_options("--config", "ENV", environment=environment)
    assert code == 0
    assert out.count('"type":"RECORD"') == 240


def test_no_log_has_a_secret_a_token_or_a_record_value(start_sandbox: StartSandbox, tap: Tap, tmp_path: Path) -> None:
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
    written = run.log + (tmp_path / "a").read_text() + json.dumps(run.states)
    assert sandbox.tokens
    assert [token for token in sandbox.tokens if token in written] == []
