"""Which streams somebody asked for, and which just fell to Meltano's default."""

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
def test_a_stream_is_named_or_just_matched(select: list[str], *, named: bool) -> None:
    assert is_named("qm_workflows", {"MELTANO_EXTRACT__SELECT": json.dumps(select)}) is named


@pytest.mark.parametrize(
    ("name", "value"), [("SELECT_FILTER", ["qm_workflows"]), ("METADATA", {"qm_workflows": {"selected": True}})]
)
def test_it_may_be_named_elsewhere(name: str, value: Any) -> None:
    environment = {"MELTANO_EXTRACT__SELECT": '["*.*"]', f"MELTANO_EXTRACT__{name}": json.dumps(value)}
    assert is_named("qm_workflows", environment)


@pytest.mark.parametrize(
    "environment", [{}, {"MELTANO_EXTRACT__SELECT": '["*.*"]', "MELTANO_EXTRACT__CATALOG": "catalog.json"}]
)
def test_elsewhere_the_catalog_says_it(environment: dict[str, str]) -> None:
    assert is_named("qm_workflows", environment)


def test_what_is_no_json_names_nobody() -> None:
    assert not is_named("qm_workflows", {"MELTANO_EXTRACT__SELECT": "*.*", "MELTANO_EXTRACT__METADATA": "3"})
