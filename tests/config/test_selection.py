"""Meltano selection rules: streams selected by name, and those that only match Meltano's default."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tap_cxone.config.selection import is_named


@pytest.mark.parametrize(
    ("select", "named"),
    [
        (["*.*"], False),
        (["*"], False),
        (["bot_conversations.*"], False),
        (["!qm_workflows.*", "*.*"], False),
        (["qm_workflows.*"], True),
        (["qm_workflows"], True),
        (["*.*", "qm_*.*"], True),
        (["recording*.*"], False),
    ],
)
def test_patterns_select_by_name_or_only_by_default(select: list[str], *, named: bool) -> None:
    assert is_named("qm_workflows", {"MELTANO_EXTRACT__SELECT": json.dumps(select)}) is named


@pytest.mark.parametrize(
    ("name", "value"), [("SELECT_FILTER", ["qm_workflows"]), ("METADATA", {"qm_workflows": {"selected": True}})]
)
def test_stream_may_be_named_in_a_filter_or_in_metadata(name: str, value: Any) -> None:
    environment = {"MELTANO_EXTRACT__SELECT": '["*.*"]', f"MELTANO_EXTRACT__{name}": json.dumps(value)}
    assert is_named("qm_workflows", environment)


@pytest.mark.parametrize(
    "environment", [{}, {"MELTANO_EXTRACT__SELECT": '["*.*"]', "MELTANO_EXTRACT__CATALOG": "catalog.json"}]
)
def test_catalog_decides_without_meltano_or_if_it_is_given(environment: dict[str, str]) -> None:
    assert is_named("qm_workflows", environment)


def test_invalid_json_names_no_stream() -> None:
    assert not is_named("qm_workflows", {"MELTANO_EXTRACT__SELECT": "*.*", "MELTANO_EXTRACT__METADATA": "3"})
