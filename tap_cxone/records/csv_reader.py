"""Reader for CSV exports: a header row, quoted fields that may contain line breaks, values typed by the schema.

A CSV file that is truncated between two rows or within its last cell looks complete. Only the trailer of a gzip file or
the length of the download can reveal that.
"""

from __future__ import annotations

import contextlib
import csv
import io
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from tap_cxone.errors import CorruptExportError
from tap_cxone.records.batch import BATCH_BYTES, MAX_RECORD_BYTES, Batch, bytes_to_read, check_length
from tap_cxone.records.cells import CellConverter
from tap_cxone.records.rejected import InvalidRecord

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
        CorruptExportError: a quoted field is not closed, the last row is truncated, or the key has no column.
    """
    parts = _read_rows(stream)
    first = next(parts, _Rows([[]]))
    header = first.rows.pop(0)
    check_length(sum(map(len, header)) + len(header), "header", MAX_HEADER_BYTES)
    fields.columns = fields.model.fields_of(header)
    fields.model = fields.model.with_columns(fields.columns)
    for name in fields.columns:
        if name not in fields.model.properties:
            fields.add_unknown(name)
    table = _Table(fields)
    last = 0  # cells of the last row
    for part in chain([first], parts):
        if part.rows:
            last = len(part.rows[-1])
            yield table.batch(part)
            part.rows.clear()  # the next part is read while this one is referred to
    is_complete = last >= len(header) if last else fields.model.is_complete_header(fields.columns)
    if not is_complete and stream.last not in _LINE_ENDINGS:
        msg = "the file is cut off: its last CSV row has fewer cells than the header, and no line ending"
        raise CorruptExportError(msg)


@dataclass
class _Rows:
    """Consecutive rows, and whether they are valid UTF-8."""

    rows: list[list[str]]
    is_unicode: bool = True


def _read_rows(stream: ExportText) -> Iterator[_Rows]:
    """Yield the rows of one part of the file at a time, without blank lines; the header is the first row of the first.

    Raises:
        CorruptExportError: the quoting is wrong, or a row is too long.
    """
    csv.field_size_limit(MAX_RECORD_BYTES)
    rest, wanted, at_end = b"", BATCH_BYTES, False
    while not at_end:
        more = stream.read(wanted)
        at_end = len(more) < wanted
        rest += more
        for end in [len(rest)] if at_end else _ends_of_rows(rest):
            if part := _parse(rest[:end]):
                rest = rest[end:]
                if part.rows:
                    yield part
                break
        if at_end and rest:
            msg = "the file is cut off or damaged: a quoted CSV field is not closed properly"
            raise CorruptExportError(msg)
        check_length(len(rest), "row")
        wanted = bytes_to_read(len(rest))


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


def _parse(data: bytes) -> _Rows | None:
    """Parse complete rows; return None if the data ends within a quoted cell."""
    try:
        try:
            return _Rows(_parse_text(data, "strict"))
        except UnicodeDecodeError:
            # Bytes that are not UTF-8 become lone surrogates, for which a record is rejected later.
            return _Rows(_parse_text(data, "surrogateescape"), is_unicode=False)
    except csv.Error as err:
        if str(err) == "unexpected end of data":
            return None
        msg = "the file is damaged: a quoted CSV field is not closed properly"
        raise CorruptExportError(msg) from None


def _parse_text(data: bytes, errors: str) -> list[list[str]]:
    lines = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors=errors, newline="")
    return list(filter(None, csv.reader(lines, strict=True)))


class _Table:
    """Turns the rows of one file into batches of records.

    Args:
        fields: the fields of the file.
    """

    def __init__(self, fields: ExportFields) -> None:
        self._fields = fields
        self._columns = fields.columns
        self._model = fields.model
        self._cells = CellConverter(fields.model)
        self._read = [name for name in fields.model.fields if name in frozenset(fields.columns)]
        self._is_complete = fields.model.is_complete_header(fields.columns)

    @cached_property
    def _make_row(self) -> Callable[..., msgspec.Struct]:
        absent = {self._model.date_field} - {None, *self._read}
        defaults: list[Any] = [(name, str | msgspec.UnsetType, msgspec.UNSET) for name in absent]
        return msgspec.defstruct("Row", [*self._read, *defaults], gc=False)

    def batch(self, part: _Rows) -> Batch:
        """Return the batch of some rows."""
        if part.is_unicode and self._is_complete:
            with contextlib.suppress(ValueError, msgspec.DecodeError):
                return Batch(self._convert_columns(part.rows))
        return self._fields.check_each(map(self._convert_row, part.rows))  # not every row is valid

    def _convert_columns(self, rows: list[list[str]]) -> list[Any]:
        """Convert rows column by column, which is several times as fast as row by row.

        Raises:
            ValueError, msgspec.DecodeError: not every row is a valid record.
        """
        cells: dict[str, Sequence[str]] = dict(zip(self._columns, zip(*rows, strict=True), strict=True))
        return list(map(self._make_row, *(self._cells.column(name, cells[name]) for name in self._read)))

    def _convert_row(self, row: list[str]) -> dict[str, object] | InvalidRecord:
        if len(row) != len(self._columns):
            reason = f"the row has {len(row)} cells, the header {len(self._columns)}"
            return InvalidRecord(row, None, (), reason)
        values = {
            name: self._cells.value(name, cell) if name in self._model.properties else cell
            for name, cell in zip(self._columns, row, strict=True)
        }
        return {name: value for name, value in values.items() if value is not msgspec.UNSET and value != ""}
