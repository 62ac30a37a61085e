"""Exports in every layout, and how the tests read them."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from tap_cxone.config import schemas
from tap_cxone.errors import CorruptExportError
from tap_cxone.records import text
from tap_cxone.records.model import RecordModel
from tap_cxone.records.verify import verify_export

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_cxone.records.dedupe import DuplicateFlags
    from tap_cxone.records.rejected import InvalidRecord
    from tap_cxone.records.verify import VerifiedFile

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


def read(data: bytes, *, batch_bytes: int = WHOLE_FILE) -> Outcome:
    """Verify an export in batches of so many bytes, and read its records back."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(text, "BATCH_BYTES", batch_bytes))
        path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "export"
        path.write_bytes(data)
        found = stack.enter_context(contextlib.closing(verify_export(path, MODEL)))
        records = records_of(found)
        invalid = rejected_of(found)
    assert (found.valid, found.invalid) == (len(records), len(invalid))
    assert all(list(record) == list(FIELDS) for record in records), "not in the order of the schema"
    assert all(rejected.reason for rejected in invalid)
    return Outcome(records, [(rejected.record, rejected.missing_fields) for rejected in invalid])


def check_read(data: bytes, expected: Outcome, *, batch_bytes: int = WHOLE_FILE) -> None:
    """Check what reading an export gives; with items but no record among them, it is not an export."""
    if expected.invalid and not expected.records and all(is_no_record(value) for value, _ in expected.invalid):
        with pytest.raises(CorruptExportError):
            read(data, batch_bytes=batch_bytes)
    else:
        assert read(data, batch_bytes=batch_bytes) == expected


def is_no_record(value: object) -> bool:
    """Return whether an item of an export has so few of the required fields that it is not a record."""
    return not isinstance(value, dict) or 2 * len(value.keys() & set(FIELDS)) < len(FIELDS)


def records_of(found: VerifiedFile, duplicates: DuplicateFlags | None = None) -> list[dict[str, Any]]:
    """Return the records of a verified file, without the duplicates."""
    records: list[dict[str, Any]] = []
    for lines in found.unique(duplicates):
        texts = lines.text.decode().split("\n")
        assert texts.pop() == ""
        assert len(texts) == lines.count
        records += map(json.loads, texts)
    return records


def rejected_of(found: VerifiedFile) -> list[InvalidRecord]:
    """Return the rejected records of a verified file."""
    return [rejected for some in found.rejected.batches() for rejected in some]


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
