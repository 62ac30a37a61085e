"""The record model: a stream's JSON Schema turned into types that msgspec decodes straight into.

Three types share one set of fields: the *checked* one also parses date-times, the *strict* one moreover takes no
unknown fields, and the *plain* one keeps date-times as the text that was sent. What has been checked once may be
decoded plainly afterwards. Where a type balks, ``check`` says of a single record what is wrong with it, without quoting
a value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_JSON_TYPES: dict[str, Any] = {"string": str, "number": int | float, "integer": int, "boolean": bool, "null": None}


@dataclass(frozen=True)
class Refusal:
    """Why a record was refused; ``record`` and ``record_id`` are for the quarantine and the audit log only."""

    record: object
    record_id: object
    missing_fields: tuple[str, ...]
    reason: str


class RecordModel:
    """The records of one stream.

    Args:
        schema: JSON Schema of an object with flat properties.
        key: name of the property that identifies a record: a text that is not empty.
    """

    def __init__(self, schema: dict[str, Any], key: str) -> None:
        self.key = key
        self.properties: dict[str, dict[str, Any]] = schema["properties"]
        self.required: Sequence[str] = tuple(schema.get("required", ()))
        self.strict = self._struct("Strict", dates_as=datetime, strict=True)
        self.checked = self._struct("Checked", dates_as=datetime)
        self.plain = self._struct("Plain", dates_as=str)

    def _struct(self, name: str, *, dates_as: type, strict: bool = False) -> type[msgspec.Struct]:
        fields: list[Any] = []
        for field, spec in self.properties.items():
            kind = Annotated[str, msgspec.Meta(min_length=1)] if field == self.key else _field_type(spec, dates_as)
            fields.append((field, kind) if field in self.required else (field, kind | msgspec.UnsetType, msgspec.UNSET))
        # gc=False: records hold no references to containers, and the collector need not walk millions of them.
        return msgspec.defstruct(name, fields, kw_only=True, gc=False, forbid_unknown_fields=strict)

    @cached_property
    def positional(self) -> Callable[..., msgspec.Struct]:
        """The plain type as a constructor that takes all fields in their order and checks none of them."""
        return msgspec.defstruct("Positional", list(self.properties), gc=False)

    def check_texts(self, name: str, values: Sequence[str]) -> None:
        """Check many values of a text field at once, none of them empty.

        Raises:
            msgspec.ValidationError: one of them is not what the schema asks for.
            UnicodeEncodeError: one of them is not valid Unicode.
        """
        "".join(values).encode()
        if _field_type(self.properties[name], datetime) is not str:
            msgspec.convert(values, list[_field_type(self.properties[name], datetime)])  # type: ignore[misc]

    @cached_property
    def numeric(self) -> frozenset[str]:
        """Fields that a text format has to turn into numbers."""
        numbers = {"number", "integer"}
        return frozenset(name for name, spec in self.properties.items() if numbers & set(_type_names(spec)))

    def check(self, record: object) -> msgspec.Struct | Refusal:
        """Return one decoded JSON value as a plain record, or say why it is refused."""
        if not isinstance(record, dict):
            return Refusal(record, None, (), "not an object")
        record_id = record.get(self.key)
        missing = tuple(name for name in self.required if name not in record)
        if missing:
            return Refusal(record, record_id, missing, "missing fields")
        # Only these: msgspec fails on texts that are not Unicode, names of fields included.
        known = {name: record[name] for name in self.properties if name in record}
        for name, value in known.items():
            if isinstance(value, str) and not value.isascii() and not _is_unicode(value):
                return Refusal(record, record_id, (), f"not valid Unicode - at `$.{name}`")
        try:
            plain = msgspec.convert(known, self.plain)
            msgspec.convert(known, self.checked)
        except msgspec.ValidationError as err:
            # msgspec names the field and both types, never the value.
            return Refusal(record, record_id, (), str(err))
        for name, value in known.items():
            if isinstance(value, float) and not math.isfinite(value):
                return Refusal(record, record_id, (), f"not a finite number - at `$.{name}`")
        return plain


def _type_names(spec: dict[str, Any]) -> list[str]:
    kind = spec["type"]
    return [kind] if isinstance(kind, str) else list(kind)


def _field_type(spec: dict[str, Any], dates_as: type) -> Any:  # noqa: ANN401 - a type expression
    kinds = [_JSON_TYPES[name] for name in _type_names(spec)]
    if spec.get("format") == "date-time":
        kinds = [dates_as if kind is str else kind for kind in kinds]
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
