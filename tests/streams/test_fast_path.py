"""The fast path writes the same messages as the SDK's own path."""

from __future__ import annotations

import gzip
import json
import sys
from contextlib import closing
from itertools import chain
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tap_cxone.errors import CorruptExportError
from tap_cxone.records.verify import verify_export
from tap_cxone.streams.fast_path import FastPath
from tap_cxone.tap import TapCXone
from tests.records.reference import expected_from_json
from tests.records.strategies import any_records

if TYPE_CHECKING:
    from pathlib import Path

    from tap_cxone.streams.base import ExportStream

CONFIG = {"sandbox": True, "start_date": "2024-01-01"}
FIELDS = ("id", "type", "dateFrom", "dateTo", "botId", "agentId", "duration")


def stream(catalog: Any = None, **config: Any) -> ExportStream:
    tap = TapCXone(config=CONFIG | config, catalog=json.loads(json.dumps(catalog)))
    return tap.streams["bot_conversations"]  # type: ignore[return-value]


def layouts(records: list[Any]) -> dict[str, bytes]:
    compact = json.dumps(records, separators=(",", ":"))
    twice = [json.dumps(record).replace('{"', '{"botId": 7, "id": "first", "botId": [{}], "', 1) for record in records]
    return {
        "array": compact.encode(),
        "blanks": json.dumps(records).encode(),
        "pretty": json.dumps(records, indent=2, ensure_ascii=False).encode("utf-8", "surrogatepass"),
        "tabs and line breaks": json.dumps(records, indent="\t", separators=(" ,\r\n", "\t:\n")).encode(),
        "other order": json.dumps([dict(reversed(record.items())) for record in records]).encode(),
        "unknown field": json.dumps([{"new": {"a": [record]}, **record, "x" * 300: 1} for record in records]).encode(),
        "repeated keys": f"[{','.join(twice)}]".encode(),
        "lines": b"".join(json.dumps(record).encode() + b"\n" for record in records),
        "compact lines": b"\n".join(json.dumps(record, separators=(",", ":")).encode() for record in records),
        "gzip": gzip.compress(compact.encode()),
    }


def messages_of(path: Path, data: bytes, found: ExportStream) -> list[Any]:
    """Return the RECORD messages of the fast path."""
    path.write_bytes(data)
    fast_path = FastPath(found)
    with closing(verify_export(path, found.record_model())) as verified:
        pieces = map(fast_path.messages, verified.unique(verified.keys.duplicates(None)))
        return [json.loads(line) for line in b"".join(chain(*pieces)).splitlines()]


def expected_messages(values: list[Any], found: ExportStream) -> list[Any]:
    """Return what the SDK's path makes of decoded values: of the valid ones, of each key the first."""
    unique: dict[str, Any] = {}
    for record in expected_from_json(values).records:
        unique.setdefault(record["id"], record)
    return [
        json.loads(json.dumps(message.to_dict(), default=str))
        for record in unique.values()
        for message in found._generate_record_messages(record)
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(records=st.lists(any_records(), max_size=8))
@pytest.mark.parametrize("batch_bytes", [64, 1 << 16])
def test_both_paths_write_the_same_messages(tmp_path: Path, records: list[Any], batch_bytes: int) -> None:
    found = stream()
    with mock.patch("tap_cxone.records.text.BATCH_BYTES", batch_bytes):
        for layout, data in layouts(records or [{}]).items():
            try:
                fast = messages_of(tmp_path / "export", data, found)
            except CorruptExportError:  # a single record with few known fields, as lines
                assert len(records) <= 1
                continue
            plain = gzip.decompress(data) if data.startswith(b"\x1f") else data
            # Bytes that are not UTF-8 (a lone surrogate) make a record invalid, as their escaped form does.
            text = plain.decode("utf-8", "surrogateescape")
            values = json.loads(text) if text.startswith("[") else [json.loads(line) for line in plain.splitlines()]
            slow = expected_messages(values, found)
            for message in [*fast, *slow]:
                assert message.pop("time_extracted")
            assert repr(fast) == repr(slow), layout


@pytest.mark.parametrize(
    "config",
    [
        {"stream_maps": {"bot_conversations": {"botId": "md5(botId)"}}},
        {"stream_maps": {"bot_conversations": {"__alias__": "other"}}},
        {"stream_maps": {"bot_conversations": {"__filter__": "duration > 1"}}},
        {"flattening_enabled": True, "flattening_max_depth": 1},
    ],
    ids=str,
)
def test_mapped_or_flattened_streams_use_the_sdk_path(config: dict[str, Any]) -> None:
    assert not FastPath.is_applicable(stream(**config))


def test_a_catalog_that_changes_types_uses_the_sdk_path_and_a_selection_does_not() -> None:
    catalog = TapCXone(config=CONFIG).catalog_dict
    assert FastPath.is_applicable(stream(catalog))

    deselected = json.loads(json.dumps(catalog))
    for entry in deselected["streams"][0]["metadata"]:
        if entry["breadcrumb"] == ["properties", "agentId"]:
            entry["metadata"]["selected"] = False
    assert FastPath.is_applicable(stream(deselected))

    retyped = json.loads(json.dumps(catalog))
    retyped["streams"][0]["schema"]["properties"]["duration"] = {"type": ["string"]}
    assert not FastPath.is_applicable(stream(retyped))

    shortened = json.loads(json.dumps(catalog))
    del shortened["streams"][0]["schema"]["properties"]["agentId"]
    assert not FastPath.is_applicable(stream(shortened))


def test_a_record_limit_uses_the_sdk_path() -> None:
    found = stream()
    assert FastPath.is_applicable(found)
    found.ABORT_AT_RECORD_COUNT = 1
    assert not FastPath.is_applicable(found)


def test_whole_runs_write_the_same_messages_on_both_paths(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """RECORD, SCHEMA and STATE messages, in the same order."""
    config = CONFIG | {"end_date": "2024-01-05", "window_days": 2}
    written = []
    for is_applicable in (True, False):
        tap = TapCXone(config=config)
        with mock.patch.object(FastPath, "is_applicable", return_value=is_applicable):
            tap.sync_all()
        sys.stdout.flush()
        lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
        written.append([_without_run_specifics(line) for line in lines])
        assert sum(line["type"] == "RECORD" for line in lines) == 4 * 240
    assert written[0] == written[1]


def test_records_are_not_post_processed() -> None:
    assert stream().post_process({"id": "a"}) == {"id": "a"}


def _without_run_specifics(message: dict[str, Any]) -> dict[str, Any]:
    """Reduce a message to what is the same in every run: no times and, in states, nothing but the bookmark."""
    message.pop("time_extracted", None)
    if message["type"] == "STATE":
        return {"STATE": message["value"]["bookmarks"]["bot_conversations"].get("replication_key_value")}
    return message
