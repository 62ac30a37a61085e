"""Entities that the configuration adds or changes: versions, keys, schemas and types."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from tests.end_to_end.helpers import (
    RECORDINGS,
    WORKFLOWS,
    assert_complete,
    catalog_entry,
    catalog_for,
    expected_rows,
    extraction_config,
)

if TYPE_CHECKING:
    from tests.conftest import StartSandbox, Tap

PAYROLL = {
    "entity": "wfm-payroll",
    "version": "1",
    "stream": "payroll",
    "primary_keys": ["Payroll ID"],
    "replication_key": "Date",
}


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
    assert run.code == 1
    assert not run.records
    assert "none of its" in run.errors[0]
    assert "'data_extraction_entities'" in run.errors[0]


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"properties": {"Payroll ID": {"type": "integer"}}}, "none of its 12 rows has the types"),
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
    assert run.code == 1
    assert not run.records
    assert reason in run.errors[0]
    assert "replication_key_value" not in json.dumps(run.states)


def test_a_missing_key_column_fails_the_run_after_one_job(start_extraction_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_extraction_sandbox()
    entities = [{"stream": WORKFLOWS, "primary_keys": ["Ticket"]}]
    config = extraction_config(sandbox, data_extraction_entities=entities)
    run = tap(config, catalog=catalog_for(WORKFLOWS, config={"data_extraction_entities": entities}))
    assert run.code == 1
    assert "no column for the key ticket; it has workflow_id, submission_date" in run.errors[0]
    assert "'primary_keys'" in run.errors[0]
    assert len(sandbox.extractions) <= 2
