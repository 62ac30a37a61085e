"""What is kept of a rejected record: nothing of what selection or a stream map leaves out."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.records.rejected import InvalidRecord
from tap_cxone.streams.rejection import reduced, unchanged_fields
from tap_cxone.tap import TapCXone

if TYPE_CHECKING:
    from tap_cxone.streams.base import ExportStream

CONFIG: dict[str, Any] = {"sandbox": True, "start_date": "2024-01-01"}
FIELDS = {"id", "type", "dateFrom", "dateTo", "botId", "agentId", "duration"}


def bot_conversations(*deselected: str, **config: Any) -> ExportStream:
    catalog = copy.deepcopy(TapCXone(config=CONFIG).catalog_dict)
    [stream] = [stream for stream in catalog["streams"] if stream["tap_stream_id"] == "bot_conversations"]
    for item in stream["metadata"]:
        if item["breadcrumb"] and item["breadcrumb"][-1] in deselected:
            item["metadata"] = {"inclusion": "available", "selected": False}
    return TapCXone(config=CONFIG | config, catalog=catalog).streams["bot_conversations"]  # type: ignore[return-value]


def test_a_record_is_kept_whole_where_nothing_is_left_out() -> None:
    assert bot_conversations().kept_fields() is None


@pytest.mark.parametrize("deselected", [("agentId",), ("id", "agentId")])
def test_only_selected_fields_are_kept(deselected: tuple[str, ...]) -> None:
    assert bot_conversations(*deselected).kept_fields() == frozenset(FIELDS - set(deselected))


@pytest.mark.parametrize(
    ("maps", "expected"),
    [
        ({"bot_conversations": {"agentId": None}}, FIELDS - {"agentId"}),
        ({"bot_conversations": {"agentId": "__NULL__"}}, FIELDS - {"agentId"}),
        ({"bot_*": {"agentId": "md5(agentId)"}}, FIELDS - {"agentId"}),
        ({"bot_conversations": {"id": "id", "botId": "botId", "__else__": None}}, {"id", "botId"}),
        ({"bot_conversations": {"__filter__": "duration > 1"}}, set()),
        ({"bot_conversations": None}, set()),
        ({"__else__": None}, set()),
        ({"bot_conversations": None, "bots": {"__source__": "bot_conversations", "id": "id"}}, FIELDS),
        ({"bots": {"__source__": "bot_conversations", "agentId": None}}, FIELDS),
        ({"other": {"agentId": None}}, None),
    ],
)
def test_fields_that_a_stream_map_changes_are_not_kept(maps: dict[str, Any], expected: set[str] | None) -> None:
    assert bot_conversations(stream_maps=copy.deepcopy(maps)).kept_fields() == expected


def test_a_stream_map_may_name_other_keys() -> None:
    maps = {"s": {"__else__": None, "__key_properties__": ["b"], "c": "c"}}
    assert unchanged_fields("s", {"a", "b", "c"}, maps, ["a"], is_emitted=True) == {"b", "c"}


@pytest.mark.parametrize(
    ("record", "kept"),
    [
        ({"id": "1", "agentId": "a", "other": "o", "duration": None}, {"id": "1", "duration": None}),
        ({"id": "1", "duration": {"agentId": "a"}}, {"id": "1"}),
        ({"id": "1", "duration": ["a"]}, {"id": "1"}),
        (["1", "a"], None),
        ("a", None),
    ],
)
def test_a_rejected_record_is_reduced_to_its_kept_fields(record: object, kept: object) -> None:
    result = reduced(InvalidRecord(record, "1", ("type",), "missing fields"), {"id", "duration"}, ["id"])
    assert result == InvalidRecord(kept, "1", ("type",), "missing fields")


@pytest.mark.parametrize("keys", [["agentId"], ["id", "agentId"]])
def test_an_id_with_the_value_of_a_key_left_out_is_not_kept(keys: list[str]) -> None:
    record = InvalidRecord({"id": "1", "agentId": "a"}, "1, a", (), "reason")
    assert reduced(record, {"id"}, keys).record_id is None
