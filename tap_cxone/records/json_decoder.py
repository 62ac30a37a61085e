"""Typed decoding of JSON records in batches.

The strict decoder rejects a batch that has an unknown field, and its error gives the name. From then on the name
belongs to the struct type, and its values are skipped. So unknown fields are found wherever they first occur, without
decoding any record to a dictionary. Only in a batch with a name that cannot belong to a struct, others may be missed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from tap_cxone.records.model import ignored_attributes, unset

if TYPE_CHECKING:
    from tap_cxone.records.batch import ExportFields

_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(.*?)`(?: - at `\$[^`]*`)?", re.DOTALL)

_NOT_IN_STRUCTS = re.compile(r'[\x00-\x1f"\\]')
"""Characters that msgspec does not support in the name of a field."""


class JsonDecoder:
    """Decodes the batches of one export.

    Args:
        fields: the fields of the export; receives the names of unknown ones.
    """

    def __init__(self, fields: ExportFields) -> None:
        self._fields = fields
        self._ignored = list(fields.model.deselected)
        self._set_decoders()

    def decode(self, data: bytes, *, as_lines: bool) -> list[Any]:
        """Decode JSON Lines, or a JSON array, into structs.

        Raises:
            msgspec.ValidationError: a record is not valid.
            msgspec.DecodeError: the data is not JSON, or JSON that this decoder does not support.
        """
        try:
            while True:
                try:
                    records = self._lines.decode_lines(data) if as_lines else self._array.decode(data)
                except msgspec.ValidationError as err:
                    if not self._ignore_unknown_field(str(err)):
                        raise
                else:
                    unset(records, self._ignored_attributes)
                    self._fields.model.convert_dates(records)
                    return records
        finally:
            if not self._is_strict and not self._fields.is_full:
                self._set_decoders()

    def _ignore_unknown_field(self, message: str) -> bool:
        """Have the unknown field that an error names ignored; return False if the error is about something else."""
        found = _UNKNOWN_FIELD.fullmatch(message)
        if not found:
            return False
        name = found[1]
        is_new = self._fields.add_unknown(name) and name not in self._ignored
        if is_new and not _NOT_IN_STRUCTS.search(name):
            self._ignored.append(name)
            self._set_decoders()
        else:  # an odd name, or too many of them: ignore all, known by name or not
            self._set_decoders(strict=False)
        return True

    def _set_decoders(self, *, strict: bool = True) -> None:
        self._is_strict = strict
        ignored = self._ignored if strict else []
        self._ignored_attributes = ignored_attributes(ignored)
        record = self._fields.model.struct(ignored, strict=strict)
        self._array = msgspec.json.Decoder(list[record])  # type: ignore[valid-type]
        self._lines = msgspec.json.Decoder(record)
