"""BATCH messages: files, stream maps, the order of messages, and what remains of a run that fails."""

from __future__ import annotations

import gzip
import json
import logging
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from singer_sdk.helpers._batch import StorageTarget

from tap_cxone.errors import CxoneError, DiskError
from tap_cxone.tap import TapCXone

if TYPE_CHECKING:
    from collections.abc import Callable

    Sync = Callable[..., list[dict[str, Any]]]

SANDBOX = {"sandbox": True, "start_date": "2024-01-01", "end_date": "2024-01-05", "window_days": 2}
EVENTS = 4 * 240


def batches(folder: Path, size: int = 200, **storage: str) -> dict[str, Any]:
    encoding = {"format": "jsonl", "compression": "gzip"}
    return {
        "batch_config": {"encoding": encoding, "storage": {"root": f"file://{folder}"} | storage, "batch_size": size}
    }


@pytest.fixture
def sync(capfdbinary: pytest.CaptureFixture[bytes]) -> Sync:
    """Return a function that runs the tap against the sandbox and returns its messages."""

    def run(catalog: Any = None, **config: Any) -> list[dict[str, Any]]:
        tap = TapCXone(config=SANDBOX | config, catalog=catalog)
        capfdbinary.readouterr()
        try:
            tap.sync_all()
        finally:
            sys.stdout.flush()
            run.written = capfdbinary.readouterr().out  # type: ignore[attr-defined]
        return [json.loads(line) for line in run.written.splitlines()]  # type: ignore[attr-defined]

    return run


def files_of(messages: list[dict[str, Any]], stream: str = "bot_conversations") -> list[Path]:
    """Return the files that the BATCH messages of a stream name."""
    found = [message for message in messages if message["type"] == "BATCH" and message["stream"] == stream]
    assert all(message["encoding"] == {"format": "jsonl", "compression": "gzip"} for message in found)
    return [Path(url.removeprefix("file://")) for message in found for url in message["manifest"]]


def records_in(files: list[Path]) -> list[dict[str, Any]]:
    return [json.loads(line) for file in files for line in gzip.decompress(file.read_bytes()).splitlines()]


def records_of(messages: list[dict[str, Any]], stream: str = "bot_conversations") -> list[dict[str, Any]]:
    return [m["record"] for m in messages if m["type"] == "RECORD" and m["stream"] == stream]


def deselect(*names: str) -> dict[str, Any]:
    catalog: dict[str, Any] = json.loads(json.dumps(TapCXone(config=SANDBOX).catalog_dict))
    for entry in catalog["streams"][0]["metadata"]:
        if entry["breadcrumb"] and entry["breadcrumb"][1] in names:
            entry["metadata"]["selected"] = False
    return catalog


def test_the_files_hold_the_records_of_record_messages(sync: Sync, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "a folder, 100% ü#?+"
    files = files_of(sync(**batches(folder, prefix="ours-")))
    assert records_in(files) == records_of(sync())
    assert [len(records_in([file])) for file in files] == [200, 200, 80] * 2, "a file has records of one window only"
    assert sorted(files) == sorted(folder.iterdir())
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 and file.name.startswith("ours-") for file in files)


def test_a_target_of_the_sdk_finds_the_files(sync: Sync, tmp_path: Path) -> None:
    [message] = [m for m in sync(end_date="2024-01-02", **batches(tmp_path / "a b ü#%")) if m["type"] == "BATCH"][:1]
    [url] = message["manifest"]
    head, tail = StorageTarget.split_url(url)  # as its Sink.process_batch_files does
    with StorageTarget.from_url(head).open(tail, "rb") as file:
        assert len(gzip.decompress(file.read()).splitlines()) == 200


def test_a_test_run_writes_no_files_and_reads_no_other_stream(sync: Sync, tmp_path: Path) -> None:
    tap = TapCXone(config=SANDBOX | batches(tmp_path))
    assert tap.run_connection_test()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [1, 480, 481, 10_000])
def test_no_file_is_longer_than_batch_size(sync: Sync, tmp_path: Path, size: int) -> None:
    files = files_of(sync(end_date="2024-01-03", **batches(tmp_path, size)))
    lengths = [len(records_in([file])) for file in files]
    assert sum(lengths) == 480
    assert max(lengths) == min(size, 480)


