"""SCHEMA messages: one for each stream, when its columns are known. ACTIVATE_VERSION is never written."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from tap_cxone.records.verify import verify_export
from tap_cxone.streams.data_extraction import DataExtractionStream
from tap_cxone.tap import TapCXone
from tests.jobs.fakes import DAYS
from tests.streams.test_new_columns import FIXED, OPEN, catalog_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from tap_cxone.records.canonical import Lines
    from tap_cxone.streams.extraction import Extraction

FIRST = "Note ID,Written,Comment\n1,2024-01-01,a\n"
SAME = "Note ID,Written,Comment\n2,2024-01-02,b\n"
FURTHER = "Note ID,Written,Comment,Team\n3,2024-01-03,c,d\n"
HEADER = "Note ID,Written,Comment\n"
EMPTY = ""


def sync(folder: Path, config: dict[str, Any], *texts: str, replication_method: str | None = None) -> list[Any]:
    """Sync a stream whose windows have these files; return its messages, with the columns of each SCHEMA."""
    catalog = catalog_of(config)
    if replication_method:
        for entry in catalog["streams"]:
            entry["replication_method"] = replication_method
    tap = TapCXone(config=config | {"emit_activate_version_messages": True}, catalog=catalog)
    stream = tap.streams["notes"]
    assert isinstance(stream, DataExtractionStream)

    def files(extraction: Extraction) -> Generator[Iterator[Lines], None, None]:
        for number, text in enumerate(texts):
            path = folder / f"export-{number}"
            path.write_text(text)
            with contextlib.closing(verify_export(path, extraction._model)) as verified:
                stream.prepare(verified, DAYS[number])
                yield verified.unique(None)

    with (
        mock.patch("tap_cxone.streams.extraction.Extraction.files", files),
        mock.patch.object(tap, "write_message") as write_message,
        mock.patch("tap_cxone.streams.base.MessageWriter.write_block") as write_block,
    ):
        write_block.side_effect = lambda *pieces: [write_message(b"RECORD")] * bool(pieces)
        stream.sync()
    return [
        message.decode()
        if isinstance(message, bytes)
        else ("SCHEMA", sorted(message.schema["properties"]))
        if message.type == "SCHEMA"
        else str(message.type.value)
        for (message,), _ in write_message.call_args_list
    ]


KNOWN = ("SCHEMA", ["comment", "note_id", "written"])
WIDER = ("SCHEMA", ["comment", "note_id", "team", "written"])
NARROW = ("SCHEMA", ["note_id", "written"])


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((FIRST,), [KNOWN, "RECORD"]),
        ((FIRST, SAME), [KNOWN, "RECORD", "RECORD"]),
        ((FIRST, FURTHER, SAME), [KNOWN, "RECORD", WIDER, "RECORD", "RECORD"]),
        ((FURTHER, FIRST), [WIDER, "RECORD", "RECORD"]),
        ((HEADER, HEADER), [KNOWN]),
        ((HEADER, FIRST), [KNOWN, "RECORD"]),
        ((EMPTY, FIRST), [KNOWN, "RECORD"]),
        ((EMPTY,), [NARROW]),
        ((), [NARROW]),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["INCREMENTAL", "FULL_TABLE"])
def test_schema_is_written_once_the_columns_are_known(
    tmp_path: Path, texts: tuple[str, ...], expected: list[Any], method: str
) -> None:
    messages = [m for m in sync(tmp_path, OPEN, *texts, replication_method=method) if m != "STATE"]
    assert messages == expected


def test_a_stream_with_a_fixed_schema_writes_it_at_the_start(tmp_path: Path) -> None:
    fixed = ("SCHEMA", ["agent_name", "comment", "note_id", "written"])
    assert [m for m in sync(tmp_path, FIXED, FURTHER) if m != "STATE"] == [fixed, "RECORD"]


def test_new_columns_are_a_warning_in_later_windows_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    sync(tmp_path, OPEN, FIRST, FURTHER)
    levels = [
        (record.levelname, record.getMessage().rsplit(": ", 1)[1])
        for record in caplog.records
        if "new columns are added" in record.getMessage()
    ]
    assert levels == [("INFO", "comment"), ("WARNING", "team")]
