"""Downloaded export files: formats, compression, invalid and duplicate records, and damage."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.sandbox import Fault
from tests.conftest import by_id, config_for, read_lines
from tests.end_to_end.helpers import expected_events

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartSandbox, Tap


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
def test_compression_and_layout_are_detected_from_the_content(
    start_sandbox: StartSandbox, tap: Tap, shape: dict[str, Any]
) -> None:
    sandbox = start_sandbox(**shape)
    run = tap(config_for(sandbox, window_days=30))
    assert by_id(run.records) == expected_events(sandbox)


@pytest.mark.parametrize("settings", [{"export_compression": "none"}, {"export_compression": "gzip"}], ids=str)
@pytest.mark.parametrize("csv_bom", [False, True])
def test_csv_gives_the_same_records_as_json(
    start_sandbox: StartSandbox, tap: Tap, settings: dict[str, Any], *, csv_bom: bool
) -> None:
    sandbox = start_sandbox(csv_bom=csv_bom)
    run = tap(config_for(sandbox, export_format="csv", window_days=30, **settings))
    assert by_id(run.records) == expected_events(sandbox)
    assert sandbox.jobs[0].request.body["compression"] == (None if settings["export_compression"] == "none" else "gzip")


def test_invalid_and_duplicate_records_are_dropped_and_audited(
    start_sandbox: StartSandbox, tap: Tap, tmp_path: Path
) -> None:
    sandbox = start_sandbox(bad_records=0.1, repeated_records=0.1, invalid_first=0.1, extra_fields=True)
    audit, quarantine = tmp_path / "deep" / "audit.jsonl", tmp_path / "quarantine.jsonl"
    run = tap(config_for(sandbox, audit_log_path=str(audit), quarantine_path=str(quarantine), sample_size=3))
    assert run.code == 0
    assert by_id(run.records) == expected_events(sandbox)
    events = read_lines(audit)
    quarantined = read_lines(quarantine)
    rejected = [event for event in events if event["event"] == "schema_validation_failure"]
    summaries = [event for event in events if event["event"] == "validation_summary"]
    assert len(rejected) == len(quarantined) == sum(event["schema_errors"] for event in summaries) > 0
    assert sum(event["validated"] for event in summaries) == len(run.records)
    assert sum(event["duplicates"] for event in summaries) > 0
    for event in summaries:
        assert event["total_records"] == event["validated"] + event["duplicates"] + event["schema_errors"]
    assert any(event["missing_fields"] for event in rejected)
    assert all(event["reason"] and entry["reason"] for event, entry in zip(rejected, quarantined, strict=True))
    samples = [event["sample"] for event in events if event["event"] == "window_extracted"]
    assert [len(sample) for sample in samples] == [3, 3, 3, 3]
    assert samples[0] == run.records[:3]
    unknown_fields = [line for line in run.log.splitlines() if "fields that the schema does not have" in line]
    assert len(unknown_fields) == 4, "unknown fields are logged once per window"
    assert stat.S_IMODE(audit.stat().st_mode) == stat.S_IMODE(quarantine.stat().st_mode) == 0o600


def test_an_event_in_two_adjacent_windows_is_emitted_once(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(inclusive_end=True)
    run = tap(config_for(sandbox))
    emitted = by_id(run.records)
    assert emitted.items() >= expected_events(sandbox).items()
    assert len(emitted) <= len(expected_events(sandbox)) + 1, "at most the event at the very end is extra"


@pytest.mark.parametrize("damage", ["truncated", "corrupt", "unclosed", "cut", "html"])
def test_a_damaged_download_is_repeated(start_sandbox: StartSandbox, tap: Tap, damage: str) -> None:
    encoding = {"encoding": "none"} if damage == "unclosed" else {}
    sandbox = start_sandbox(faults=(Fault("download", damage, times=2),), **encoding)
    run = tap(config_for(sandbox))
    assert run.code == 0
    assert by_id(run.records) == expected_events(sandbox)
    assert len(sandbox.jobs) == 4


@pytest.mark.parametrize("damage", ["truncated", "corrupt"])
def test_a_file_that_stays_damaged_emits_no_partial_window(start_sandbox: StartSandbox, tap: Tap, damage: str) -> None:
    sandbox = start_sandbox(faults=(Fault("download", damage, after=1),))
    run = tap(config_for(sandbox, max_concurrent_exports=1))
    assert run.code == 5
    assert by_id(run.records) == expected_events(sandbox, 1, 4)
    assert run.bookmarks[-1] == "2024-01-04T00:00:00.000Z"
