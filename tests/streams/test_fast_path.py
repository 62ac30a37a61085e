"""The fast path says message for message what the SDK's own path says."""

from __future__ import annotations

import gzip
import inspect
import json
import sys
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from singer_sdk.streams import Stream

from tap_cxone.records.verify import read_unique, verify_export
from tap_cxone.streams.fast_path import FastPath
from tap_cxone.tap import TapCXone
from tests.records.exports import any_records

if TYPE_CHECKING:
    from pathlib import Path

    from tap_cxone.streams.base import ExportStream

CONFIG = {"sandbox": True, "start_date": "2024-01-01"}
FIELDS = ("id", "type", "dateFrom", "dateTo", "botId", "agentId", "duration")


def stream(**config: Any) -> ExportStream:
    return TapCXone(config=CONFIG | config).streams["bot_conversations"]  # type: ignore[return-value]


def layouts(records: list[Any]) -> dict[str, bytes]:
    compact = json.dumps(records, separators=(",", ":"))
    return {
        "array": compact.encode(),
        "pretty": json.dumps(records, indent=2, ensure_ascii=False).encode("utf-8", "surrogatepass"),
        "lines": b"".join(json.dumps(record).encode() + b"\n" for record in records),
        "compact lines": b"\n".join(json.dumps(record, separators=(",", ":")).encode() for record in records),
        "gzip": gzip.compress(compact.encode()),
    }


def messages_of(path: Path, data: bytes, found: ExportStream) -> tuple[list[Any], list[Any]]:
    """Return the RECORD messages of both paths."""
    path.write_bytes(data)
    model = found.record_model()
    learned = verify_export(path, model)
    repeats = learned.keys.repeats(None)
    fast_path = FastPath(found, model)
    fast = b"".join(fast_path.block(piece) for piece in read_unique(path, learned, repeats))
    slow = []
    again = learned.keys.repeats(None)
    for piece in read_unique(path, learned, again):
        for record in piece.decoded(model):
            plain = {name: getattr(record, name) for name in FIELDS}
            slow += [json.loads(json.dumps(m.to_dict(), default=str)) for m in found._generate_record_messages(plain)]
    learned.close()
    for opened in (repeats, again):
        if opened:
            opened.close()
    return [json.loads(line) for line in fast.splitlines()], slow


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(records=st.lists(any_records(), max_size=8), version=st.sampled_from([None, 1700000000]))
@pytest.mark.parametrize("piece_bytes", [64, 1 << 16])
def test_both_paths_write_the_same(tmp_path: Path, records: list[Any], version: int | None, piece_bytes: int) -> None:
    found = stream()
    found._stream_version = version
    with mock.patch("tap_cxone.records.json_reader.BATCH_BYTES", piece_bytes):
        for data in layouts(records or [{}]).values():
            try:
                fast, slow = messages_of(tmp_path / "export", data, found)
            except Exception as err:  # noqa: BLE001
                assert type(err).__name__ == "CorruptExportError"  # noqa: PT017 - a single record with no known field
                continue
            for message in [*fast, *slow]:
                assert message.pop("time_extracted")
            assert repr(ordered(fast)) == repr(ordered(slow))


def ordered(messages: list[dict[str, Any]]) -> list[Any]:
    """Return messages with their fields in one order: in JSON it means nothing."""
    return [(m["type"], m["stream"], m.get("version"), sorted(m["record"].items())) for m in messages]


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
def test_what_changes_records_goes_the_sdks_way(config: dict[str, Any]) -> None:
    assert not FastPath.is_applicable(stream(**config))


def test_a_catalog_that_changes_records_goes_the_sdks_way() -> None:
    catalog = TapCXone(config=CONFIG).catalog_dict
    assert FastPath.is_applicable(
        TapCXone(config=CONFIG, catalog=json.loads(json.dumps(catalog))).streams["bot_conversations"]
    )

    deselected = json.loads(json.dumps(catalog))
    for entry in deselected["streams"][0]["metadata"]:
        if entry["breadcrumb"] == ["properties", "agentId"]:
            entry["metadata"]["selected"] = False
    assert not FastPath.is_applicable(TapCXone(config=CONFIG, catalog=deselected).streams["bot_conversations"])

    retyped = json.loads(json.dumps(catalog))
    retyped["streams"][0]["schema"]["properties"]["duration"] = {"type": ["string"]}
    assert not FastPath.is_applicable(TapCXone(config=CONFIG, catalog=retyped).streams["bot_conversations"])

    shortened = json.loads(json.dumps(catalog))
    del shortened["streams"][0]["schema"]["properties"]["agentId"]
    assert not FastPath.is_applicable(TapCXone(config=CONFIG, catalog=shortened).streams["bot_conversations"])


def test_a_record_limit_goes_the_sdks_way() -> None:
    found = stream()
    assert FastPath.is_applicable(found)
    found.ABORT_AT_RECORD_COUNT = 1
    assert not FastPath.is_applicable(found)


def test_whole_runs_say_the_same_on_both_paths(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """State and records alike, in the same order; the metrics, too."""
    config = CONFIG | {"end_date": "2024-01-05", "window_days": 2}
    said = []
    for is_applicable in (True, False):
        tap = TapCXone(config=config)
        with mock.patch.object(FastPath, "is_applicable", return_value=is_applicable):
            tap.sync_all()
        sys.stdout.flush()
        lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
        said.append([_without_chance(line) for line in lines])
        assert sum(line["type"] == "RECORD" for line in lines) == 4 * 240
    assert said[0] == said[1]


def test_the_relied_on_parts_of_the_sdk_are_as_they_were() -> None:
    """A new release that changes one of these has to be looked at before the fast path may go round it."""
    source = inspect.getsource(Stream._generate_record_messages) + inspect.getsource(Stream._write_record_message)
    for step in (
        "pop_deselected_record_properties(record, self.schema, self.mask)",
        "conform_record_data_types(",
        "for stream_map in self.stream_maps:",
        "stream_map.transform(record)",
        "version=self._stream_version",
        "time_extracted=utc_now()",
        "self._tap.write_message(record_message)",
    ):
        assert step in source
    synced = inspect.getsource(Stream._sync_records)
    for step in (
        "self.get_record_counter()",
        "self.get_sync_timer()",
        "self._write_record_message(record)",
        "self.post_process(record, current_context)",
        "self._check_max_record_limit(",
        "self._write_state_message()",
    ):
        assert step in synced
    assert TapCXone(config=CONFIG).streams["bot_conversations"].post_process({"id": "a"}) == {"id": "a"}


def _without_chance(message: dict[str, Any]) -> dict[str, Any]:
    """Leave out what differs from run to run: times and job ids; and states that only tell of jobs."""
    message.pop("time_extracted", None)
    if message["type"] == "STATE":
        return {"STATE": message["value"]["bookmarks"]["bot_conversations"].get("replication_key_value")}
    return message
