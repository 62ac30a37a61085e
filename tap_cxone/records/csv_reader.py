"""Reader for CSV exports: a header row, quoted fields that may contain line breaks, values typed by the schema.

A CSV file that is truncated between two rows or within its last cell looks complete. Only the trailer of a gzip file or
the length of the download can reveal that.
"""

from __future__ import annotations

import contextlib
import csv
import io
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from tap_cxone.errors import CorruptExportError
from tap_cxone.records.batch import MAX_RECORD_BYTES, Batch, check_length
from tap_cxone.records.cells import CellConverter
from tap_cxone.records.rejected import NOT_A_RECORD, InvalidRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_cxone.records.batch import ExportFields
    from tap_cxone.records.text import ExportText

MAX_HEADER_BYTES = 1 << 18
"""Longest header row: room for several thousand columns."""
_LINE_ENDINGS = (b"\n", b"\r")
_LINE_ENDS_TRIED = 64


def read_csv(stream: ExportText, fields: ExportFields) -> Iterator[Batch]:
    """Read rows into records. An empty cell is an absent field, or null if the schema allows null.

    Raises:
        CorruptExportError: a quoted field is not closed, or the last row is truncated.
        NoExportError, UnfitExportError: the header is not one of the stream.
    """
    csv.field_size_limit(MAX_RECORD_BYTES)
    reader = _CsvReader(fields)
    rest = yield from stream.parts(reader.take, "row")
    if rest:
        msg = "the file is cut off or damaged: a quoted CSV field is not closed properly"
        raise CorruptExportError(msg)
    if not reader.is_complete and stream.last not in _LINE_ENDINGS:
        msg = "the file is cut off: its last CSV row has fewer cells than the header, and no line ending"
        raise CorruptExportError(msg)


def _ends_of_rows(text: bytes) -> list[int]:
    """Return where the last complete row of a text may end, the most probable place first. The parser has to try.

    The end of a row has an even number of quotes before it, a line break within a quoted cell an odd one. But a quote
    within an unquoted cell is an ordinary character, and behind it that is the other way round.
    """
    ends: dict[int, int] = {}  # by the number of quotes before it, even (0) or odd (1)
    end = _last_line_end(text, len(text))
    quotes = text.count(b'"', 0, end)
    for _ in range(_LINE_ENDS_TRIED):
        if not end or len(ends) > 1:
            break
        ends.setdefault(quotes % 2, end)
        previous = _last_line_end(text, end - 1)
        quotes -= text.count(b'"', previous, end)
        end = previous
    return [ends[parity] for parity in sorted(ends)]


def _last_line_end(text: bytes, before: int) -> int:
    return max(text.rfind(ending, 0, before) for ending in _LINE_ENDINGS) + 1


def _parse(data: bytes) -> tuple[list[list[str]], bool] | None:
    """Parse complete rows, without blank lines; return them and whether they are valid UTF-8.

    Returns:
        None if the data ends within a quoted cell.
    """
    try:
        try:
            return _rows(data, "strict"), True
        except UnicodeDecodeError:
            # The bytes become lone surrogates, for which a record is rejected later.
            return _rows(data, "surrogateescape"), False
    except csv.Error as err:
        if str(err) == "unexpected end of data":
            return None
        msg = "the file is damaged: a quoted CSV field is not closed properly"
        raise CorruptExportError(msg) from None


def _rows(data: bytes, errors: str) -> list[list[str]]:
    # Decoded piece by piece: a StringIO would need four times the memory of a long row.
    lines = io.TextIOWrapper(io.BytesIO(data), "utf-8", errors, newline="")
    return list(filter(None, csv.reader(lines, strict=True)))


class _CsvReader:
    """Turns the rows of one file into batches of records.

    Args:
        fields: the fields of the file.
    """

    def __init__(self, fields: ExportFields) -> None:
        self._fields = fields
        self._columns: list[str] = []
        self._last = 0  # cells of the last row

    def take(self, text: bytes, *, at_end: bool) -> tuple[Batch, int]:
        """Take complete rows; those of the whole text at its end, if they are complete."""
        for end in [len(text)] if at_end else _ends_of_rows(text):
            if parsed := _parse(text[:end]):
                return self._batch(*parsed), end
        return Batch([]), 0

    @property
    def is_complete(self) -> bool:
        """Whether the last row has a cell for each column, or the header a column for each field that is required."""
        return self._last >= len(self._columns) if self._last else self._has_required

    @property
    def _has_required(self) -> bool:
        return set(self._fields.model.required) <= set(self._columns)

    def _batch(self, rows: list[list[str]], is_unicode: bool) -> Batch:  # noqa: FBT001 - as _parse returns it
        if not self._columns and rows:
            self._read_header(rows.pop(0))
        if not rows:
            return Batch([])
        self._last = len(rows[-1])
        if is_unicode and self._has_required:
            with contextlib.suppress(ValueError, msgspec.DecodeError):
                return Batch(self._convert_columns(rows))
        return self._fields.check_each(map(self._convert_row, rows))  # not every row is valid

    def _read_header(self, header: list[str]) -> None:
        check_length(sum(map(len, header)) + len(header), "header", MAX_HEADER_BYTES)
        fields = self._fields
        fields.columns = self._columns = fields.model.fields_of(header)
        self._model = fields.model = fields.model.with_columns(self._columns)
        for name in self._columns:
            if name not in self._model.properties:
                fields.add_unknown(name)
        self._cells = CellConverter(self._model)
        self._read = [name for name in self._model.fields if name in frozenset(self._columns)]

    @cached_property
    def _make_row(self) -> Callable[..., msgspec.Struct]:
        absent = {self._model.date_field} - {None, *self._read}
        defaults: list[Any] = [(name, str | msgspec.UnsetType, msgspec.UNSET) for name in absent]
        return msgspec.defstruct("Row", [*self._read, *defaults], gc=False)

    def _convert_columns(self, rows: list[list[str]]) -> list[Any]:
        """Convert rows column by column, which is several times as fast as row by row.

        Raises:
            ValueError, msgspec.DecodeError: not every row is a valid record.
        """
        cells: dict[str, Sequence[str]] = dict(zip(self._columns, zip(*rows, strict=True), strict=True))
        return list(map(self._make_row, *(self._cells.column(name, cells[name]) for name in self._read)))

    def _convert_row(self, row: list[str]) -> dict[str, object] | InvalidRecord:
        if len(row) != len(self._columns):
            is_foreign = 2 * len(row) < len(self._columns)  # an error message below the header, for example
            reason = NOT_A_RECORD if is_foreign else f"the row has {len(row)} cells, the header {len(self._columns)}"
            return InvalidRecord(row, None, (), reason)
        values = {
            name: self._cells.value(name, cell) if name in self._model.properties else cell
            for name, cell in zip(self._columns, row, strict=True)
        }
        return {name: value for name, value in values.items() if value is not msgspec.UNSET and value != ""}
