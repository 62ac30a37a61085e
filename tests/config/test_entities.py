"""Data Extraction entities: the built-in ones, configured ones, and errors in the setting."""

from __future__ import annotations

from typing import Any

import pytest

from tap_cxone.column_names import column_name
from tap_cxone.config.entities import Entity, entities
from tap_cxone.errors import SettingsError
from tests.conftest import PROJECT

PAYROLL = {
    "entity": "wfm-payroll",
    "version": 1,
    "stream": "payroll",
    "primary_keys": ["Payroll ID"],
    "replication_key": "Date",
}


def by_stream(*configured: Any) -> dict[str, Entity]:
    return {entity.stream: entity for entity in entities(list(configured))}


def test_the_page_names_the_permission_of_each_built_in_entity() -> None:
    page = (PROJECT / "docs" / "data-extraction.md").read_text()
    for entity in entities(None):
        [line] = [line for line in page.splitlines() if line.startswith("| ") and f"`{entity.entity}`" in line]
        assert line.endswith(f"| {entity.permission} |")


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


def test_known_streams_declare_the_known_columns_as_text() -> None:
    known = {stream: entity.schema["properties"] for stream, entity in by_stream().items()}
    assert {stream: len(columns) for stream, columns in known.items()} == {
        "recording_interaction_metadata": 12,
        "qm_workflows": 40,
        "qm_questions": 34,
    }
    assert list(known["qm_workflows"])[:8] == [
        *("tenant_name", "agent_id", "type", "evaluation_flow_trigger", "workflow_status", "auto_acknowledged"),
        *("workflow_state", "workflow_id"),
    ]
    assert list(known["qm_questions"])[-3:] == ["interaction_end_date", "workflow_instance_id", "bank_id"]
    for entity in by_stream().values():
        for name, spec in entity.schema["properties"].items():
            is_key = name in entity.primary_keys
            assert spec["type"] == ("string" if is_key else ["string", "null"])
            assert spec.get("format") == ("date-time" if name == entity.replication_key else None)
            assert column_name(spec["description"].partition(":")[0]) == name


def test_the_description_of_a_column_marks_personal_data() -> None:
    marked = {
        name
        for entity in by_stream().values()
        for name, spec in entity.schema["properties"].items()
        if spec["description"].endswith(" Personal data.")
    }
    names = {f"{kind}_{role}" for kind in ("firstname", "lastname") for role in ("eva", "agent", "disp", "assigner")}
    assert marked == {
        *names,
        *("agent_id", "phone_number", "user_review_comments", "dispute_resolver_comments", "answer"),
        *("agent_1_name", "agent_1_acd_id", "agent_1_contact_number", "ani", "dnis"),
    }


def test_only_an_own_replication_key_has_no_earlier_name() -> None:
    def of(**changes: str) -> tuple[str, tuple[str, ...]]:
        questions = by_stream({"stream": "qm_questions", **changes})["qm_questions"]
        return questions.replication_key, questions.former_replication_keys

    assert of(version="2") == ("evaluation_submission_date", ("submission_date",))
    assert of(replication_key="Evaluation Submission Date") == ("evaluation_submission_date", ("submission_date",))
    assert of(replication_key="Submission Date") == ("submission_date", ())


def test_configured_keys_are_compared_with_the_schema_like_headers() -> None:
    entry = {"stream": "qm_questions", "primary_keys": ["QUESTIONID", "Workflowinstance ID"]}
    questions = by_stream(entry)["qm_questions"]
    assert questions.primary_keys == ("question_id", "workflow_instance_id")
    assert len(questions.schema["properties"]) == 34
    schema = {"properties": {"Workflowinstance ID": {"type": "string"}}, "required": ["workflow instance id"]}
    own = by_stream({"stream": "qm_questions", "schema": schema})["qm_questions"]
    assert own.primary_keys == ("workflowinstance_id", "question_id")
    assert own.aliases.keys() == set(own.primary_keys)
    assert own.schema["properties"].keys() == {"workflowinstance_id", "question_id", "evaluation_submission_date"}
    assert own.schema["required"] == ["workflowinstance_id", "question_id"]


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
        ([{"stream": "qm_workflows", "primary_keys": ["Workflow ID", "WORKFLOWID"]}], "none twice"),
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
