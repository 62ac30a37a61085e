"""BatchReader CSV exports piece by piece: a header row, quoted fields with line breaks in them, numbers by the schema.

A CSV file that is cut off in its last cell, or between two rows, cannot be told from a whole one: there it takes the
trailer of a gzip file, or the length that the download named.
"""

from __future__ import annotations

import csv
import io
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from tap_cxone.errors import CorruptExportError
from tap_cxone.records.batch import MAX_RECORD_BYTES, Batch
from tap_cxone.records.model import InvalidRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_cxone.records.batch import BatchReader
    from tap_cxone.records.text import PlainText

_LINE_ENDS = (b"\n", b"\r")
ROWS = 2000
"""Rows in one piece."""


def read_csv(stream: PlainText, reading: BatchReader) -> Iterator[Batch]:
    """Read rows into records; an empty cell is a field that is not there, or null where the schema has that.

    Raises:
        CorruptExportError: a quoted field is not closed, the last row is cut off, or the header lacks the stream's
            key.
    """
    csv.field_size_limit(MAX_RECORD_BYTES)
    # Bytes that are no UTF-8 become lone surrogates, for which the record is refused later on.
    text = io.TextIOWrapper(io.BufferedReader(stream), encoding="utf-8", errors="surrogateescape", newline="")
    rows = filter(None, csv.reader(text, strict=True))  # a blank line is no row
    header = next(iter(_next_rows(rows, 1)), [])
    fields = reading.model.fields(header)
    reading.model = reading.model.widened(fields)
    reading.fields = fields
    unknown = frozenset(fields) - reading.model.properties.keys()
    table = _Table(fields, reading)
    last = None
    while batch := _next_rows(rows, ROWS):
        last = batch[-1]
        piece = table.piece(batch)
        piece.unknown = unknown
        yield piece
    whole = len(last) >= len(header) if last else reading.model.complete(fields)
    if not whole and stream.last not in _LINE_ENDS:
        msg = "the file is cut off: the last row of its CSV has fewer cells than its header, and no line end"
        raise CorruptExportError(msg)


def _next_rows(rows: Iterator[list[str]], count: int) -> list[list[str]]:
    try:
        return list(islice(rows, count))
    except csv.Error:
        msg = "the file is cut off or damaged: a quoted field of its CSV is not closed as it should be"
        raise CorruptExportError(msg) from None


class _Table:
    """Turns rows of one file into pieces.

    Args:
        fields: the names of its columns.
        reading: which reading this is.
    """

    def __init__(self, fields: list[str], reading: BatchReader) -> None:
        self._fields = fields
        self._reading = reading
        present = frozenset(fields)
        self._known = [name for name in reading.model.properties if name in present]

    @cached_property
    def _make(self) -> Callable[..., msgspec.Struct]:
        return self._reading.model.rows(self._known)

    def piece(self, rows: list[list[str]]) -> Batch:
        """Return the piece that some rows make."""
        if self._reading.next_batch():
            try:
                return Batch(self._reading.number, self._by_columns(rows))
            except (ValueError, msgspec.DecodeError, UnicodeEncodeError):
                pass  # some cell or other is not as it should be: look at each record
        return self._reading.check_each(map(self._record, rows))

    def _by_columns(self, rows: list[list[str]]) -> list[Any]:
        """Make records of rows column by column, several times as fast as row by row.

        Raises:
            ValueError, msgspec.DecodeError, UnicodeEncodeError: not every row is a valid record.
        """
        cells: dict[str, Sequence[str]] = dict(zip(self._fields, zip(*rows, strict=True), strict=True))
        make, model = self._make, self._reading.model
        return list(map(make, *(model.column(name, cells[name], first=self._reading.first) for name in self._known)))

    def _record(self, row: list[str]) -> dict[str, object] | InvalidRecord:
        if len(row) != len(self._fields):
            return InvalidRecord(row, None, (), f"the row has {len(row)} cells, the header {len(self._fields)}")
        model = self._reading.model
        values = {
            name: model.value(name, cell) if name in model.properties else cell
            for name, cell in zip(self._fields, row, strict=True)
        }
        return {name: value for name, value in values.items() if value is not msgspec.UNSET and value != ""}
