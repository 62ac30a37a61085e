"""What the tests of the decoder share: generated exports, and what a plain reading of them gives."""

from __future__ import annotations

import csv
import io
import json
import math
import tempfile
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import msgspec
from hypothesis import strategies as st

from tap_cxone.config import schemas
from tap_cxone.records import csv_reader, json_reader, text
from tap_cxone.records.model import RecordModel
from tap_cxone.records.verify import read_unique, verify_export

if TYPE_CHECKING:
    from tap_cxone.records.batch import Batch

SCHEMA = json.loads(resources.files(schemas).joinpath("bot_conversations.json").read_text())
FIELDS = tuple(SCHEMA["properties"])
MODEL = RecordModel(SCHEMA, ["id"])
WHOLE_FILE = 1 << 18


def record(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a valid record with some fields changed; ``...`` takes a field out."""
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
    """What came out of an export: valid records as objects, refused ones with their missing fields."""

    records: list[dict[str, Any]]
    refused: list[tuple[Any, tuple[str, ...]]]

    def __eq__(self, other: object) -> bool:
        # By their text: NaN is equal to itself then, and 1 is not 1.0.
        return isinstance(other, Outcome) and repr(vars(self)) == repr(vars(other))

    __hash__ = None  # type: ignore[assignment]

    @property
    def ids(self) -> list[str]:
        return [found["id"] for found in self.records]


def read(data: bytes, *, piece_bytes: int = WHOLE_FILE, rows: int = csv_reader.ROWS) -> Outcome:
    """Read an export twice, as the tap does, in pieces of so many bytes or rows."""
    with (
        tempfile.NamedTemporaryFile() as file,
        mock.patch.object(json_reader, "BATCH_BYTES", piece_bytes),
        mock.patch.object(text, "BATCH_BYTES", piece_bytes),
        mock.patch.object(csv_reader, "ROWS", rows),
    ):
        file.write(data)
        file.flush()
        path = Path(file.name)
        found = verify_export(path, MODEL)
        found.keys.close()
        pieces = list(read_unique(path, found, None))
    records = [found for piece in pieces for found in _records(piece)]
    refusals = [refusal for piece in pieces for refusal in piece.refused]
    assert (found.valid, found.refused) == (len(records), len(refusals)), "the two readings disagree"
    assert all(refusal.reason for refusal in refusals)
    return Outcome(records, [(refusal.record, refusal.missing_fields) for refusal in refusals])


def _records(piece: Batch) -> list[dict[str, Any]]:
    """Return the records of a piece, from its text as well where it may be emitted as it is."""
    lines = piece.verbatim.lines(piece.count, b"<", b">\n") if piece.verbatim else None
    records: list[dict[str, Any]] = msgspec.to_builtins(piece.decoded(MODEL))
    assert len(records) == piece.count
    if lines is not None:
        assert lines.endswith(b">\n")
        found = [json.loads(line.removeprefix(b"<").removesuffix(b">")) for line in lines.splitlines()]
        in_order = [{name: line[name] for name in line.keys() | FIELDS} for line in found]
        assert repr([sorted(line.items()) for line in in_order]) == repr([sorted(line.items()) for line in records])
    return records


# --- The same, told the plain way -------------------------------------------------------------------------------------


def plainly(values: list[Any]) -> Outcome:
    """Sort decoded values into valid and refused ones."""
    outcome = Outcome([], [])
    for value in values:
        missing = tuple(name for name in FIELDS if name not in value) if isinstance(value, dict) else ()
        if isinstance(value, dict) and not missing and all(_fits(name, value[name]) for name in FIELDS):
            outcome.records.append({name: value[name] for name in FIELDS})
        else:
            outcome.refused.append((value, missing))
    return outcome


def plainly_csv(data: bytes) -> Outcome:
    """Read a CSV export with ``csv.reader``."""
    header, *rows = filter(None, csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    outcome = Outcome([], [])
    for row in rows:
        if len(row) != len(header):
            outcome.refused.append((row, ()))
            continue
        found = plainly([{name: _typed(name, cell) for name, cell in zip(header, row, strict=True) if cell}])
        outcome.records += found.records
        outcome.refused += found.refused
    return outcome


def _fits(name: str, value: Any) -> bool:
    if name == "duration":
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not isinstance(value, str) or any("\ud800" <= letter <= "\udfff" for letter in value):
        return False
    return _is_date_time(value) if name.startswith("date") else name != "id" or value != ""


def _is_date_time(text: str) -> bool:
    try:
        return bool(datetime.fromisoformat(text)) and len(text) >= len("2024-01-01T00:00:00")
    except ValueError:
        return False


def _typed(name: str, cell: str) -> Any:
    if name != "duration":
        return cell
    try:
        value = json.loads(cell, parse_constant=str)
    except ValueError:
        return cell
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return value if fits else cell


# --- Generated records ------------------------------------------------------------------------------------------------

_nasty = st.sampled_from(
    [
        "}",
        "{",
        "]",
        "[",
        '"',
        "\\",
        '"}',
        "},{",
        '{"id": "x"}',
        "\\u007d",
        ",",
        "\n",
        "\r\n",
        "\t",
        "\x00",
        "\x7f",
        "ü",
        "日本",
        "😀",
        "\u2028",
        "\ufeff",
        "",
    ]
)
any_text = st.lists(_nasty | st.text(max_size=5), max_size=4).map("".join)
any_number = st.one_of(
    st.sampled_from([0, -0.0, 2**63, -(2**63) - 1, 2**64, 10**39 + 1, 5e-324, 1.7976931348623157e308, 0.1]),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)
any_json = st.recursive(
    st.none() | st.booleans() | any_number | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)
dates = st.sampled_from(
    [
        "2024-01-01T00:00:00.000Z",
        "2024-02-29T23:59:59Z",
        "2024-01-01T00:00:00+02:00",
        "2024-01-01T00:00:00.123456-11:30",
        "9999-12-31T23:59:59.999Z",
        "0001-01-01T00:00:00Z",
    ]
)
not_dates = st.sampled_from(["", "today", "2023-02-29T00:00:00Z", "2024-01-01", "2024-01-01T00:00:61Z", "}"])
ids = st.integers(0, 9).map("id-{}".format) | any_text.filter(bool)

valid_records = st.fixed_dictionaries(
    {
        "id": ids,
        "type": any_text,
        "dateFrom": dates,
        "dateTo": dates,
        "botId": any_text,
        "agentId": any_text,
        "duration": any_number,
    }
)
extra_fields = st.dictionaries(any_text.filter(lambda name: name not in FIELDS), any_json, max_size=2)
spoilt_fields = st.dictionaries(
    st.sampled_from(FIELDS),
    st.just(...) | any_json | not_dates | st.sampled_from([math.nan, math.inf, "\ud800", "\udc00x"]),
    max_size=2,
)


@st.composite
def any_records(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a record that is valid, or spoilt in a field or two; with or without unknown fields."""
    fields = draw(valid_records) | draw(st.just({}) | extra_fields) | draw(st.just({}) | spoilt_fields)
    return {name: value for name, value in fields.items() if value is not ...}
