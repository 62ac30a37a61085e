"""The rules for columns that a catalog does not have are those that Meltano applies to the columns that it has."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meltano.core.plugin.singer.catalog import (
    MetadataExecutor,
    MetadataRule,
    select_filter_metadata_rules,
    select_metadata_rules,
    visit,
)
from meltano.core.plugin.singer.tap import config_metadata_rules

from tap_cxone.config.selection import MeltanoRules

STREAMS = ("qm_workflows", "qm_questions", "a.b")
COLUMNS = ("comment", "agent_1_name", "agent_1_team", "score")
NAMES = st.sampled_from([*COLUMNS, "*", "agent_*", "agent_?_name", "*m*", "[!a]*", "comment.text", "*.*", ""])
STREAM_NAMES = st.sampled_from([*STREAMS[:2], r"a\.b", "*", "qm_*", "q?_questions", "*\\.*", "[!a]*", "other"])
PATTERNS = st.builds("{}{}{}".format, st.sampled_from(["", "!"]), STREAM_NAMES, NAMES.map(lambda name: f".{name}"))
PATTERN_LISTS = st.lists(PATTERNS | STREAM_NAMES | STREAM_NAMES.map("!{}".format), max_size=5)
METADATA = st.dictionaries(
    st.sampled_from(["qm_workflows", "qm_*", "*"]),
    st.dictionaries(
        st.sampled_from([*COLUMNS, "agent_*", "*"]),
        st.fixed_dictionaries({"selected": st.booleans()}),
        min_size=1,
        max_size=2,
    )
    | st.fixed_dictionaries({"selected": st.booleans()}),
    max_size=2,
)


def selected_by_meltano(select: list[str], select_filter: list[str], metadata: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the columns that Meltano itself selects, in a catalog that has all of them."""
    rules = [*select_metadata_rules(["!*.*"]), *select_metadata_rules(select), *config_metadata_rules(metadata)]
    filter_rules = select_filter_metadata_rules(select_filter)
    streams: list[dict[str, Any]] = [
        {
            "tap_stream_id": stream,
            "schema": {"properties": {column: {"type": "string"} for column in COLUMNS}},
            "metadata": [
                {"breadcrumb": breadcrumb, "metadata": {"inclusion": "available"}}
                for breadcrumb in ([], *(["properties", column] for column in COLUMNS))
            ],
        }
        for stream in STREAMS
    ]
    with mock.patch("meltano.core.plugin.singer.catalog.logger"):  # one line per rule that matches
        visit({"streams": streams}, MetadataExecutor([*rules, *filter_rules]))
    return {
        (stream["tap_stream_id"], item["breadcrumb"][1])
        for stream in streams
        for item in stream["metadata"]
        if item["breadcrumb"]
        and item["metadata"].get("selected")
        and not MetadataRule.matching(filter_rules, stream["tap_stream_id"], [])
    }


@given(select=PATTERN_LISTS, select_filter=PATTERN_LISTS, metadata=METADATA)
def test_the_rules_select_what_meltano_selects(
    select: list[str], select_filter: list[str], metadata: dict[str, Any]
) -> None:
    rules = MeltanoRules(select, select_filter, metadata)
    found = {(stream, column) for stream in STREAMS for column in COLUMNS if rules.selects(stream, column)}
    assert found == selected_by_meltano(select, select_filter, metadata)
    for stream in STREAMS:
        if rules.selects_all(stream):
            assert all((stream, column) in found for column in COLUMNS)


@pytest.mark.parametrize(
    ("select", "selected"),
    [
        (["qm_workflows.*"], {"comment", "agent_1_name", "agent_1_team", "score"}),
        (["qm_workflows.*", "!qm_workflows.comment"], {"agent_1_name", "agent_1_team", "score"}),
        (["!qm_workflows.comment", "qm_workflows.*"], {"agent_1_name", "agent_1_team", "score"}),
        (["qm_workflows.*", "!qm_*.agent_*"], {"comment", "score"}),
        (["qm_workflows.score", "qm_workflows.c*"], {"comment", "score"}),
        (["qm_questions.*"], set()),
        ([], set()),
    ],
)
def test_columns_are_selected_by_patterns(select: list[str], selected: set[str]) -> None:
    rules = MeltanoRules.from_environment({"MELTANO_EXTRACT__SELECT": json.dumps(select)})
    assert rules
    assert {column for column in COLUMNS if rules.selects("qm_workflows", column)} == selected
    assert rules.selects_all("qm_workflows") is (len(selected) == len(COLUMNS))


def test_filter_and_metadata_of_the_environment_apply() -> None:
    environment = {
        "MELTANO_EXTRACT__SELECT": '["*.*"]',
        "MELTANO_EXTRACT__SELECT_FILTER": '["!qm_questions"]',
        "MELTANO_EXTRACT__METADATA": '{"qm_workflows": {"comment": {"selected": false}, "key-properties": ["a"]}}',
    }
    rules = MeltanoRules.from_environment(environment)
    assert rules
    assert not rules.selects("qm_questions", "score")
    assert not rules.selects("qm_workflows", "comment")
    assert not rules.selects_all("qm_workflows")
    assert rules.selects("qm_workflows", "score")
    assert rules.selects_all("recording_interaction_metadata")


@pytest.mark.parametrize(
    "environment", [{}, {"MELTANO_EXTRACT__SELECT": '["*.*"]', "MELTANO_EXTRACT__CATALOG": "catalog.json"}]
)
def test_there_are_no_rules_where_the_catalog_decides(environment: dict[str, str]) -> None:
    assert MeltanoRules.from_environment(environment) is None


def test_patterns_that_cannot_be_read_select_nothing() -> None:
    rules = MeltanoRules.from_environment({"MELTANO_EXTRACT__SELECT": "*.*", "MELTANO_EXTRACT__METADATA": "3"})
    assert rules
    assert not rules.selects("qm_workflows", "comment")
