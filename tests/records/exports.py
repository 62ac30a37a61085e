"""Exports in every layout, and how the tests read them."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import msgspec
import pytest

from tap_cxone.config import schemas
from tap_cxone.records import csv_reader, json_reader, text
from tap_cxone.records.model import RecordModel
from tap_cxone.records.verify import read_unique, verify_export

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_cxone.records.batch import Batch

SCHEMA = json.loads(resources.files(schemas).joinpath("bot_conversations.json").read_text())
FIELDS = tuple(SCHEMA["properties"])
MODEL = RecordModel(SCHEMA, ["id"])
BOM = b"\xef\xbb\xbf"
WHOLE_FILE = 1 << 18
"""A batch size in bytes: more than any export of the tests has."""


def record(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a valid record with some fields changed; ``...`` removes a field."""
    fields = {
        "id": f"event-{number}",
        "type": "bot",
        "dateFrom": "2024-01-01T00:00:00.000Z",
        "dateTo": "2024-01-01T00:02:00.000Z",
        "botId": "bot-1",
        "agentId": "agent-1",
        "duration": 120.5,
    } | changes
    return {name: value for name, value in fields.items() if value is not ...}


@dataclass
class Outcome:
    """The result of reading an export: valid records as objects, invalid ones with their missing fields."""

    records: list[dict[str, Any]]
    invalid: list[tuple[Any, tuple[str, ...]]]

    def __eq__(self, other: object) -> bool:
        # Compares representations: NaN equals itself then, and 1 differs from 1.0.
        return isinstance(other, Outcome) and repr(vars(self)) == repr(vars(other))

    __hash__ = None  # type: ignore[assignment]

    @property
    def ids(self) -> list[str]:
        return [found["id"] for found in self.records]


def read(data: bytes, *, batch_bytes: int = WHOLE_FILE, rows: int = csv_reader.BATCH_ROWS) -> Outcome:
    """Read an export in two passes, as the tap does, in batches of so many bytes or rows."""
    with (
        tempfile.NamedTemporaryFile() as file,
        mock.patch.object(json_reader, "BATCH_BYTES", batch_bytes),
        mock.patch.object(text, "BATCH_BYTES", batch_bytes),
        mock.patch.object(csv_reader, "BATCH_ROWS", rows),
    ):
        file.write(data)
        file.flush()
        path = Path(file.name)
        found = verify_export(path, MODEL)
        found.close()
        batches = list(read_unique(path, found, None))
    records = [found for batch in batches for found in _records(batch)]
    invalid = [rejected for batch in batches for rejected in batch.invalid]
    assert (found.valid, found.invalid) == (len(records), len(invalid)), "the two passes disagree"
    assert all(rejected.reason for rejected in invalid)
    return Outcome(records, [(rejected.record, rejected.missing_fields) for rejected in invalid])


def _records(batch: Batch) -> list[dict[str, Any]]:
    """Return the records of a batch. If it has verbatim lines, check that they are the same records."""
    lines = batch.verbatim.lines(batch.count, b"<", b">\n") if batch.verbatim else None
    records: list[dict[str, Any]] = msgspec.to_builtins(batch.decoded(MODEL))
    assert len(records) == batch.count
    if lines is not None:
        assert lines.endswith(b">\n")
        found = [json.loads(line.removeprefix(b"<").removesuffix(b">")) for line in lines.splitlines()]
        in_order = [{name: line[name] for name in line.keys() | FIELDS} for line in found]
        assert repr([sorted(line.items()) for line in in_order]) == repr([sorted(line.items()) for line in records])
    return records


# --- Layouts ----------------------------------------------------------------------------------------------------------


def as_array(values: list[Any], **layout: Any) -> bytes:
    return json.dumps(values, **layout).encode(
        "utf-8", "surrogatepass" if layout.get("ensure_ascii", True) else "strict"
    )


def as_lines(values: list[Any], end: str = "\n", *, final: bool = True, **layout: Any) -> bytes:
    return (end.join(json.dumps(value, **layout) for value in values) + (end if final else "")).encode()


def as_csv(rows: list[dict[str, Any]], columns: tuple[str, ...] = FIELDS, **layout: Any) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, **layout)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


NESTED = {"a": [{"b": '}],{"'}, {"c": {"d": "\\"}}], "}": "\u00fc\U0001f600", "e": [[], {}, [{}]]}
TRICKY = [
    record(1, extra=NESTED),
    record(2, botId='a "quoted", \n broken \\ text }', agentId=""),
    record(3, id="日本😀\u2028", duration=10**39 + 1),
    record(4, duration="12"),
    record(5, agentId=...),
    record(6, extra=[NESTED, NESTED]),
    record(7, dateFrom="yesterday"),
    record(8, duration=-1),
]
LAYOUTS: dict[str, Callable[[list[Any]], bytes]] = {
    "array": as_array,
    "pretty array": lambda values: as_array(values, indent=2, ensure_ascii=False),
    "lines": as_lines,
    "lines with CRLF": lambda values: as_lines(values, "\r\n"),
    "lines with blank lines between": lambda values: as_lines(values, "\n \n\n"),
    "lines without a final line ending": lambda values: as_lines(values, final=False),
}
layouts = pytest.mark.parametrize("layout", LAYOUTS)
