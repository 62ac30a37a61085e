"""Columns that a catalog does not have: those of the stream, and those that only the file has."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.tap import TapCXone

if TYPE_CHECKING:
    from tap_cxone.streams.data_extraction import DataExtractionStream

ENTITY = {
    "stream": "notes",
    "entity": "qm-evaluator-notes",
    "version": "1",
    "primary_keys": ["Note ID"],
    "replication_key": "Written",
}
TEXT = {"type": ["string", "null"]}
SCHEMA = {"properties": {"Note ID": {"type": "string"}, "Written": TEXT, "Comment": TEXT, "Agent Name": TEXT}}
CONFIG: dict[str, Any] = {"sandbox": True, "start_date": "2024-01-01"}
OPEN = CONFIG | {"data_extraction_entities": [ENTITY]}
FIXED = CONFIG | {"data_extraction_entities": [ENTITY | {"schema": SCHEMA}]}
NAMED = ["notes.*"]


@pytest.fixture(autouse=True)
def no_meltano(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SELECT", "SELECT_FILTER", "METADATA", "CATALOG"):
        monkeypatch.delenv(f"MELTANO_EXTRACT__{name}", raising=False)


def catalog_of(config: dict[str, Any], without: tuple[str, ...] = (), **selected: bool | None) -> dict[str, Any]:
    """Return a catalog with the stream selected, without some columns, and with metadata for others.

    Args:
        config: the configuration for discovery.
        without: columns that schema and metadata do not have.
        **selected: ``selected`` of a column, or None for an entry without it.
    """
    catalog = copy.deepcopy(TapCXone(config=config).catalog_dict)
    [stream] = [stream for stream in catalog["streams"] if stream["tap_stream_id"] == "notes"]
    for name in without:
        del stream["schema"]["properties"][name]
    changed = {(), *(("properties", name) for name in (*without, *selected))}
    stream["metadata"] = [item for item in stream["metadata"] if tuple(item["breadcrumb"]) not in changed]
    stream["metadata"].append({"breadcrumb": [], "metadata": {"selected": True, "inclusion": "available"}})
    for name, value in selected.items():
        metadata = {"inclusion": "available", **({} if value is None else {"selected": value})}
        stream["metadata"].append({"breadcrumb": ["properties", name], "metadata": metadata})
    return catalog


def notes(config: dict[str, Any], catalog: dict[str, Any] | None) -> DataExtractionStream:
    return TapCXone(config=config, catalog=catalog).streams["notes"]  # type: ignore[return-value]


def emitted(stream: DataExtractionStream) -> set[str]:
    """Return the columns of the SCHEMA message."""
    return set(stream.stream_maps[0].transformed_schema["properties"])


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, {"comment"}),
        ({"agent_name": None}, {"comment", "agent_name"}),
        ({"agent_name": False}, set()),
        ({"agent_name": False, "comment": True}, {"comment"}),
        ({"comment": False}, set()),
        ({"other": False}, set()),
    ],
)
def test_a_missing_column_follows_a_plain_catalog(metadata: dict[str, bool | None], expected: set[str]) -> None:
    without = ("comment",) if "agent_name" in metadata else ("comment", "agent_name")
    if not metadata:
        without, expected = ("comment", "agent_name"), {"comment", "agent_name"}
    stream = notes(FIXED, catalog_of(FIXED, without, **metadata))
    assert emitted(stream) == {"note_id", "written"} | expected


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        (["notes.*"], {"comment", "agent_name"}),
        (["notes.*", "!notes.comment"], {"agent_name"}),
        (["notes.*", "!notes.agent_*"], {"comment"}),
        (["notes.comment"], {"comment"}),
        (["notes.note_id"], set()),
    ],
)
@pytest.mark.parametrize("missing", [("comment", "agent_name"), ("comment", "agent_name", "note_id", "written")])
def test_a_missing_column_follows_the_patterns(
    monkeypatch: pytest.MonkeyPatch, select: list[str], expected: set[str], missing: tuple[str, ...]
) -> None:
    monkeypatch.setenv("MELTANO_EXTRACT__SELECT", json.dumps(select))
    stream = notes(FIXED, catalog_of(FIXED, missing))
    assert emitted(stream) == {"note_id", "written"} | expected, "keys are always there"
    as_emitted = stream.as_emitted({"note_id": "1", "written": "x", "comment": "c", "agent_name": "a"})
    assert as_emitted.keys() == {"note_id", "written"} | expected


def test_a_complete_catalog_is_applied_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MELTANO_EXTRACT__SELECT", '["notes.*", "!notes.comment"]')
    stream = notes(FIXED, catalog_of(FIXED, comment=True))
    assert "comment" in emitted(stream)


@pytest.mark.parametrize(
    ("select", "metadata", "expected"),
    [
        (None, {}, {"comment", "team"}),
        (None, {"comment": False}, set()),
        (None, {"comment": False, "team": True}, {"team"}),
        (["notes.*"], {}, {"comment", "team"}),
        (["notes.*"], {"comment": False}, {"team"}),
        (["notes.*", "!notes.comment"], {}, {"team"}),
        (["notes.*", "!*.t*"], {}, {"comment"}),
        (["notes.team"], {}, {"team"}),
    ],
)
def test_columns_that_only_the_file_has_are_selected(
    monkeypatch: pytest.MonkeyPatch, select: list[str] | None, metadata: dict[str, bool], expected: set[str]
) -> None:
    if select:
        monkeypatch.setenv("MELTANO_EXTRACT__SELECT", json.dumps(select))
    stream = notes(OPEN, catalog_of(OPEN, (), **metadata))
    model = stream.record_model().with_columns(["note_id", "written", "comment", "team"])
    assert model.properties.keys() == {"note_id", "written"} | expected
    assert model.with_columns(["note_id", "written", "comment", "team"]).properties == model.properties
    assert (stream.kept_fields() is None) is (expected == {"comment", "team"})


@pytest.mark.parametrize("select", [None, ["notes.*"]])
def test_all_new_columns_can_be_ignored(monkeypatch: pytest.MonkeyPatch, select: list[str] | None) -> None:
    if select:
        monkeypatch.setenv("MELTANO_EXTRACT__SELECT", json.dumps(select))
    config = OPEN | {"new_columns": "ignore"}
    stream = notes(config, catalog_of(config, comment=True))
    assert stream.record_model().with_columns(["note_id", "written", "comment"]).properties.keys() == {
        "note_id",
        "written",
    }
    assert stream.kept_fields() == frozenset({"note_id", "written"})
    fixed = FIXED | {"new_columns": "ignore"}
    assert emitted(notes(fixed, catalog_of(fixed, ("comment",)))) == {"note_id", "written", "agent_name"}


def test_a_column_of_meltanos_schema_extra_can_be_deselected() -> None:
    catalog = catalog_of(OPEN)
    [entry] = [stream for stream in catalog["streams"] if stream["tap_stream_id"] == "notes"]
    for name in ("comment", "note_id"):
        entry["schema"]["properties"][name] = {"type": "string"}
        entry["metadata"] = [item for item in entry["metadata"] if item["breadcrumb"] != ["properties", name]]
        metadata = {"inclusion": "automatic", "selected": False}
        entry["metadata"].append({"breadcrumb": ["properties", name], "metadata": metadata})
    assert emitted(notes(OPEN, catalog)) == {"note_id", "written"}


def test_without_a_catalog_every_column_is_added() -> None:
    stream = notes(OPEN, None)
    assert "comment" in stream.record_model().with_columns(["note_id", "written", "comment"]).properties
