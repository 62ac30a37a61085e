"""Reader for CSV exports: a header row, quoted fields that may contain line breaks, values typed by the schema.

A CSV file that is truncated between two rows or within its last cell looks complete. Only the trailer of a gzip file or
the length of the download can reveal that.
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

_LINE_ENDINGS = (b"\n", b"\r")
BATCH_ROWS = 2000
"""Rows in one batch."""


def read_csv(stream: PlainText, reader: BatchReader) -> Iterator[Batch]:
    """Read rows into records. An empty cell is an absent field, or null if the schema allows null.

    Raises:
        CorruptExportError: a quoted field is not closed, the last row is truncated, or the key has no column.
    """
    csv.field_size_limit(MAX_RECORD_BYTES)
    # Bytes that are not UTF-8 become lone surrogates, for which the record is rejected later.
    text = io.TextIOWrapper(io.BufferedReader(stream), encoding="utf-8", errors="surrogateescape", newline="")
    rows = filter(None, csv.reader(text, strict=True))  # without blank lines
    header = next(iter(_next_rows(rows, 1)), [])
    fields = reader.model.fields_of(header)
    reader.model = reader.model.with_columns(fields)
    reader.fields = fields
    unknown = frozenset(fields) - reader.model.properties.keys()
    table = _Table(fields, reader)
    last = None
    while batch_rows := _next_rows(rows, BATCH_ROWS):
        last = batch_rows[-1]
        batch = table.batch(batch_rows)
        batch.unknown = unknown
        yield batch
    is_complete = len(last) >= len(header) if last else reader.model.is_complete_header(fields)
    if not is_complete and stream.last not in _LINE_ENDINGS:
        msg = "the file is cut off: its last CSV row has fewer cells than the header, and no line ending"
        raise CorruptExportError(msg)


def _next_rows(rows: Iterator[list[str]], count: int) -> list[list[str]]:
    try:
        return list(islice(rows, count))
    except csv.Error:
        msg = "the file is cut off or damaged: a quoted CSV field is not closed properly"
        raise CorruptExportError(msg) from None


class _Table:
    """Turns the rows of one file into batches.

    Args:
        fields: its column names.
        reader: the pass over it.
    """

    def __init__(self, fields: list[str], reader: BatchReader) -> None:
        self._fields = fields
        self._reader = reader
        present = frozenset(fields)
        self._known = [name for name in reader.model.properties if name in present]

    @cached_property
    def _make_row(self) -> Callable[..., msgspec.Struct]:
        return self._reader.model.row_constructor(self._known)

    def batch(self, rows: list[list[str]]) -> Batch:
        """Return the batch of some rows."""
        if self._reader.begin_batch():
            try:
                return Batch(self._reader.number, self._convert_columns(rows))
            except (ValueError, msgspec.DecodeError, UnicodeEncodeError):
                pass  # not every row is valid: check them one by one
        return self._reader.check_each(map(self._convert_row, rows))

    def _convert_columns(self, rows: list[list[str]]) -> list[Any]:
        """Convert rows column by column, which is several times as fast as row by row.

        Raises:
            ValueError, msgspec.DecodeError, UnicodeEncodeError: not every row is a valid record.
        """
        cells: dict[str, Sequence[str]] = dict(zip(self._fields, zip(*rows, strict=True), strict=True))
        make_row, model, check = self._make_row, self._reader.model, self._reader.first_pass
        return list(map(make_row, *(model.convert_column(name, cells[name], check=check) for name in self._known)))

    def _convert_row(self, row: list[str]) -> dict[str, object] | InvalidRecord:
        if len(row) != len(self._fields):
            return InvalidRecord(row, None, (), f"the row has {len(row)} cells, the header {len(self._fields)}")
        model = self._reader.model
        values = {
            name: model.convert_cell(name, cell) if name in model.properties else cell
            for name, cell in zip(self._fields, row, strict=True)
        }
        return {name: value for name, value in values.items() if value is not msgspec.UNSET and value != ""}
