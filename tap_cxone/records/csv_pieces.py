"""Reading CSV exports piece by piece: a header row, quoted fields with line breaks in them, numbers by the schema.

A CSV file that is cut off in its last cell, or between two rows, cannot be told from a whole one: there it takes the
trailer of a gzip file, or the length that the download named.
"""

from __future__ import annotations

import csv
import io
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from tap_cxone.errors import CorruptExportError
from tap_cxone.records.model import Refusal
from tap_cxone.records.pieces import LONGEST_RECORD_BYTES, Piece

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cxone.records.pieces import Reading
    from tap_cxone.records.text import PlainText

_LINE_ENDS = (b"\n", b"\r")
ROWS = 2000
"""Rows in one piece."""


def read_csv(stream: PlainText, reading: Reading) -> Iterator[Piece]:
    """Read rows into records; an empty cell is a field that is not there.

    Raises:
        CorruptExportError: a quoted field is not closed, the last row is cut off, or the header lacks the stream's
            key.
    """
    csv.field_size_limit(LONGEST_RECORD_BYTES)
    # Bytes that are no UTF-8 become lone surrogates, for which the record is refused later on.
    text = io.TextIOWrapper(io.BufferedReader(stream), encoding="utf-8", errors="surrogateescape", newline="")
    rows = _rows(text)
    header = next(rows, [])
    if reading.model.key not in header:
        msg = f"the file is no export: it is no JSON, and as CSV it has no column '{reading.model.key}'"
        raise CorruptExportError(msg)
    unknown = frozenset(header) - reading.model.properties.keys()
    last = None
    while batch := list(islice(rows, ROWS)):
        last = batch[-1]
        piece = _take_rows(batch, header, reading)
        piece.unknown = unknown
        yield piece
    whole = len(last) >= len(header) if last else set(reading.model.required) <= set(header)
    if not whole and stream.last not in _LINE_ENDS:
        msg = "the file is cut off: the last row of its CSV has fewer cells than its header, and no line end"
        raise CorruptExportError(msg)


def _rows(text: io.TextIOWrapper) -> Iterator[list[str]]:
    try:
        yield from filter(None, csv.reader(text, strict=True))  # a blank line is no row
    except csv.Error:
        msg = "the file is cut off or damaged: a quoted field of its CSV is not closed as it should be"
        raise CorruptExportError(msg) from None


def _take_rows(rows: list[list[str]], header: list[str], reading: Reading) -> Piece:
    records = [_record(row, header, reading.model.numeric) for row in rows]
    if reading.next_piece():
        try:
            "".join(map("".join, rows)).encode()  # the conversion below does not look into texts
            return Piece(reading.number, msgspec.convert(records, list[reading.struct]))  # type: ignore[name-defined]
        except (msgspec.ValidationError, UnicodeEncodeError):
            pass
    return reading.one_by_one(records)


def _record(row: list[str], header: list[str], numeric: frozenset[str]) -> dict[str, object] | Refusal:
    if len(row) != len(header):
        return Refusal(row, None, (), f"the row has {len(row)} cells, the header {len(header)}")
    return {name: _number(cell) if name in numeric else cell for name, cell in zip(header, row, strict=True) if cell}


def _number(cell: str) -> object:
    """Return the number that a cell spells as JSON would, or the cell."""
    try:
        value = msgspec.json.decode(cell)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return cell
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else cell
