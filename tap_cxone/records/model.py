"""The record model: a stream's JSON Schema turned into struct types for msgspec's typed decoder.

Dates are decoded as text, because text is what is emitted, and checked column by column afterwards. When the decoder
rejects a batch, ``check`` finds the reason for a single record. The reason never quotes a value.
"""

from __future__ import annotations

import contextlib
import math
from collections import deque
from datetime import date, datetime
from functools import cached_property
from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from tap_cxone.dates import as_date_time
from tap_cxone.errors import NoExportError, UnfitExportError
from tap_cxone.records.rejected import NOT_A_RECORD, InvalidRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

_encode = msgspec.json.Encoder().encode
_JSON_TYPES: dict[str, Any] = {"string": str, "number": int | float, "integer": int, "boolean": bool, "null": None}


class RecordModel:
    """The records of one stream.

    Args:
        schema: JSON Schema of an object with flat properties.
        keys: names of the properties that together identify a record. Each must have a value: not null, no empty text.
        date_field: name of the date property by which records are counted per day, or None; it counts only if it is
            selected.
        selected: names of the properties that are emitted; None: all. Of the others, only keys are read and checked.

    Attributes:
        only_csv: whether exports are always CSV. Otherwise the first byte of the file decides.
        fields: names of the properties that are read, in the order of the schema.
        dates: those of them that are dates.
        hidden: those of them that are not emitted.
        deselected: names of the properties that are not read.
        required: names of the properties without which a record is rejected.
    """

    only_csv = False

    def __init__(
        self,
        schema: dict[str, Any],
        keys: Sequence[str],
        *,
        date_field: str | None = None,
        selected: Collection[str] | None = None,
    ) -> None:
        self.schema = schema
        self.date_field = date_field if selected is None or date_field in selected else None
        self.keys = tuple(keys)
        self.selected = selected
        self.properties: dict[str, dict[str, Any]] = schema["properties"]
        emitted = {name for name in self.properties if selected is None or name in selected}
        read = {*emitted, *keys}
        self.fields = tuple(name for name in self.properties if name in read)
        self.hidden = tuple(name for name in self.fields if name not in emitted)
        self.deselected = tuple(name for name in self.properties if name not in read)
        required = dict.fromkeys([*schema.get("required", ()), *self.keys])
        self.required: Sequence[str] = tuple(name for name in required if name not in self.deselected)
        self.dates = tuple(name for name in self.fields if _is_date(self.properties[name]))

    def struct(self, ignored: Sequence[str] = (), *, strict: bool = False) -> type[msgspec.Struct]:
        """Return a struct type for records.

        Args:
            ignored: names of further fields that a record may have. Their attributes are ``ignored_attributes``.
            strict: whether it rejects other fields; otherwise they are skipped.
        """
        fields: list[Any] = [self._field(name) for name in self.fields]
        # Raw values are not decoded.
        fields += [
            (attribute, msgspec.Raw | msgspec.UnsetType, msgspec.field(name=name, default=msgspec.UNSET))
            for attribute, name in zip(ignored_attributes(ignored), ignored, strict=True)
        ]
        # Records refer to no containers, so the garbage collector need not track millions of them.
        return msgspec.defstruct("Record", fields, kw_only=True, gc=False, forbid_unknown_fields=strict)

    def _field(self, name: str) -> Any:  # noqa: ANN401 - the definition of a field
        kind = _field_type(self.properties[name], is_key=name in self.keys)
        return (name, kind) if name in self.required else (name, kind | msgspec.UnsetType, msgspec.UNSET)

    @cached_property
    def _plain(self) -> type[msgspec.Struct]:
        return self.struct()

    def convert_dates(self, records: list[Any]) -> None:
        """Convert the dates of decoded records in place; raises the same error as ``as_dates``."""
        for name in self.dates:
            dated = records
            if name not in self.required or "null" in type_names(self.properties[name]):
                dated = [record for record in records if isinstance(getattr(record, name), str)]
            texts = list(map(attrgetter(name), dated))
            dates = self.as_dates(name, texts)
            if dates is not texts:
                deque(map(setattr, dated, repeat(name), dates), maxlen=0)

    def as_dates(self, name: str, texts: list[str]) -> list[str]:
        """Return values of a date field as they are emitted: the same list if all of them are in that form already.

        Raises:
            msgspec.ValidationError: one of them is not a date in ISO 8601.
        """
        has_time = self.properties[name]["format"] == "date-time"
        text = "".join(texts)
        # msgspec accepts more than RFC 3339: a blank or a small t between date and time, and no offset.
        if not has_time or (text.count("Z") == len(texts) and " " not in text and "t" not in text):
            with contextlib.suppress(msgspec.ValidationError):
                msgspec.convert(texts, list[datetime] if has_time else list[date])
                return texts
        try:
            dates = list(map(as_date_time, texts))
        except ValueError:
            msg = f"Invalid date - at `$.{name}`"
            raise msgspec.ValidationError(msg) from None
        return dates if has_time else [text[:10] for text in dates]

    @cached_property
    def key_getter(self) -> Callable[[Any], str]:
        """A function that gets the key of a record as one string."""
        if len(self.keys) == 1 and set(type_names(self.properties[self.keys[0]])) <= {"string", "null"}:
            return attrgetter(self.keys[0])
        values = attrgetter(*self.keys) if len(self.keys) > 1 else lambda record: (getattr(record, self.keys[0]),)
        # As JSON, because joined strings would be ambiguous: ("a", "bc") and ("ab", "c").
        return lambda record: _encode(values(record)).decode()

    # --- Columns of a CSV file ----------------------------------------------------------------------------------------

    def fields_of(self, header: Sequence[str]) -> list[str]:
        """Return the field names of a file's columns.

        Args:
            header: the cells of the header row.

        Raises:
            NoExportError: the file is not an export of this stream.
            UnfitExportError: a field has two columns.
        """
        missing = [key for key in self.keys if key not in header]
        if missing or self.is_foreign(dict.fromkeys(header, "")):
            lacks = f"column '{missing[0]}'" if missing else "more than a few of the stream's columns"
            msg = f"the file is not an export: it is not valid JSON, and as CSV it has no {lacks}"
            raise NoExportError(msg)
        if double := next((name for name in self.fields if header.count(name) > 1), None):
            msg = f"the file has two columns '{double}'"
            raise UnfitExportError(msg)
        return list(header)

    def with_columns(self, fields: Sequence[str]) -> RecordModel:  # noqa: ARG002 - used by subclasses
        """Return the model of a file with these columns. A subclass may add new columns to it."""
        return self

    # --- Single records -----------------------------------------------------------------------------------------------

    def check(self, record: object) -> msgspec.Struct | InvalidRecord:
        """Return a decoded JSON value as a plain record, or as an invalid one with the reason."""
        if not isinstance(record, dict):
            return InvalidRecord(record, None, (), NOT_A_RECORD)
        # Known fields only: msgspec fails on strings that are not valid Unicode, including names of unknown fields.
        known = {name: record[name] for name in self.fields if name in record}
        missing = tuple(name for name in self.required if name not in known)
        reason = "missing fields" if missing else self._wrong_value(known)
        try:
            if not reason:
                found = msgspec.convert(known, self._plain)
                self.convert_dates([found])
                return found
        except msgspec.ValidationError as err:
            reason = str(err)  # it names the field and both types, never the value
        if self.is_foreign(record):
            reason = NOT_A_RECORD
        return InvalidRecord(record, self._record_id(record), missing, reason)

    def is_foreign(self, item: object) -> bool:
        """Return whether an invalid item is not a record of the stream but, for example, part of an error document.

        It has values for fewer than half as many of the schema's fields as are required, selected or not: an error
        document may have an id and a type, too.
        """
        if not isinstance(item, dict):
            return True
        present = sum(item.get(name) is not None for name in self.properties)
        return 2 * present < len({*self.schema.get("required", ()), *self.keys})

    def _wrong_value(self, known: dict[str, object]) -> str:
        """Return what is wrong with a record, apart from the types of its values; nothing if they may be right."""
        for name, value in known.items():
            if name in self.keys and value in (None, ""):
                return f"no value - at `$.{name}`"
            if isinstance(value, str) and not value.isascii() and not _is_unicode(value):
                return f"not valid Unicode - at `$.{name}`"
            if isinstance(value, float) and not math.isfinite(value):
                return f"not a finite number - at `$.{name}`"
        return ""

    def _record_id(self, record: dict[str, object]) -> object:
        """Return what identifies a record in the audit log: its key, or the parts of it joined by commas."""
        if len(self.keys) == 1:
            return record.get(self.keys[0])
        return ", ".join(str(record.get(key, "")) for key in self.keys)


def type_names(spec: dict[str, Any]) -> list[str]:
    """Return the JSON types that a property may have."""
    kind = spec["type"]
    return [kind] if isinstance(kind, str) else list(kind)


def ignored_attributes(names: Sequence[str]) -> list[str]:
    """Return the attributes under which a struct holds the fields that are ignored."""
    return [f"_ignored_{number}" for number in range(len(names))]


def unset(records: Sequence[Any], attributes: Iterable[str]) -> None:
    """Remove attributes from structs, so that they are not encoded."""
    for name in attributes:
        deque(map(setattr, records, repeat(name), repeat(msgspec.UNSET)), maxlen=0)


def _is_date(spec: dict[str, Any]) -> bool:
    return spec.get("format") in {"date-time", "date"} and set(type_names(spec)) - {"null"} == {"string"}


def _field_type(spec: dict[str, Any], *, is_key: bool) -> Any:  # noqa: ANN401 - a type expression
    """Return the type of a property's values."""
    kinds = [_JSON_TYPES[name] for name in type_names(spec) if name != "null" or not is_key]
    if is_key:
        kinds = [Annotated[str, msgspec.Meta(min_length=1)] if kind is str else kind for kind in kinds]
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
