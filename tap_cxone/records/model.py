"""The record model: a stream's JSON Schema turned into types that msgspec decodes straight into.

Three types share one set of fields: the *checked* one also parses date-times, the *strict* one moreover takes no
unknown fields, and the *plain* one keeps date-times as the text that was sent. What has been checked once may be
decoded plainly afterwards. Where a type balks, ``check`` says of a single record what is wrong with it, without quoting
a value.
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
    """Why a record was refused; ``record`` and ``record_id`` are for the quarantine and the audit log only."""

    record: object
    record_id: object
    missing_fields: tuple[str, ...]
    reason: str


class RecordModel:
    """The records of one stream.

    Args:
        schema: JSON Schema of an object with flat properties.
        keys: names of the properties that identify a record together; a text among them must not be empty.
        date_field: name of the property by whose day records are counted, or none.

    Attributes:
        only_csv: whether exports have no other layout; else the bytes decide.
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
        # gc=False: records hold no references to containers, and the collector need not walk millions of them.
        return msgspec.defstruct(name, fields, kw_only=True, gc=False, forbid_unknown_fields=strict)

    def key_of(self) -> Callable[[Any], str]:
        """Return what takes the key out of a record: one text, whatever it is made of."""
        if len(self.keys) == 1 and _field_type(self.properties[self.keys[0]], str) is str:
            return attrgetter(self.keys[0])
        values = attrgetter(*self.keys) if len(self.keys) > 1 else lambda record: (getattr(record, self.keys[0]),)
        # As JSON, in which no text can look like two.
        return lambda record: _encode(values(record)).decode()

    # --- Cells of a CSV file ------------------------------------------------------------------------------------------

    def fields(self, header: Sequence[str]) -> list[str]:
        """Return the names of a file's columns.

        Raises:
            CorruptExportError: the columns are not those of an export.
        """
        missing = [key for key in self.keys if key not in header]
        if missing:
            msg = f"the file is no export: it is no JSON, and as CSV it has no column '{missing[0]}'"
            raise CorruptExportError(msg)
        return list(header)

    def widened(self, fields: Sequence[str]) -> RecordModel:  # noqa: ARG002 - see below
        """Return the model of a file with these columns: a wider one where further columns are taken up."""
        return self

    def complete(self, fields: Sequence[str]) -> bool:
        """Tell whether a file without a row is believed to be whole, from its header."""
        return set(self.required) <= set(fields)

    def rows(self, fields: Sequence[str]) -> Callable[..., msgspec.Struct]:
        """Return a constructor that takes these fields in their order and checks none of them.

        Raises:
            ValueError: a field of the schema is not among them, and rows have to be made one by one.
        """
        if len(fields) != len(self.properties):
            raise ValueError(fields)
        return msgspec.defstruct("Positional", list(fields), gc=False)

    def column(self, name: str, cells: Sequence[str], *, first: bool) -> Sequence[Any]:
        """Return the values of a column.

        Args:
            name: the field.
            cells: what stands in the file.
            first: whether the values are to be checked, too.

        Raises:
            ValueError, msgspec.DecodeError, UnicodeEncodeError: some of them have to be looked at one by one.
        """
        if "" in cells:
            raise ValueError(name)
        if name in self.numeric:
            return _numbers(cells)
        if first:
            "".join(cells).encode()
            if (kind := _field_type(self.properties[name], datetime)) is not str:
                msgspec.convert(cells, list[kind])  # type: ignore[valid-type]
        return cells

    def value(self, name: str, cell: str) -> object:
        """Return what one cell says, UNSET where it says nothing; what does not fit its field is left to ``check``."""
        if not cell:
            return msgspec.UNSET
        return _number(cell) if name in self.numeric else cell

    @cached_property
    def numeric(self) -> frozenset[str]:
        """Fields that a text format has to turn into numbers."""
        numbers = {"number", "integer"}
        return frozenset(name for name, spec in self.properties.items() if numbers & set(type_names(spec)))

    @cached_property
    def nullable(self) -> frozenset[str]:
        """Fields that may be null."""
        return frozenset(name for name, spec in self.properties.items() if "null" in type_names(spec))

    # --- One by one ---------------------------------------------------------------------------------------------------

    def check(self, record: object) -> msgspec.Struct | InvalidRecord:
        """Return one decoded JSON value as a plain record, or say why it is refused."""
        if not isinstance(record, dict):
            return InvalidRecord(record, None, (), "not an object")
        record_id = self._record_id(record)
        missing = tuple(name for name in self.required if name not in record)
        if missing:
            return InvalidRecord(record, record_id, missing, "missing fields")
        # Only these: msgspec fails on texts that are not Unicode, names of fields included.
        known = {name: record[name] for name in self.properties if name in record}
        for name, value in known.items():
            if isinstance(value, str) and not value.isascii() and not _is_unicode(value):
                return InvalidRecord(record, record_id, (), f"not valid Unicode - at `$.{name}`")
        try:
            plain = msgspec.convert(known, self.plain)
            msgspec.convert(known, self.checked)
        except msgspec.ValidationError as err:
            # msgspec names the field and both types, never the value.
            return InvalidRecord(record, record_id, (), str(err))
        for name, value in known.items():
            if isinstance(value, float) and not math.isfinite(value):
                return InvalidRecord(record, record_id, (), f"not a finite number - at `$.{name}`")
        return plain

    def _record_id(self, record: dict[str, object]) -> object:
        """Return what names a record in the audit log: its key, or the parts of it between commas."""
        if len(self.keys) == 1:
            return record.get(self.keys[0])
        return ", ".join(str(record.get(key, "")) for key in self.keys)


def _numbers(cells: Sequence[str]) -> list[int | float]:
    """Return the numbers that the cells spell as JSON would."""
    numbers = _decode_numbers(f"[{','.join(cells)}]")
    if len(numbers) != len(cells):
        msg = "a cell holds more than a number"
        raise ValueError(msg)
    return numbers


def _number(cell: str) -> object:
    """Return the number that a cell spells as JSON would, or the cell."""
    try:
        value = msgspec.json.decode(cell)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return cell
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else cell


def is_misfit(reason: str) -> bool:
    """Tell whether a record was refused for a value that is not of its field's type."""
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
