"""The record model: a stream's JSON Schema turned into struct types for msgspec's typed decoder.

A model has three struct types with the same fields. *Plain* keeps date-times as the text that was sent. *Checked* also
parses date-times, which checks them. *Strict* is checked and moreover rejects unknown fields. Records that have been
checked once can be decoded as plain ones afterwards. When a decoder rejects some records, ``check`` finds the reason
for a single one. The reason never quotes a value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from tap_cxone.errors import CorruptExportError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_encode = msgspec.json.Encoder().encode
_decode_numbers = msgspec.json.Decoder(list[int | float]).decode
_JSON_TYPES: dict[str, Any] = {"string": str, "number": int | float, "integer": int, "boolean": bool, "null": None}


@dataclass(frozen=True)
class InvalidRecord:
    """A rejected record, and why it was rejected.

    Attributes:
        record: the decoded record; for the quarantine only.
        record_id: its key; for the audit log only.
        missing_fields: names of required fields that it does not have.
        reason: what is wrong with it, without quoting a value.
    """

    record: object
    record_id: object
    missing_fields: tuple[str, ...]
    reason: str


class RecordModel:
    """The records of one stream.

    Args:
        schema: JSON Schema of an object with flat properties.
        keys: names of the properties that together identify a record. String keys must not be empty.
        date_field: name of the date property by which records are counted per day, or None.

    Attributes:
        only_csv: whether exports are always CSV. Otherwise the first byte of the file decides.
    """

    only_csv = False

    def __init__(self, schema: dict[str, Any], keys: Sequence[str], *, date_field: str | None = None) -> None:
        self.schema = schema
        self.date_field = date_field
        self.keys = tuple(keys)
        self.properties: dict[str, dict[str, Any]] = schema["properties"]
        self.required: Sequence[str] = tuple(dict.fromkeys([*schema.get("required", ()), *self.keys]))
        self.strict = self._struct("Strict", dates_as=datetime, strict=True)
        self.checked = self._struct("Checked", dates_as=datetime)
        self.plain = self._struct("Plain", dates_as=str)

    def _struct(self, name: str, *, dates_as: type, strict: bool = False) -> type[msgspec.Struct]:
        fields: list[Any] = []
        for field, spec in self.properties.items():
            kind = _field_type(spec, dates_as)
            if field in self.keys and kind in {str, str | None}:
                kind = Annotated[str, msgspec.Meta(min_length=1)]
            fields.append((field, kind) if field in self.required else (field, kind | msgspec.UnsetType, msgspec.UNSET))
        # Records refer to no containers, so the garbage collector need not track millions of them.
        return msgspec.defstruct(name, fields, kw_only=True, gc=False, forbid_unknown_fields=strict)

    def key_getter(self) -> Callable[[Any], str]:
        """Return a function that gets the key of a record as one string."""
        if len(self.keys) == 1 and _field_type(self.properties[self.keys[0]], str) is str:
            return attrgetter(self.keys[0])
        values = attrgetter(*self.keys) if len(self.keys) > 1 else lambda record: (getattr(record, self.keys[0]),)
        # As JSON, because joined strings would be ambiguous: ("a", "bc") and ("ab", "c").
        return lambda record: _encode(values(record)).decode()

    # --- Cells of a CSV file ------------------------------------------------------------------------------------------

    def fields_of(self, header: Sequence[str]) -> list[str]:
        """Return the field names of a file's columns.

        Args:
            header: the cells of the header row.

        Raises:
            CorruptExportError: the file is not an export of this stream.
        """
        missing = [key for key in self.keys if key not in header]
        if missing:
            msg = f"the file is not an export: it is not valid JSON, and as CSV it has no column '{missing[0]}'"
            raise CorruptExportError(msg)
        return list(header)

    def with_columns(self, fields: Sequence[str]) -> RecordModel:  # noqa: ARG002 - used by subclasses
        """Return the model of a file with these columns. A subclass may add new columns to it."""
        return self

    def is_complete_header(self, fields: Sequence[str]) -> bool:
        """Return whether a file that consists of this header row, without a line ending, may be complete."""
        return set(self.required) <= set(fields)

    def row_constructor(self, fields: Sequence[str]) -> Callable[..., msgspec.Struct]:
        """Return a constructor for records that takes the values of these fields by position, unchecked.

        Raises:
            ValueError: a field of the schema is missing; the rows must then be converted one by one.
        """
        if len(fields) != len(self.properties):
            raise ValueError(fields)
        return msgspec.defstruct("Positional", list(fields), gc=False)

    def convert_column(self, name: str, cells: Sequence[str], *, check: bool) -> Sequence[Any]:
        """Return the values of a column.

        Args:
            name: name of the field.
            cells: the text of its cells, one for each row.
            check: whether to check the values as well.

        Raises:
            ValueError, msgspec.DecodeError, UnicodeEncodeError: not every cell is valid; the rows must then be
                converted one by one.
        """
        if "" in cells:
            raise ValueError(name)
        if name in self.numeric:
            return _numbers(cells)
        if check:
            "".join(cells).encode()
            if (kind := _field_type(self.properties[name], datetime)) is not str:
                msgspec.convert(cells, list[kind])  # type: ignore[valid-type]
        return cells

    def convert_cell(self, name: str, cell: str) -> object:
        """Return the value of one cell: UNSET if it is empty, the text if it is invalid, for ``check`` to reject."""
        if not cell:
            return msgspec.UNSET
        return _number(cell) if name in self.numeric else cell

    @cached_property
    def numeric(self) -> frozenset[str]:
        """Names of the fields whose cells are converted to numbers."""
        numbers = {"number", "integer"}
        return frozenset(name for name, spec in self.properties.items() if numbers & set(type_names(spec)))

    @cached_property
    def nullable(self) -> frozenset[str]:
        """Names of the fields that may be null."""
        return frozenset(name for name, spec in self.properties.items() if "null" in type_names(spec))

    # --- Single records -----------------------------------------------------------------------------------------------

    def check(self, record: object) -> msgspec.Struct | InvalidRecord:
        """Return a decoded JSON value as a plain record, or as an invalid one with the reason."""
        if not isinstance(record, dict):
            return InvalidRecord(record, None, (), "not an object")
        record_id = self._record_id(record)
        missing = tuple(name for name in self.required if name not in record)
        if missing:
            return InvalidRecord(record, record_id, missing, "missing fields")
        # Known fields only: msgspec fails on strings that are not valid Unicode, including names of unknown fields.
        known = {name: record[name] for name in self.properties if name in record}
        for name, value in known.items():
            if isinstance(value, str) and not value.isascii() and not _is_unicode(value):
                return InvalidRecord(record, record_id, (), f"not valid Unicode - at `$.{name}`")
        try:
            plain = msgspec.convert(known, self.plain)
            msgspec.convert(known, self.checked)
        except msgspec.ValidationError as err:
            # The message names the field and both types, never the value.
            return InvalidRecord(record, record_id, (), str(err))
        for name, value in known.items():
            if isinstance(value, float) and not math.isfinite(value):
                return InvalidRecord(record, record_id, (), f"not a finite number - at `$.{name}`")
        return plain

    def _record_id(self, record: dict[str, object]) -> object:
        """Return what identifies a record in the audit log: its key, or the parts of it joined by commas."""
        if len(self.keys) == 1:
            return record.get(self.keys[0])
        return ", ".join(str(record.get(key, "")) for key in self.keys)


def _numbers(cells: Sequence[str]) -> list[int | float]:
    """Return the cells as JSON numbers."""
    numbers = _decode_numbers(f"[{','.join(cells)}]")
    if len(numbers) != len(cells):
        msg = "a cell holds several numbers"
        raise ValueError(msg)
    return numbers


def _number(cell: str) -> object:
    """Return the cell as a JSON number, or as it is if it is not one."""
    try:
        value = msgspec.json.decode(cell)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return cell
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else cell


def is_type_mismatch(reason: str) -> bool:
    """Return whether a record was rejected because a value does not have the type of its field."""
    return reason.startswith(("Expected", "Invalid"))


def type_names(spec: dict[str, Any]) -> list[str]:
    """Return the JSON types that a property may have."""
    kind = spec["type"]
    return [kind] if isinstance(kind, str) else list(kind)


def _field_type(spec: dict[str, Any], dates_as: type) -> Any:  # noqa: ANN401 - a type expression
    kinds = [_JSON_TYPES[name] for name in type_names(spec)]
    if spec.get("format") == "date-time":
        kinds = [dates_as if kind is str else kind for kind in kinds]
    if spec.get("format") == "date" and dates_as is not str:
        kinds = [date if kind is str else kind for kind in kinds]
    union = kinds[0]
    for kind in kinds[1:]:
        union = union | kind
    return union


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
