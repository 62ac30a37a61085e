"""Exports whose columns are known only when the file is there: typed by a schema, text where nothing is known."""

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
    from collections.abc import Callable, Sequence

_BOOLEANS = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
_SHOWN_COLUMNS = 20
_LONGEST_NAME = 100


class ColumnModel(RecordModel):
    """The rows of a stream whose exports are CSV with columns of their own.

    Args:
        schema: JSON Schema of an object with flat properties, named as ``column_names`` has it.
        keys: names of the properties that identify a record together.
        date_field: name of the property by whose day records are counted, or none.
        allow_new_columns: whether columns that the schema does not have are taken up, as text.
        aliases: other names under which a key is known in some files.
        hint: the end of the sentence where a file does not fit: what to change.
    """

    only_csv = True

    def __init__(  # noqa: PLR0913 - what makes a model
        self,
        schema: dict[str, Any],
        keys: Sequence[str],
        *,
        allow_new_columns: bool,
        date_field: str | None = None,
        aliases: dict[str, tuple[str, ...]] | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(schema, keys, date_field=date_field)
        self._allow_new_columns = allow_new_columns
        self._aliases = aliases or {}
        self._hint = hint

    @override
    def fields(self, header: Sequence[str]) -> list[str]:
        if header and header[0].lstrip().startswith("<"):
            msg = "the file is no CSV, but a page (of a proxy, say)"
            raise CorruptExportError(msg)
        names = list(column_names(tuple(header)))
        for key, others in self._aliases.items():
            alias = next((other for other in others if other in names), None)
            if key not in names and alias:
                names[names.index(alias)] = key
        missing = [name for name in self.required if name not in names]
        if missing:
            shown = ", ".join(name[:_LONGEST_NAME] for name in names[:_SHOWN_COLUMNS]) + (
                " …" if len(names) > _SHOWN_COLUMNS else ""
            )
            which = "the key" if set(missing) & set(self.keys) else "what the schema requires,"
            lacks = f"the file has no column for {which} {', '.join(missing)}"
            msg = f"{lacks}; it has {shown or 'no header'}{self._hint}"
            raise UnfitExportError(msg)
        return names

    @override
    def widened(self, fields: Sequence[str]) -> RecordModel:
        new = {name: TEXT for name in fields if name not in self.properties}
        if not new or not self._allow_new_columns:
            return self
        schema = {**self.schema, "properties": {**self.properties, **new}}
        return ColumnModel(
            schema,
            self.keys,
            allow_new_columns=True,
            date_field=self.date_field,
            aliases=self._aliases,
            hint=self._hint,
        )

    @override
    def rows(self, fields: Sequence[str]) -> Callable[..., msgspec.Struct]:
        return msgspec.defstruct("Row", list(fields), gc=False)

    @override
    def column(self, name: str, cells: Sequence[str], *, first: bool) -> Sequence[Any]:
        empty = "" in cells
        if empty and name in self.required:
            raise ValueError(name)  # the rows that have nothing here are refused one by one
        if first:
            "".join(cells).encode()
        nothing = None if name in self.nullable else msgspec.UNSET
        kind = self._kind(name)
        if kind == "text":
            return [cell or nothing for cell in cells] if empty else cells
        if kind in {"integer", "number"}:
            return self._number_column(kind, cells, nothing)
        return [self._typed(kind, cell) if cell else nothing for cell in cells]

    @override
    def value(self, name: str, cell: str) -> object:
        if not cell:
            return None if name in self.nullable else msgspec.UNSET
        try:
            return self._typed(self._kind(name), cell)
        except (ValueError, msgspec.DecodeError):
            return cell  # the check of the record says what is wrong with it

    @staticmethod
    def _number_column(kind: str, cells: Sequence[str], nothing: object) -> Sequence[Any]:
        numbers = _decoders[kind](f"[{','.join([cell or 'null' for cell in cells])}]")
        if len(numbers) != len(cells):
            raise ValueError(kind)  # a cell holds more than a number
        return numbers if nothing is None else [nothing if number is None else number for number in numbers]

    @staticmethod
    def _typed(kind: str, cell: str) -> object:
        """Return what a cell that is not empty says; raises ValueError where it is not of its kind."""
        if kind == "boolean":
            return _boolean(cell)
        if kind in {"integer", "number"}:
            return _decoders["one " + kind](cell)
        if kind == "date-time":
            return as_date_time(cell)
        if kind == "date":
            return as_date_time(cell)[:10]
        return cell

    def _kind(self, name: str) -> str:
        return self._kinds[name]

    @cached_property
    def _kinds(self) -> dict[str, str]:
        return {name: _kind_of(spec) for name, spec in self.properties.items()}


def _kind_of(spec: dict[str, Any]) -> str:
    names = set(type_names(spec)) - {"null"}
    if "string" in names:
        return spec["format"] if spec.get("format") in {"date-time", "date"} and names == {"string"} else "text"
    return next((kind for kind in ("number", "integer", "boolean") if kind in names), "text")


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
