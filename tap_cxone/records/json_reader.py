"""Readers for JSON exports: one top-level array, or one object per line (JSON Lines).

A batch is decoded as a whole by msgspec's typed decoder if possible. If the decoder rejects it (an invalid record, or a
number or string that it does not support), the standard library's parser reads it record by record. So an invalid
record makes its batch slower and has no other effect.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import msgspec

from tap_cxone.errors import CorruptExportError
from tap_cxone.records.batch import BATCH_BYTES, WHITESPACE, Batch, bytes_to_read, check_length
from tap_cxone.records.json_decoder import JsonDecoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cxone.records.batch import ExportFields
    from tap_cxone.records.text import ExportText

_BRACES_TRIED = 8
"""Closing braces, counted from the end of the buffer, that are tried as the end of the last complete record."""
_BLANKS = re.compile(r"[ \t\r\n]*")
_MAX_INTEGER_DIGITS = 4000
"""Python refuses to parse integers of more than 4300 digits (CVE-2020-10735)."""


def _parse_integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_INTEGER_DIGITS else float(digits)


# Not strict: a control character in a string (a bare tab, for example) does not make the file damaged.
_parse_one = json.JSONDecoder(parse_int=_parse_integer, strict=False).raw_decode

_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_array(stream: ExportText, fields: ExportFields) -> Iterator[Batch]:
    """Read a top-level array. The stream is at its opening bracket.

    Raises:
        CorruptExportError: the array is not closed, something follows it, or a record is not valid JSON.
    """
    decoder = JsonDecoder(fields)
    rest = stream.read(1)[1:]  # skips the bracket
    first = True
    wanted, at_end = BATCH_BYTES, False
    while not at_end:
        more = stream.read(wanted)
        at_end = len(more) < wanted
        rest += more
        while rest:
            batch, used = _take_elements(rest, decoder, fields, first=first)
            if not used:
                break
            yield batch
            first = False
            rest = rest[used:]
            if not at_end:
                break
        check_length(len(rest))
        wanted = bytes_to_read(len(rest))
    if rest.strip(WHITESPACE) != b"]":
        msg = "the file is cut off or damaged: its JSON array does not end where the file ends"
        raise CorruptExportError(msg)


def read_lines(stream: ExportText, fields: ExportFields) -> Iterator[Batch]:
    """Read JSON Lines.

    Raises:
        CorruptExportError: a line is not valid JSON (the last one of a truncated file, for example), or the file is an
            error document.
    """
    decoder = JsonDecoder(fields)
    rest, wanted, at_end = b"", BATCH_BYTES, False
    count = 0
    first: dict[str, object] = {}
    while not at_end:
        more = stream.read(wanted)
        at_end = len(more) < wanted
        rest += more
        cut = len(rest) if at_end else rest.rfind(b"\n") + 1
        block, rest = rest[:cut], rest[cut:]
        check_length(len(rest))
        wanted = bytes_to_read(len(rest))
        if not block:
            continue
        if not count:
            first = _check_first_object(block, fields)
        batch = _take_lines(block, decoder, fields)
        count += len(batch.records) + len(batch.invalid)
        yield batch
    required = fields.model.required
    if count == 1 and 2 * sum(name in first for name in required) < len(required):
        msg = "the file is not an export: its only object has few of the stream's fields (it may be an error message)"
        raise CorruptExportError(msg)


def _take_elements(text: bytes, decoder: JsonDecoder, fields: ExportFields, *, first: bool) -> tuple[Batch, int]:
    """Decode as many complete array elements as possible from the start of the text.

    Args:
        text: the array from where the last batch ended.
        decoder: the typed decoder.
        fields: the fields of the export.
        first: whether the text starts with the first element, before which there is no comma.

    Returns:
        The elements, and the number of bytes of the text that they took up.
    """
    start = 0 if first else _after_comma(text)
    end = len(text)
    for _ in range(_BRACES_TRIED if start >= 0 else 0):
        end = text.rfind(b"}", start, end)
        if end < 0:
            break
        # If the brace is part of a string or of a nested value, what precedes it is not a valid array.
        try:
            records = decoder.decode_array(b"".join((b"[", text[start : end + 1], b"]")))
        except msgspec.ValidationError:
            break
        except _UNDECODABLE:
            continue
        return Batch(records), end + 1
    return _take_elements_singly(text, fields, first=first)


def _take_elements_singly(text: bytes, fields: ExportFields, *, first: bool) -> tuple[Batch, int]:
    ends = [0]

    def values() -> Iterator[object]:
        for value, end in _parse_elements(text, first=first):
            ends.append(end)
            yield value

    batch = fields.check_each(values())
    return batch, ends[-1]


def _after_comma(text: bytes) -> int:
    """Return the position after the leading comma, or -1 if the text does not start with a comma."""
    blanks = len(text) - len(text.lstrip(WHITESPACE))
    return blanks + 1 if text[blanks : blanks + 1] == b"," else -1


def _parse_elements(data: bytes, *, first: bool) -> Iterator[tuple[object, int]]:
    """Parse array elements one by one; yield each with the position of its end in bytes.

    Stops if no complete element follows: at the end of the array, at the end of the data, or at invalid JSON.
    """
    # Bytes that are not UTF-8 become lone surrogates, for which the record is rejected later.
    text = data.decode("utf-8", "surrogateescape")
    is_ascii = text.isascii()
    position = counted = size = 0
    while True:
        position = _skip_blanks(text, position)
        if not first:
            if text[position : position + 1] != ",":
                return
            position = _skip_blanks(text, position + 1)
        first = False
        try:
            value, position = _parse_one(text, position)
        except (ValueError, RecursionError):
            return
        if not isinstance(value, (dict, list, str)):
            following = _skip_blanks(text, position)
            if text[following : following + 1] not in {",", "]"}:
                return  # a number may continue in bytes that are not read yet
        if is_ascii:
            size = position
        else:
            size += len(text[counted:position].encode("utf-8", "surrogateescape"))
            counted = position
        yield value, size


def _skip_blanks(text: str, position: int) -> int:
    match = _BLANKS.match(text, position)
    return match.end() if match else position


def _take_lines(block: bytes, decoder: JsonDecoder, fields: ExportFields) -> Batch:
    try:
        return Batch(decoder.decode_lines(block))
    except _UNDECODABLE:
        return fields.check_each(_parse_lines(block))


def _parse_lines(block: bytes) -> Iterator[object]:
    for line in block.split(b"\n"):
        text = line.decode("utf-8", "surrogateescape")
        position = _skip_blanks(text, 0)
        while position < len(text):  # usually once, but the typed decoder also accepts several objects on a line
            try:
                value, position = _parse_one(text, position)
            except (ValueError, RecursionError):
                msg = "the file is cut off or damaged: one of its lines is not valid JSON"
                raise CorruptExportError(msg) from None
            yield value
            position = _skip_blanks(text, position)


def _check_first_object(block: bytes, fields: ExportFields) -> dict[str, object]:
    """Return the first object.

    Raises:
        CorruptExportError: it is not a record but an error document that was sent instead of an export, for example.
    """
    value = next(_parse_lines(block), None)
    if not isinstance(value, dict) or not value.keys() & fields.model.properties.keys():
        msg = "the file is not an export: its first object has none of the stream's fields"
        raise CorruptExportError(msg)
    return value
