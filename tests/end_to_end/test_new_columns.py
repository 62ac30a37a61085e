"""What is deselected leaves the process in no form: the tap as a process, with patterns, catalogs and stream maps."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import config_for, january, read_lines
from tests.end_to_end.helpers import catalog_entry, catalog_for, extraction_config, records_of
from tests.end_to_end.searching import SEGMENTS, found_in, needles, segment_rows

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartSandbox, Tap

NAME = SEGMENTS["stream"]
KEYS = {"segment_id", "sentiment", "start_date"}
ENTITIES: dict[str, Any] = {"data_extraction_entities": [SEGMENTS]}
FILES = ("audit_log", "journal", "quarantine")


def without(*names: str) -> set[str]:
    """Return the columns of the file but for some."""
    return set(segment_rows(date(2024, 1, 1))[0]) - set(names)


@pytest.mark.parametrize(
    ("select", "metadata", "settings", "expected"),
    [
        (["segments.*", "!segments.notes"], {}, {}, without("notes")),
        (["*.*", "segments.*", "!segments.a*"], {}, {}, {c for c in without() if not c.startswith("a")}),
        (["segments.dnis", "segments.channel"], {}, {}, KEYS | {"dnis", "channel"}),
        (["segments.*"], {"ani": False}, {}, without("ani")),
        (None, {"notes": False, "dnis": True}, {}, KEYS | {"dnis"}),
        (None, {}, {"new_columns": "ignore"}, KEYS),
        (None, {}, {"stream_maps": {NAME: {"ani": None, "notes": "md5(notes or '')"}}}, without("ani")),
    ],
    ids=["exclusion", "wildcard", "single columns", "patterns and metadata", "catalog", "ignore", "stream map"],
)
def test_a_deselected_column_leaves_the_process_in_no_form(
    start_extraction_sandbox: StartSandbox,
    tap: Tap,
    tmp_path: Path,
    select: list[str] | None,
    metadata: dict[str, bool],
    settings: dict[str, Any],
    expected: set[str],
) -> None:
    sandbox = start_extraction_sandbox(bad_rows=0.2, rows_per_day=40)
    paths = {f"{name}_path": str(tmp_path / f"{name}.jsonl") for name in FILES}
    config = extraction_config(sandbox, end_date="2024-01-02", **paths, **ENTITIES, **settings)
    catalog = catalog_for(NAME, config=ENTITIES)
    for name, selected in metadata.items():
        entry = {"breadcrumb": ["properties", name], "metadata": {"inclusion": "available", "selected": selected}}
        catalog_entry(catalog, NAME)["metadata"].append(entry)
    patterns = {} if select is None else {"MELTANO_EXTRACT__SELECT": json.dumps(select)}
    run = tap(config, catalog=catalog, environment={"TAP_CXONE_LOGLEVEL": "DEBUG", **patterns})
    assert run.code == 0, run.errors

    records = records_of(run, NAME)
    assert records
    assert {name for record in records for name in record} == expected
    schemas = [message["schema"]["properties"] for message in run.messages if message["type"] == "SCHEMA"]
    assert {name for schema in schemas for name in schema} == expected

    hidden = without() - expected
    if "stream_maps" in settings:
        hidden |= {"notes"}
    rows = segment_rows(date(2024, 1, 1), rows_per_day=40)
    texts = [run.out, run.log, *((tmp_path / f"{name}.jsonl").read_text() for name in FILES)]
    assert found_in(texts, needles(rows, expected - hidden, hidden)), "the search finds what is emitted"
    assert not found_in(texts, needles(rows, hidden, expected - hidden))

    quarantined = read_lines(tmp_path / "quarantine.jsonl")
    wrong_length = [line for line in quarantined if "cells, the header" in line["reason"]]
    others = [line for line in quarantined if line not in wrong_length]
    assert {line["record"] for line in wrong_length} == {None}
    assert others
    assert all(line["record"].keys() <= expected - hidden for line in others)
    assert all("segment_id" in line["record"] for line in others)


def test_ignored_columns_are_named_in_the_log(start_extraction_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_extraction_sandbox()
    config = extraction_config(sandbox, end_date="2024-01-02", new_columns="ignore", **ENTITIES)
    run = tap(config, catalog=catalog_for(NAME, config=ENTITIES))
    assert run.code == 0
    assert "fields that the schema does not have are dropped: 'acd_call_id'" in run.log


def test_a_rejected_record_is_kept_whole_if_nothing_is_deselected(
    start_extraction_sandbox: StartSandbox, tap: Tap, tmp_path: Path
) -> None:
    sandbox = start_extraction_sandbox(bad_rows=0.2, rows_per_day=40)
    config = extraction_config(sandbox, end_date="2024-01-02", quarantine_path=str(tmp_path / "q.jsonl"), **ENTITIES)
    patterns = {"MELTANO_EXTRACT__SELECT": json.dumps(["segments.*"])}
    run = tap(config, catalog=catalog_for(NAME, config=ENTITIES), environment=patterns)
    assert run.code == 0
    kept = [line["record"] for line in read_lines(tmp_path / "q.jsonl")]
    assert any(isinstance(record, list) for record in kept)
    assert any(isinstance(record, dict) and "dnis" in record for record in kept)


@pytest.mark.parametrize("deselected", [("agentId",), ("agentId", "id")], ids=str)
def test_deselected_fields_of_bot_events_are_in_no_file(
    start_sandbox: StartSandbox, tap: Tap, tmp_path: Path, deselected: tuple[str, ...]
) -> None:
    sandbox = start_sandbox(bad_records=0.2, invalid_first=0.1, extra_fields=True)
    catalog = catalog_for("bot_conversations")
    stream = catalog_entry(catalog, "bot_conversations")
    for item in stream["metadata"]:
        if item["breadcrumb"] and item["breadcrumb"][-1] in deselected:
            item["metadata"] = {"inclusion": "available", "selected": False}
    if "id" in deselected:
        stream["key_properties"] = []
    paths = {f"{name}_path": str(tmp_path / f"{name}.jsonl") for name in FILES}
    run = tap(config_for(sandbox, sample_size=3, **paths), catalog=catalog)
    assert run.code == 0, run.errors
    assert run.records
    assert not any(record.keys() & set(deselected) for record in run.records)
    events = list(sandbox.valid_events(january(1), january(11)))
    texts = [run.out, run.log, *((tmp_path / f"{name}.jsonl").read_text() for name in FILES)]
    assert found_in(texts, {event["botId"] for event in events})
    assert not found_in(texts, {event[name] for event in events for name in deselected})
    quarantined = [line["record"] for line in read_lines(tmp_path / "quarantine.jsonl")]
    assert quarantined
    allowed = {"id", "type", "dateFrom", "dateTo", "botId", "duration"} - set(deselected)
    assert all(record.keys() <= allowed for record in quarantined)
    audit = read_lines(tmp_path / "audit_log.jsonl")
    ids = {event["record_id"] for event in audit if event["event"] == "schema_validation_failure"}
    assert (ids == {None}) is ("id" in deselected)
