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
from tap_cxone.records.batch import WHITESPACE, Batch
from tap_cxone.records.json_decoder import JsonDecoder
from tap_cxone.records.rejected import InvalidRecord

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
parse_value = json.JSONDecoder(parse_int=_parse_integer, strict=False).raw_decode

_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_array(stream: ExportText, fields: ExportFields) -> Iterator[Batch]:
    """Read a top-level array. The stream is at its opening bracket.

    Raises:
        CorruptExportError: the array is not closed, something follows it, or a record is not valid JSON.
    """
    decoder = JsonDecoder(fields)
    is_first = True

    def take(text: bytes, *, at_end: bool) -> tuple[Batch, int]:  # noqa: ARG001 - an array shows its end
        nonlocal is_first
        batch, used = _take_elements(text, decoder, fields, is_first=is_first)
        is_first = is_first and not used
        return batch, used

    stream.read(1)
    rest = yield from stream.parts(take)
    if rest.strip(WHITESPACE) != b"]":
        msg = "the file is cut off or damaged: its JSON array does not end where the file ends"
        raise CorruptExportError(msg)


def read_lines(stream: ExportText, fields: ExportFields) -> Iterator[Batch]:
    """Read JSON Lines.

    Raises:
        CorruptExportError: a line is not valid JSON (the last one of a truncated file, for example).
    """
    decoder = JsonDecoder(fields)

    def take(text: bytes, *, at_end: bool) -> tuple[Batch, int]:
        end = len(text) if at_end else text.rfind(b"\n") + 1
        try:
            return Batch(decoder.decode(text[:end], as_lines=True)), end
        except _UNDECODABLE:
            return fields.check_each(_parse_lines(text[:end])), end

    yield from stream.parts(take)


def _take_elements(text: bytes, decoder: JsonDecoder, fields: ExportFields, *, is_first: bool) -> tuple[Batch, int]:
    """Decode as many complete array elements as possible from the start of the text.

    Args:
        text: the array from where the last batch ended.
        decoder: the typed decoder.
        fields: the fields of the export.
        is_first: whether the text starts with the first element, before which there is no comma.

    Returns:
        The elements, and the number of bytes of the text that they took up.
    """
    start = 0 if is_first else _after_comma(text)
    end = len(text)
    for _ in range(_BRACES_TRIED if start >= 0 else 0):
        end = text.rfind(b"}", start, end)
        if end < 0:
            break
        # If the brace is part of a string or of a nested value, what precedes it is not a valid array.
        try:
            records = decoder.decode(b"".join((b"[", text[start : end + 1], b"]")), as_lines=False)
        except msgspec.ValidationError:
            break
        except _UNDECODABLE:
            continue
        return Batch(records), end + 1
    return _take_elements_singly(text, fields, is_first=is_first)


def _after_comma(text: bytes) -> int:
    """Return the position after the leading comma, or -1 if the text does not start with a comma."""
    blanks = len(text) - len(text.lstrip(WHITESPACE))
    return blanks + 1 if text[blanks : blanks + 1] == b"," else -1


def _take_elements_singly(data: bytes, fields: ExportFields, *, is_first: bool) -> tuple[Batch, int]:
    # Bytes that are not UTF-8 become lone surrogates, for which the record is rejected later.
    text = data.decode("utf-8", "surrogateescape")
    position = 0

    def values() -> Iterator[object]:
        nonlocal position
        while found := _next_element(text, position, is_first=is_first and not position):
            value, position = found
            yield value

    batch = fields.check_each(values())
    return batch, len(text[:position].encode("utf-8", "surrogateescape"))


def _next_element(text: str, position: int, *, is_first: bool) -> tuple[object, int] | None:
    """Return the next element of an array and the position of its end.

    None: no complete element follows, but the end of the array, the end of the text, or what is not JSON.
    """
    position = _skip_blanks(text, position)
    if not is_first:
        if text[position : position + 1] != ",":
            return None
        position = _skip_blanks(text, position + 1)
    try:
        value, position = parse_value(text, position)
    except (ValueError, RecursionError):
        return None
    # Without one of these, a number may continue in bytes that are not read yet.
    following = _skip_blanks(text, position)
    return (value, position) if text[following : following + 1] in {",", "]"} else None


def _parse_lines(block: bytes) -> Iterator[object]:
    for line in block.split(b"\n"):
        text = line.decode("utf-8", "surrogateescape")
        position = _skip_blanks(text, 0)
        while position < len(text):  # usually once, but the typed decoder also accepts several objects on a line
            try:
                value, position = parse_value(text, position)
            except RecursionError:
                yield InvalidRecord(None, None, (), "nested too deeply")
                break
            except ValueError:
                msg = "the file is cut off or damaged: one of its lines is not valid JSON"
                raise CorruptExportError(msg) from None
            yield value
            position = _skip_blanks(text, position)


def _skip_blanks(text: str, position: int) -> int:
    match = _BLANKS.match(text, position)
    return match.end() if match else position
