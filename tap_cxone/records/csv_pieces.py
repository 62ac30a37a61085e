"""Reading CSV exports piece by piece: a header row, quoted fields with line breaks in them, numbers by the schema.

A CSV file that is cut off in its last cell, or between two rows, cannot be told from a whole one: there it takes the
trailer of a gzip file, or the length that the download named.
"""

from __future__ import annotations

import csv
import io
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from tap_cxone.errors import CorruptExportError
from tap_cxone.records.model import Refusal
from tap_cxone.records.pieces import LONGEST_RECORD_BYTES, Piece

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_cxone.records.pieces import Reading
    from tap_cxone.records.text import PlainText

_decode_numbers = msgspec.json.Decoder(list[int | float]).decode
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
    rows = filter(None, csv.reader(text, strict=True))  # a blank line is no row
    header = next(iter(_next_rows(rows, 1)), [])
    if reading.model.key not in header:
        msg = f"the file is no export: it is no JSON, and as CSV it has no column '{reading.model.key}'"
        raise CorruptExportError(msg)
    unknown = frozenset(header) - reading.model.properties.keys()
    last = None
    while batch := _next_rows(rows, ROWS):
        last = batch[-1]
        piece = _take_rows(batch, header, reading)
        piece.unknown = unknown
        yield piece
    whole = len(last) >= len(header) if last else set(reading.model.required) <= set(header)
    if not whole and stream.last not in _LINE_ENDS:
        msg = "the file is cut off: the last row of its CSV has fewer cells than its header, and no line end"
        raise CorruptExportError(msg)


def _next_rows(rows: Iterator[list[str]], count: int) -> list[list[str]]:
    try:
        return list(islice(rows, count))
    except csv.Error:
        msg = "the file is cut off or damaged: a quoted field of its CSV is not closed as it should be"
        raise CorruptExportError(msg) from None


def _take_rows(rows: list[list[str]], header: list[str], reading: Reading) -> Piece:
    if reading.next_piece():
        try:
            return Piece(reading.number, _by_columns(rows, header, reading))
        except (ValueError, msgspec.DecodeError, UnicodeEncodeError, KeyError):
            pass  # some cell or other is not as it should be: look at each record
    return reading.one_by_one([_record(row, header, reading.model.numeric) for row in rows])


def _by_columns(rows: list[list[str]], header: list[str], reading: Reading) -> list[Any]:
    """Make records of rows column by column, several times as fast as row by row.

    Raises:
        ValueError, msgspec.DecodeError, UnicodeEncodeError, KeyError: not every row is a valid record with all fields.
    """
    columns: dict[str, Sequence[Any]] = dict(zip(header, zip(*rows, strict=True), strict=True))
    for name in reading.model.properties:
        column = columns[name]
        if "" in column:
            raise ValueError(name)
        if name in reading.model.numeric:
            columns[name] = _numbers(column)
        elif reading.first:
            reading.model.check_texts(name, column)
    return list(map(reading.model.positional, *(columns[name] for name in reading.model.properties)))


def _numbers(column: Sequence[str]) -> list[int | float]:
    """Return the numbers that the cells spell as JSON would."""
    numbers = _decode_numbers(f"[{','.join(column)}]")
    if len(numbers) != len(column):
        msg = "a cell holds more than a number"
        raise ValueError(msg)
    return numbers


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
