"""The setting data_extraction_entities: what becomes a stream, and what is said of an entry that does not."""

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


def found(*configured: Any) -> dict[str, Entity]:
    return {entity.stream: entity for entity in entities(list(configured))}


def test_three_are_known() -> None:
    known = found()
    assert [(entity.entity, entity.version) for entity in known.values()] == [
        ("recording-interaction-metadata", "12"),
        ("qm-workflows", "4"),
        ("qm-questions", "1"),
    ]
    assert entities(None) == list(known.values())
    for entity in known.values():
        assert {*entity.primary_keys, entity.replication_key} <= entity.schema["properties"].keys()
        assert set(entity.primary_keys) <= set(entity.schema["required"])
        # A table of nothing but text loses rows in target-duckdb.
        assert any("date-time" in spec.get("format", "") for spec in entity.schema["properties"].values())


def test_any_other_is_configured() -> None:
    payroll = found(PAYROLL)["payroll"]
    assert (payroll.entity, payroll.version, payroll.primary_keys) == ("wfm-payroll", "1", ("payroll_id",))
    assert payroll.allow_new_columns
    assert payroll.schema["required"] == ["payroll_id"]
    assert payroll.schema["properties"] == {"payroll_id": {"type": "string"}, "date": {"type": ["string", "null"]}}


def test_a_schema_is_fixed_and_named_as_the_columns_are() -> None:
    schema = {"properties": {"Payroll ID": {"type": "integer"}, "hours": {"type": "number"}}, "required": ["hours"]}
    payroll = found(PAYROLL | {"schema": schema, "window_days": 14})["payroll"]
    assert not payroll.allow_new_columns
    assert payroll.window_days == 14
    assert payroll.schema["properties"].keys() == {"payroll_id", "hours", "date"}
    assert payroll.schema["required"] == ["hours", "payroll_id"]
    bare = found(PAYROLL | {"schema": {"properties": {"a": {"type": "string"}}, "required": ["Tax"]}})["payroll"]
    assert "tax" in bare.schema["properties"]


def test_a_known_stream_is_changed_in_what_is_given() -> None:
    known, changed = found()["qm_workflows"], found({"stream": "qm_workflows", "version": "3"})["qm_workflows"]
    assert (changed.version, changed.entity, changed.primary_keys) == ("3", known.entity, known.primary_keys)
    assert changed.allow_new_columns


@pytest.mark.parametrize(
    ("configured", "said"),
    [
        ({"entity": "x"}, "must be a list"),
        (["x"], "entry 1 must be an object"),
        ([{"stream": "x"}], "entry 1 lacks 'entity', 'version', 'primary_keys', 'replication_key'"),
        ([PAYROLL | {"keys": 1}], "entry 1 has 'keys', which is none of stream"),
        ([PAYROLL | {"entity": " "}], "'entity' must be a text"),
        ([PAYROLL | {"stream": "bot_conversations"}], "no other stream's name"),
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
            "called the same",
        ),
        ([PAYROLL | {"primary_keys": ["ID", "id"]}], "none twice"),
        ([PAYROLL, PAYROLL | {"stream": "Payroll"}], "names the stream 'Payroll' twice"),
        ([PAYROLL | {"stream": "BOT_conversations"}], "names the stream 'BOT_conversations' twice"),
        ([PAYROLL | {"stream": "QM_Workflows"}], "names the stream 'QM_Workflows' twice"),
        ([{"stream": "qm_workflows", "entity": "other"}], "entry 1 lacks 'version'"),
    ],
)
def test_what_is_impossible_is_said_in_one_sentence(configured: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as error:
        entities(configured)
    assert error.value.message.startswith("Setting 'data_extraction_entities': ")
    assert error.value.message.endswith(".")
