"""Model of CSV exports whose columns are known only from the file: typed by the schema, text where it has no type."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
from typing_extensions import override

from tap_cxone.dates import as_date_time
from tap_cxone.errors import CorruptExportError, UnfitExportError
from tap_cxone.records.model import RecordModel, type_names
from tap_cxone.records.names import TEXT, column_names

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

_BOOLEANS = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
_MAX_COLUMNS_SHOWN = 20
_MAX_NAME_LENGTH = 100


class ColumnModel(RecordModel):
    """The rows of a stream whose exports are CSV files with varying columns.

    Args:
        schema: JSON Schema of an object with flat properties, named as ``column_name`` names them. Headers of a file
            are compared with them by letters and digits only.
        keys: names of the properties that together identify a record.
        date_field: name of the date property by which records are counted per day, or None.
        aliases: for a key, other column names that some files have for it.
        hint: end of the error message for a file that does not fit: what to change.
        adds: for the name of a column that the schema does not have, whether it is added, as text. Called from several
            threads. None: none is added.
        selected: names of the schema's properties that are emitted; None: all.
    """

    only_csv = True

    def __init__(
        self,
        schema: dict[str, Any],
        keys: Sequence[str],
        *,
        date_field: str | None = None,
        aliases: dict[str, tuple[str, ...]] | None = None,
        hint: str = "",
        adds: Callable[[str], bool] | None = None,
        selected: Collection[str] | None = None,
    ) -> None:
        super().__init__(schema, keys, date_field=date_field, selected=selected)
        self._aliases = aliases or {}
        self._hint = hint
        self._adds = adds

    @override
    def fields_of(self, header: Sequence[str]) -> list[str]:
        if header and header[0].lstrip().startswith("<"):
            msg = "the file is not CSV but a web page (from a proxy, for example)"
            raise CorruptExportError(msg)
        others_of_keys = [other for others in self._aliases.values() for other in others]
        names = list(column_names(tuple(header), (*self.properties, *others_of_keys)))
        for key, others in self._aliases.items():
            alias = next((other for other in others if other in names), None)
            if key not in names and alias:
                names[names.index(alias)] = key
        missing = [name for name in self.required if name not in names]
        if missing:
            shown = ", ".join(name[:_MAX_NAME_LENGTH] for name in names[:_MAX_COLUMNS_SHOWN])
            if len(names) > _MAX_COLUMNS_SHOWN:
                shown += " …"
            kind = "key" if set(missing) & set(self.keys) else "required field"
            lacks = f"the file has no column for the {kind} {', '.join(missing)}"
            msg = f"{lacks}; it has {shown or 'no header'}{self._hint}"
            raise UnfitExportError(msg)
        return names

    @override
    def with_columns(self, fields: Sequence[str]) -> RecordModel:
        new = {name: TEXT for name in fields if name not in self.properties and self._adds and self._adds(name)}
        if not new:
            return self
        schema = {**self.schema, "properties": {**self.properties, **new}}
        return ColumnModel(
            schema,
            self.keys,
            date_field=self.date_field,
            aliases=self._aliases,
            hint=self._hint,
            adds=self._adds,
            selected=None if self.selected is None else {*self.selected, *new},
        )

    @override
    def row_constructor(self, fields: Sequence[str]) -> Callable[..., msgspec.Struct]:
        columns: list[Any] = list(fields)
        if self.date_field and self.date_field not in fields:
            columns.append((self.date_field, str | msgspec.UnsetType, msgspec.UNSET))
        return msgspec.defstruct("Row", columns, gc=False)

    @override
    def convert_column(self, name: str, cells: Sequence[str]) -> Sequence[Any]:
        has_empty = "" in cells
        if has_empty and name in self.required:
            raise ValueError(name)
        empty = self._empty_value(name)
        kind = self._kinds[name]
        if kind == "text":
            return [cell or empty for cell in cells] if has_empty else cells
        if kind in {"integer", "number"}:
            return self._convert_numbers(kind, cells, empty)
        return [self._convert(kind, cell) if cell else empty for cell in cells]

    @override
    def convert_cell(self, name: str, cell: str) -> object:
        if not cell:
            return self._empty_value(name)
        try:
            return self._convert(self._kinds[name], cell)
        except (ValueError, msgspec.DecodeError):
            return cell  # ``check`` rejects the record and says why

    def _empty_value(self, name: str) -> object:
        return None if name in self.nullable else msgspec.UNSET

    @staticmethod
    def _convert_numbers(kind: str, cells: Sequence[str], empty: object) -> Sequence[Any]:
        numbers = _decoders[kind](f"[{','.join([cell or 'null' for cell in cells])}]")
        if len(numbers) != len(cells):
            raise ValueError(kind)  # a cell holds several numbers
        return numbers if empty is None else [empty if number is None else number for number in numbers]

    @staticmethod
    def _convert(kind: str, cell: str) -> object:
        """Convert a cell that is not empty.

        Raises:
            ValueError, msgspec.DecodeError: the cell is not of this kind.
        """
        if kind == "boolean":
            return _boolean(cell)
        if kind in {"integer", "number"}:
            return _decoders["one " + kind](cell)
        if kind == "date-time":
            return as_date_time(cell)
        if kind == "date":
            return as_date_time(cell)[:10]
        return cell

    @cached_property
    def _kinds(self) -> dict[str, str]:
        """How the cells of each field are converted: text, date-time, date, number, integer or boolean."""
        return {name: _kind_of(spec) for name, spec in self.properties.items()}


def with_types(schema: dict[str, Any], columns: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with types for the columns that are plain text in it.

    Args:
        schema: JSON Schema of an object with flat properties.
        columns: JSON Schema of each column that may have a type of its own.
    """
    typed = {
        name: {
            **spec,
            **{keyword: columns[name][keyword] for keyword in ("type", "format") if keyword in columns[name]},
        }
        for name, spec in schema["properties"].items()
        if name in columns and spec["type"] == TEXT["type"] and "format" not in spec
    }
    return {**schema, "properties": schema["properties"] | typed}


def _kind_of(spec: dict[str, Any]) -> str:
    types = set(type_names(spec)) - {"null"}
    if "string" in types:
        return spec["format"] if spec.get("format") in {"date-time", "date"} and types == {"string"} else "text"
    return next((kind for kind in ("number", "integer", "boolean") if kind in types), "text")


def _boolean(cell: str) -> bool:
    value = _BOOLEANS.get(cell.strip().lower())
    if value is None:
        raise ValueError
    return value


_decoders: dict[str, Callable[[str], Any]] = {
    "number": msgspec.json.Decoder(list[int | float | None]).decode,
    "integer": msgspec.json.Decoder(list[int | None]).decode,
    "one number": msgspec.json.Decoder(int | float).decode,
    "one integer": msgspec.json.Decoder(int).decode,
}
