"""Cells of CSV files: converts their text to values of the types in the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tap_cxone.dates import as_date_time
from tap_cxone.records.model import type_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_cxone.records.model import RecordModel

_BOOLEANS = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
_NUMBERS: dict[str, Any] = {"number": int | float, "integer": int}


class CellConverter:
    """Converts the cells of a stream's files, a column or a single cell at a time.

    An empty cell is null if the schema allows it, else UNSET: an absent field.

    Args:
        model: the records of the stream.
    """

    def __init__(self, model: RecordModel) -> None:
        self._model = model
        self._kinds = {name: _kind_of(spec) for name, spec in model.properties.items()}

    def column(self, name: str, cells: Sequence[str]) -> Sequence[Any]:
        """Return the checked values of a column.

        Args:
            name: name of the field.
            cells: the text of its cells, one for each row, valid Unicode.

        Raises:
            ValueError, msgspec.DecodeError: not every cell is valid; the rows must then be converted one by one.
        """
        has_empty = "" in cells
        if has_empty and (name in self._model.required or "null" in cells):
            raise ValueError(name)
        kind, empty = self._kinds[name], self._empty_value(name)
        if kind in _NUMBERS:
            return _numbers(_NUMBERS[kind] | None if has_empty else _NUMBERS[kind], cells, empty)
        if kind in {"date-time", "date"} and not self._model.converts_dates:
            self._model.parse_dates(name, list(filter(None, cells)))
        elif kind != "text":
            return [self._convert(kind, cell) if cell else empty for cell in cells]
        return [cell or empty for cell in cells] if has_empty else cells

    def value(self, name: str, cell: str) -> object:
        """Return the value of one cell; its text if it is not valid, so that the model rejects it and says why."""
        if not cell:
            return self._empty_value(name)
        try:
            return self._convert(self._kinds[name], cell)
        except (ValueError, msgspec.DecodeError):
            return cell

    def _empty_value(self, name: str) -> object:
        return None if "null" in type_names(self._model.properties[name]) else msgspec.UNSET

    def _convert(self, kind: str, cell: str) -> object:
        """Convert a cell that is not empty; raise ValueError or msgspec.DecodeError if it is not of this kind."""
        if kind in _NUMBERS:
            return msgspec.json.decode(cell, type=_NUMBERS[kind])
        if kind == "boolean":
            value = _BOOLEANS.get(cell.strip().lower())
            if value is None:
                raise ValueError
            return value
        if kind == "text" or not self._model.converts_dates:
            return cell
        return as_date_time(cell) if kind == "date-time" else as_date_time(cell)[:10]


def _numbers(number: Any, cells: Sequence[str], empty: object) -> Sequence[Any]:  # noqa: ANN401 - a type expression
    values = msgspec.json.decode(f"[{','.join([cell or 'null' for cell in cells])}]", type=list[number])
    if len(values) != len(cells):
        raise ValueError  # a cell holds several numbers
    return values if empty is None else [empty if value is None else value for value in values]


def _kind_of(spec: dict[str, Any]) -> str:
    """Return how cells are converted: text, date-time, date, number, integer or boolean."""
    types = set(type_names(spec)) - {"null"}
    if "string" in types:
        return spec["format"] if spec.get("format") in {"date-time", "date"} and types == {"string"} else "text"
    return next((kind for kind in ("number", "integer", "boolean") if kind in types), "text")
