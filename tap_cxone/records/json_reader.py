"""BatchReader JSON exports piece by piece: one top-level array, or one object a line.

A piece goes through msgspec's typed decoder as a whole where it can. Where that fails (an invalid record, a number or
a text that the decoder does not take), the standard library's parser takes the piece apart record by record: one bad
record costs its piece some speed and nothing else.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import msgspec

from tap_cxone.errors import CorruptExportError
from tap_cxone.records.batch import (
    BATCH_BYTES,
    BETWEEN_ELEMENTS,
    BETWEEN_LINES,
    MAX_RECORD_BYTES,
    WHITESPACE,
    Batch,
    Verbatim,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cxone.records.batch import BatchReader
    from tap_cxone.records.text import PlainText

_CUTS = (1, 2, 4, 8)
"""Which closing braces, counted from the end of what was read, are tried as the end of a run of records."""
_BEHIND = (",", "]")
"""What ends an element of an array."""
_BLANKS = re.compile(r"[ \t\r\n]*")
_PARSED_DIGITS = 4000
"""Python refuses to parse integers of more than 4300 digits (CVE-2020-10735)."""


def _parse_integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _PARSED_DIGITS else float(digits)


# Not strict: a control character in a text (a bare tab, say) makes one odd text, not a damaged file.
_parse_one = json.JSONDecoder(parse_int=_parse_integer, strict=False).raw_decode

_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_array(stream: PlainText, reading: BatchReader) -> Iterator[Batch]:
    """Read a top-level array; the stream stands in front of its bracket.

    Raises:
        CorruptExportError: the array is not closed, is followed by something, or a record is no JSON.
    """
    rest = stream.read(1)[1:]  # without the bracket
    first = True
    wanted, last = BATCH_BYTES, False
    while not last:
        more = stream.read(wanted)
        last = len(more) < wanted
        rest += more
        while rest:
            piece, used = _take_run(rest, reading, first=first)
            if not used:
                break
            yield piece
            first = False
            rest = rest[used:]
            if not last:
                break
        # A record longer than a piece: what is read grows with it, so that it is not looked at too often.
        wanted = max(BATCH_BYTES, len(rest))
        _check_length(rest)
    if rest.strip(WHITESPACE) != b"]":
        msg = "the file is cut off or damaged: its JSON array does not end where the file ends"
        raise CorruptExportError(msg)


def read_lines(stream: PlainText, reading: BatchReader) -> Iterator[Batch]:
    """Read one object a line.

    Raises:
        CorruptExportError: a line is no JSON (the last one, say, because the file is cut off).
    """
    rest, wanted, last = b"", BATCH_BYTES, False
    lines = 0
    first: dict[str, object] = {}
    while not last:
        more = stream.read(wanted)
        last = len(more) < wanted
        rest += more
        cut = len(rest) if last else rest.rfind(b"\n") + 1
        wanted = BATCH_BYTES if cut else max(BATCH_BYTES, len(rest))
        _check_length(rest[cut:])
        if not cut:
            continue
        block, rest = rest[:cut], rest[cut:]
        if not lines:
            first = _checked_first(block, reading)
        piece = _take_lines(block, reading)
        lines += piece.count + len(piece.refused)
        yield piece
    if lines == 1 and 2 * sum(name in first for name in reading.model.required) < len(reading.model.required):
        msg = "the file is no export: its only object has few of the fields of the stream (an error, say)"
        raise CorruptExportError(msg)


def _take_run(text: bytes, reading: BatchReader, *, first: bool) -> tuple[Batch, int]:
    """Take as many whole elements as possible off the text; return them and how many bytes they were."""
    regular = reading.next_batch()
    begin = 0 if first else _behind_comma(text)
    if known := reading.known_verbatim():
        return _known_piece(text, begin, known, BETWEEN_ELEMENTS, reading)
    end = len(text) if regular and begin >= 0 else -1
    for cut, before in zip(_CUTS, (0, *_CUTS), strict=False):
        for _ in range(cut - before):
            end = text.rfind(b"}", begin, end) if end > 0 else -1
        if end < 0:
            break
        # The cut is right if what lies before it parses as an array: behind a nested value or inside a text it cannot.
        elements = text[begin : end + 1]
        try:
            records, known_fields_only = reading.decode_array(b"".join((b"[", elements, b"]")))
        except msgspec.ValidationError:
            break
        except _UNDECODABLE:
            continue
        piece = Batch(reading.number, records)
        if known_fields_only:
            piece.verbatim = Verbatim(elements.strip(WHITESPACE), BETWEEN_ELEMENTS)
        piece.unknown = reading.unknown_among(value for value, _ in _elements(elements, first=True))
        return piece, end + 1
    return _take_singly(text, reading, first=first)


def _known_piece(
    text: bytes, begin: int, known: tuple[int, int], separator: bytes, reading: BatchReader
) -> tuple[Batch, int]:
    """Take a piece that the first reading found fit for being emitted as it is."""
    length, count = known
    begin = text.find(b"{", max(begin, 0))
    end = begin + length
    _check_unchanged(unchanged=begin >= 0 and text[end - 1 : end] == b"}")
    return Batch(reading.number, [], verbatim=Verbatim(text[begin:end], separator), count=count), end


def _check_unchanged(*, unchanged: bool) -> None:
    if not unchanged:
        msg = "the file has changed since it was verified"
        raise CorruptExportError(msg)


def _behind_comma(text: bytes) -> int:
    """Return where the next element begins, or -1 where no comma stands before it."""
    blanks = len(text) - len(text.lstrip(WHITESPACE))
    return blanks + 1 if text[blanks : blanks + 1] == b"," else -1


def _take_singly(text: bytes, reading: BatchReader, *, first: bool) -> tuple[Batch, int]:
    ends = [0]

    def values() -> Iterator[object]:
        for value, end in _elements(text, first=first):
            ends.append(end)
            yield value

    piece = reading.check_each(values())
    return piece, ends[-1]


def _elements(data: bytes, *, first: bool) -> Iterator[tuple[object, int]]:
    """Parse elements of an array from its inside; yield each with the number of bytes up to its end.

    Stops where no whole element follows: at the end of the array, of the data, or at something that is no JSON.
    """
    # Bytes that are no UTF-8 become lone surrogates, for which the record is refused later on.
    text = data.decode("utf-8", "surrogateescape")
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
            behind = _skip_blanks(text, position)
            if text[behind : behind + 1] not in _BEHIND:
                return  # a number may go on in what was not read yet
        size += len(text[counted:position].encode("utf-8", "surrogateescape"))
        counted = position
        yield value, size


def _skip_blanks(text: str, position: int) -> int:
    match = _BLANKS.match(text, position)
    return match.end() if match else position


def _take_lines(block: bytes, reading: BatchReader) -> Batch:
    if reading.next_batch():
        if known := reading.known_verbatim():
            piece, used = _known_piece(block, 0, known, BETWEEN_LINES, reading)
            _check_unchanged(unchanged=not block[used:].strip(WHITESPACE))
            return piece
        try:
            records, known_fields_only = reading.decode_lines(block)
        except _UNDECODABLE:
            pass
        else:
            piece = Batch(reading.number, records)
            if known_fields_only and records:  # none in blank lines
                piece.verbatim = Verbatim(block.strip(WHITESPACE), BETWEEN_LINES)
            piece.unknown = reading.unknown_among(_parse_lines(block))
            return piece
    return reading.check_each(_parse_lines(block))


def _parse_lines(block: bytes) -> Iterator[object]:
    for line in block.split(b"\n"):
        text = line.decode("utf-8", "surrogateescape")
        position = _skip_blanks(text, 0)
        while position < len(text):  # once, as a rule; the typed decoder also takes several objects on a line
            try:
                value, position = _parse_one(text, position)
            except (ValueError, RecursionError):
                msg = "the file is cut off or damaged: a line of it is no JSON"
                raise CorruptExportError(msg) from None
            yield value
            position = _skip_blanks(text, position)


def _checked_first(block: bytes, reading: BatchReader) -> dict[str, object]:
    """Tell an export from an error document that was sent in its place; return the first object."""
    value = next(_parse_lines(block), None)
    if not isinstance(value, dict) or not value.keys() & reading.model.properties.keys():
        msg = "the file is no export: its first object has none of the fields of the stream"
        raise CorruptExportError(msg)
    return value


def _check_length(rest: bytes) -> None:
    if len(rest) > MAX_RECORD_BYTES:
        msg = f"the file is damaged: a record does not end within {MAX_RECORD_BYTES >> 20} MiB"
        raise CorruptExportError(msg)
