"""Entities that the configuration adds or changes: versions, keys, schemas and types."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import PROJECT, read_lines
from tests.end_to_end.helpers import (
    QUESTIONS,
    RECORDINGS,
    WORKFLOWS,
    assert_complete,
    bookmark_of,
    catalog_entry,
    catalog_for,
    expected_rows,
    extraction_config,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartSandbox, Tap

PAYROLL = {
    "entity": "wfm-payroll",
    "version": "1",
    "stream": "payroll",
    "primary_keys": ["Payroll ID"],
    "replication_key": "Date",
}


OLD_CATALOG = PROJECT / "tests" / "data" / "v0_1_0" / "catalog.json"


def old_catalog(*streams: str) -> dict[str, Any]:
    """Return the catalog that version 0.1.0 discovered, with these streams selected."""
    catalog: dict[str, Any] = json.loads(OLD_CATALOG.read_text())
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = stream["tap_stream_id"] in streams
    return catalog


def test_a_catalog_and_a_bookmark_of_an_older_version_are_used(
    start_extraction_sandbox: StartSandbox, tap: Tap, tmp_path: Path
) -> None:
    sandbox = start_extraction_sandbox()
    catalog = old_catalog(WORKFLOWS, QUESTIONS)
    assert catalog_entry(catalog, QUESTIONS)["replication_key"] == "submission_date"
    bookmark = {"replication_key": "submission_date", "replication_key_value": "2024-01-03T00:00:00.000Z"}
    config = extraction_config(sandbox, audit_log_path=str(tmp_path / "audit.jsonl"))
    state = {"bookmarks": {QUESTIONS: bookmark, WORKFLOWS: bookmark}}
    run = tap(config, catalog=catalog, state=state)
    assert run.code == 0, run.errors
    for stream in (QUESTIONS, WORKFLOWS):
        assert_complete(run, sandbox, stream, first_day=3)
    assert bookmark_of(run, QUESTIONS) == "2024-01-04T00:00:00.000Z"
    assert run.states[-1]["bookmarks"][QUESTIONS]["replication_key"] == "evaluation_submission_date"
    windows = [event for event in read_lines(tmp_path / "audit.jsonl") if event["event"] == "window_extracted"]
    assert [event["days"] for event in windows] == [{"2024-01-03": 12}] * 2


def test_a_configured_replication_key_keeps_its_bookmark(start_extraction_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_extraction_sandbox()
    entities = {"data_extraction_entities": [{"stream": QUESTIONS, "replication_key": "Submission Date"}]}
    bookmark = {"replication_key": "submission_date", "replication_key_value": "2024-01-03T00:00:00.000Z"}
    run = tap(
        extraction_config(sandbox, **entities),
        catalog=catalog_for(QUESTIONS, config=entities),
        state={"bookmarks": {QUESTIONS: bookmark}},
    )
    assert run.code == 0, run.errors
    assert_complete(run, sandbox, QUESTIONS, first_day=3)
    assert run.states[-1]["bookmarks"][QUESTIONS]["replication_key"] == "submission_date"


def test_types_of_the_catalog_replace_text(start_extraction_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_extraction_sandbox()
    catalog = catalog_for(WORKFLOWS)
    properties = catalog_entry(catalog, WORKFLOWS)["schema"]["properties"]
    properties["score"] = {"type": ["number", "null"]}  # as Meltano's ``schema`` extra writes it
    run = tap(extraction_config(sandbox, end_date="2024-01-02"), catalog=catalog)
    assert run.code == 0, run.errors
    rows = expected_rows(sandbox, WORKFLOWS, date(2024, 1, 1), date(2024, 1, 2))
    assert [record["score"] for record in run.records] == [row["score"] and float(row["score"]) for row in rows]


def test_any_entity_can_be_configured(start_extraction_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_extraction_sandbox()
    entities = [PAYROLL | {"window_days": 3}]
    config = extraction_config(sandbox)
    run = tap(
        config,
        "--config=ENV",
        catalog=catalog_for("payroll", config={"data_extraction_entities": entities}),
        environment={"TAP_CXONE_DATA_EXTRACTION_ENTITIES": json.dumps(entities)},
    )
    assert run.code == 0
    assert_complete(run, sandbox, "payroll")
    assert len(sandbox.extractions) == 1


def test_another_version_of_an_entity_changes_the_columns(start_extraction_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_extraction_sandbox()
    old = {"data_extraction_entities": [{"stream": RECORDINGS, "version": "10"}]}
    first = tap(extraction_config(sandbox, end_date="2024-01-02", **old), catalog=catalog_for(RECORDINGS))
    assert all("disposition" in record for record in first.records)
    second = tap(
        extraction_config(sandbox, end_date="2024-01-03"), catalog=catalog_for(RECORDINGS), state=first.states[-1]
    )
    assert all("disposition" not in record and "channel" in record for record in second.records)
    assert "channel" in second.log


def test_a_fixed_schema_sets_types_and_drops_other_columns(start_extraction_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_extraction_sandbox()
    schema = {"properties": {"Payroll ID": {"type": "string"}, "Hours": {"type": ["number", "null"]}}}
    entities = [PAYROLL | {"schema": schema}]
    config = extraction_config(sandbox, end_date="2024-01-02", data_extraction_entities=entities)
    run = tap(config, catalog=catalog_for("payroll", config={"data_extraction_entities": entities}))
    assert run.code == 0
    rows = expected_rows(sandbox, "payroll", date(2024, 1, 1), date(2024, 1, 2))
    assert [record["hours"] for record in run.records] == [row["hours"] and float(row["hours"]) for row in rows]
    assert all(record.keys() == {"payroll_id", "hours", "date"} for record in run.records)
    assert "fields that the schema does not have are dropped: 'agent_name'" in run.log


def test_a_wrong_type_in_the_catalog_fails_the_run(start_extraction_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_extraction_sandbox()
    catalog = catalog_for(WORKFLOWS)
    stream = catalog_entry(catalog, WORKFLOWS)
    stream["schema"]["properties"]["form_name"] = {"type": "integer"}
    run = tap(extraction_config(sandbox), catalog=catalog)
    assert run.code == 5
    assert not run.records
    assert "none of its" in run.errors[0]
    assert "'data_extraction_entities'" in run.errors[0]


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"properties": {"Payroll ID": {"type": "integer"}}}, "none of its 12 records has the types"),
        (
            {"properties": {"Tax": {"type": "string"}}, "required": ["Tax"]},
            "no column for the required field tax",
        ),
    ],
)
def test_a_schema_that_fits_no_row_fails_the_run(
    start_extraction_sandbox: StartSandbox, tap: Tap, schema: dict[str, Any], reason: str
) -> None:
    sandbox = start_extraction_sandbox()
    entities = [PAYROLL | {"schema": schema}]
    config = extraction_config(sandbox, data_extraction_entities=entities)
    run = tap(config, catalog=catalog_for("payroll", config={"data_extraction_entities": entities}))
    assert run.code == 5
    assert not run.records
    assert reason in run.errors[0]
    assert "replication_key_value" not in json.dumps(run.states)


def test_a_missing_key_column_fails_the_run_after_one_job(start_extraction_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_extraction_sandbox()
    entities = [{"stream": WORKFLOWS, "primary_keys": ["Ticket"]}]
    config = extraction_config(sandbox, data_extraction_entities=entities)
    run = tap(config, catalog=catalog_for(WORKFLOWS, config={"data_extraction_entities": entities}))
    assert run.code == 5
    assert "no column for the key ticket; it has tenant_name, agent_id, type" in run.errors[0]
    assert "'primary_keys'" in run.errors[0]
    assert len(sandbox.extractions) <= 2
