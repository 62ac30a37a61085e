"""Cells of CSV files: converts their text to values of the types in the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tap_cxone.records.model import type_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_cxone.records.model import RecordModel

_BOOLEANS = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
_NUMBERS: dict[str, Any] = {"number": int | float, "integer": int}


class CellConverter:
    """Converts the cells of a stream's files, a column or a single cell at a time.

    An empty cell is null if the schema allows it and the field is not a key, else UNSET: an absent field.

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
        if has_empty and name in self._model.required:
            raise ValueError(name)
        empty = self._empty_value(name)
        if self._kinds[name] == "string" and name not in self._model.dates:
            return [cell or empty for cell in cells] if has_empty else cells
        values = self._values(name, list(filter(None, cells)))
        if not has_empty:
            return values
        following = iter(values)
        return [next(following) if cell else empty for cell in cells]

    def value(self, name: str, cell: str) -> object:
        """Return the value of one cell; its text if it is not valid, so that the model rejects it and says why.

        The model converts dates, too.
        """
        if not cell:
            return self._empty_value(name)
        if self._kinds[name] == "string":
            return cell
        try:
            return self._values(name, [cell])[0]
        except (ValueError, msgspec.DecodeError):
            return cell

    def _empty_value(self, name: str) -> object:
        is_nullable = "null" in type_names(self._model.properties[name]) and name not in self._model.keys
        return None if is_nullable else msgspec.UNSET

    def _values(self, name: str, cells: list[str]) -> list[Any]:
        """Convert cells that are not empty; raise ValueError or msgspec.DecodeError if one is not valid."""
        kind = self._kinds[name]
        if kind in _NUMBERS:
            values: list[Any] = msgspec.json.decode(f"[{','.join(cells)}]", type=list[_NUMBERS[kind]])  # type: ignore[valid-type]
            if len(values) != len(cells):
                raise ValueError  # a cell holds several numbers
            return values
        if kind == "boolean":
            values = [_BOOLEANS.get(cell.strip().lower()) for cell in cells]
            if None in values:
                raise ValueError
            return values
        return self._model.as_dates(name, cells) if name in self._model.dates else cells


def _kind_of(spec: dict[str, Any]) -> str:
    """Return how cells are converted: string, number, integer or boolean."""
    return next((kind for kind in ("string", "number", "integer", "boolean") if kind in type_names(spec)), "string")