def test_schema_comes_first_and_a_bookmark_after_the_files_of_its_window(sync: Sync, tmp_path: Path) -> None:
    messages = sync(**batches(tmp_path))
    kinds = []
    for message in messages:
        state = message.get("value", {}).get("bookmarks", {}).get("bot_conversations", {})
        kinds.append(state.get("replication_key_value", "no bookmark") if state else message["type"])
    without_jobs = [kind for kind in kinds if kind != "no bookmark"]
    first, second = "2024-01-03T00:00:00.000Z", "2024-01-05T00:00:00.000Z"
    assert without_jobs == ["SCHEMA", *["BATCH"] * 3, first, *["BATCH"] * 3, second]


def test_deselected_fields_are_in_no_file(sync: Sync, tmp_path: Path) -> None:
    files = files_of(sync(deselect("agentId", "duration"), **batches(tmp_path)))
    assert {tuple(record) for record in records_in(files)} == {("id", "type", "dateFrom", "dateTo", "botId")}


@pytest.mark.parametrize(
    "settings",
    [
        {"stream_maps": {"bot_conversations": {"botId": "md5(botId)", "agentId": "__NULL__"}}},
        {"stream_maps": {"bot_conversations": {"__filter__": "duration > 300"}}},
        {"flattening_enabled": True, "flattening_max_depth": 1},
    ],
    ids=str,
)
def test_stream_maps_and_flattening_apply(sync: Sync, tmp_path: Path, settings: dict[str, Any]) -> None:
    files = files_of(sync(**batches(tmp_path), **settings))
    found = records_in(files)
    assert found == records_of(sync(**settings))
    assert 0 < len(found) <= EVENTS


def test_each_stream_that_a_map_makes_has_files_of_its_own(sync: Sync, tmp_path: Path) -> None:
    maps = {
        "bot_conversations": {"__alias__": "long/ones", "__filter__": "duration > 300"},
        "ids": {"__source__": "bot_conversations", "__else__": None, "id": "id"},
    }
    messages = sync(stream_maps=maps, **batches(tmp_path))
    expected = sync(stream_maps=maps)
    for stream in ("long/ones", "ids"):
        assert records_in(files_of(messages, stream)) == records_of(expected, stream) != []
    assert {path.parent for path in files_of(messages, "long/ones")} == {tmp_path}


def test_a_stream_without_records_has_no_file(sync: Sync, tmp_path: Path) -> None:
    maps = {"bot_conversations": {"__filter__": "duration < 0"}}
    messages = sync(stream_maps=maps, **batches(tmp_path))
    assert "SCHEMA" in {message["type"] for message in messages}
    assert not files_of(messages)
    assert list(tmp_path.iterdir()) == []


def test_the_log_says_at_the_start_what_a_target_has_to_read(
    sync: Sync, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        sync(**batches(tmp_path))
    [text] = [record.getMessage() for record in caplog.records if "batch_config" in record.getMessage()]
    assert str(tmp_path) in text
    with caplog.at_level(logging.WARNING):
        caplog.clear()
        sync()
    assert "batch_config" not in caplog.text


def test_a_run_that_fails_leaves_no_incomplete_file_and_no_bookmark_for_it(sync: Sync, tmp_path: Path) -> None:
    message = "the target has gone"
    with (
        mock.patch("tap_cxone.streams.batch_files._OpenFile.complete", side_effect=CxoneError(message)),
        pytest.raises(CxoneError, match=message),
    ):
        sync(**batches(tmp_path, 10_000))
    assert list(tmp_path.iterdir()) == []
    assert b"replication_key_value" not in sync.written  # type: ignore[attr-defined]
    assert len(records_in(files_of(sync(**batches(tmp_path))))) == EVENTS


def test_a_folder_that_cannot_be_written_is_named_with_its_setting(sync: Sync, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(DiskError, match=rf"{file}.*'batch_config'"):
        sync(**batches(file))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_named_with_its_setting(sync: Sync, tmp_path: Path) -> None:
    def full(descriptor: int, mode: str) -> Any:
        os.close(descriptor)
        return Path("/dev/full").open(mode)

    with (
        mock.patch("tap_cxone.streams.batch_files.open", full, create=True),
        pytest.raises(DiskError, match=rf"{tmp_path} .*No space left on device.*'batch_config'"),
    ):
        sync(**batches(tmp_path))
    assert b"replication_key_value" not in sync.written  # type: ignore[attr-defined]
