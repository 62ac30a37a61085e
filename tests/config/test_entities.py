"""Data Extraction entities: the built-in ones, configured ones, and errors in the setting."""

from __future__ import annotations

from typing import Any

import pytest

from tap_cxone.config.entities import Entity, entities
from tap_cxone.errors import SettingsError

PAYROLL = {
    "entity": "wfm-payroll",
    "version": 1,
    "stream": "payroll",
    "primary_keys": ["Payroll ID"],
    "replication_key": "Date",
}


def by_stream(*configured: Any) -> dict[str, Entity]:
    return {entity.stream: entity for entity in entities(list(configured))}


def test_three_entities_are_built_in() -> None:
    built_in = by_stream()
    assert [(entity.entity, entity.version) for entity in built_in.values()] == [
        ("recording-interaction-metadata", "12"),
        ("qm-workflows", "4"),
        ("qm-questions", "1"),
    ]
    assert entities(None) == list(built_in.values())
    for entity in built_in.values():
        assert {*entity.primary_keys, entity.replication_key} <= entity.schema["properties"].keys()
        assert set(entity.primary_keys) <= set(entity.schema["required"])
        # target-duckdb loses rows of a table that has only text columns.
        assert any("date-time" in spec.get("format", "") for spec in entity.schema["properties"].values())


def test_any_other_entity_can_be_configured() -> None:
    payroll = by_stream(PAYROLL)["payroll"]
    assert (payroll.entity, payroll.version, payroll.primary_keys) == ("wfm-payroll", "1", ("payroll_id",))
    assert payroll.allow_new_columns
    assert payroll.schema["required"] == ["payroll_id"]
    assert payroll.schema["properties"] == {"payroll_id": {"type": "string"}, "date": {"type": ["string", "null"]}}


def test_configured_schema_is_fixed_and_has_snake_case_names() -> None:
    schema = {"properties": {"Payroll ID": {"type": "integer"}, "hours": {"type": "number"}}, "required": ["hours"]}
    payroll = by_stream(PAYROLL | {"schema": schema, "window_days": 14})["payroll"]
    assert not payroll.allow_new_columns
    assert payroll.window_days == 14
    assert payroll.schema["properties"].keys() == {"payroll_id", "hours", "date"}
    assert payroll.schema["required"] == ["hours", "payroll_id"]
    bare = by_stream(PAYROLL | {"schema": {"properties": {"a": {"type": "string"}}, "required": ["Tax"]}})["payroll"]
    assert "tax" in bare.schema["properties"]


def test_entry_for_a_built_in_stream_overrides_what_it_gives() -> None:
    built_in = by_stream()["qm_workflows"]
    changed = by_stream({"stream": "qm_workflows", "version": "3"})["qm_workflows"]
    assert (changed.version, changed.entity, changed.primary_keys) == ("3", built_in.entity, built_in.primary_keys)
    assert changed.allow_new_columns


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        ({"entity": "x"}, "must be a list"),
        (["x"], "entry 1 must be an object"),
        ([{"stream": "x"}], "entry 1 lacks 'entity', 'version', 'primary_keys', 'replication_key'"),
        ([PAYROLL | {"keys": 1}], "entry 1 has 'keys', which is not one of stream"),
        ([PAYROLL | {"entity": " "}], "'entity' must be a string"),
        ([PAYROLL | {"stream": "bot_conversations"}], "must not be the name of another"),
        ([PAYROLL | {"stream": "a b"}], "letters, digits"),
        ([PAYROLL, PAYROLL], "names the stream 'payroll' twice"),
        ([PAYROLL | {"primary_keys": []}], "at least one column"),
        ([PAYROLL | {"primary_keys": ["%"]}], "must name a column"),
        ([PAYROLL | {"window_days": 15}], "from 1 to 14"),
        ([PAYROLL | {"window_days": "many"}], "from 1 to 14"),
        ([PAYROLL | {"schema": {"properties": {}}}], "JSON Schema"),
        ([PAYROLL | {"schema": {"properties": {"a": {"type": "object"}}}}], "'a' must have a 'type' of"),
        ([PAYROLL | {"schema": {"properties": {"a": {"type": [["string"]]}}}}], "'a' must have a 'type' of"),
        (
            [PAYROLL | {"schema": {"properties": {"a": {"type": "string"}}, "required": [1]}}],
            "'required' must be a list",
        ),
        (
            [PAYROLL | {"schema": {"properties": {"ID": {"type": "string"}, "id": {"type": "string"}}}}],
            "same name in snake_case",
        ),
        ([PAYROLL | {"primary_keys": ["ID", "id"]}], "none twice"),
        ([PAYROLL, PAYROLL | {"stream": "Payroll"}], "names the stream 'Payroll' twice"),
        ([PAYROLL | {"stream": "BOT_conversations"}], "names the stream 'BOT_conversations' twice"),
        ([PAYROLL | {"stream": "QM_Workflows"}], "names the stream 'QM_Workflows' twice"),
        ([{"stream": "qm_workflows", "entity": "other"}], "entry 1 lacks 'version'"),
    ],
)
def test_invalid_entry_is_reported_in_one_sentence(configured: Any, expected: str) -> None:
    with pytest.raises(SettingsError, match=expected) as error:
        entities(configured)
    assert error.value.message.startswith("Setting 'data_extraction_entities': ")
    assert error.value.message.endswith(".")
