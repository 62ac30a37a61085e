"""Reading JSON exports piece by piece: one top-level array, or one object a line.

A piece goes through msgspec's typed decoder as a whole where it can. Where that fails (an invalid record, a number or
a text that the decoder does not take), the standard library's parser takes the piece apart record by record: one bad
record costs its piece some speed and nothing else.
"""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from tap_cxone.errors import CorruptExportError
from tap_cxone.records.pieces import LONGEST_RECORD_BYTES, PIECE_BYTES, WHITESPACE, Piece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_cxone.records.pieces import Reading
    from tap_cxone.records.text import PlainText

_CUTS = (1, 2, 4, 8)
"""Which closing braces, counted from the end of what was read, are tried as the end of a run of records."""
_SAMPLE_RECORDS = 100
_SAMPLE_BYTES = 1 << 16
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


def read_array(stream: PlainText, reading: Reading) -> Iterator[Piece]:
    """Read a top-level array; the stream stands in front of its bracket.

    Raises:
        CorruptExportError: the array is not closed, is followed by something, or a record is no JSON.
    """
    decode = msgspec.json.Decoder(list[reading.struct]).decode  # type: ignore[name-defined]
    rest = stream.read(1)[1:]  # without the bracket
    first = True
    wanted, last = PIECE_BYTES, False
    while not last:
        more = stream.read(wanted)
        last = len(more) < wanted
        rest += more
        while rest:
            piece, used = _take_run(rest, decode, reading, first=first)
            if not used:
                break
            yield piece
            first = False
            rest = rest[used:]
            if not last:
                break
        # A record longer than a piece: what is read grows with it, so that it is not looked at too often.
        wanted = max(PIECE_BYTES, len(rest))
        _check_length(rest)
    if rest.strip(WHITESPACE) != b"]":
        msg = "the file is cut off or damaged: its JSON array does not end where the file ends"
        raise CorruptExportError(msg)


def read_lines(stream: PlainText, reading: Reading) -> Iterator[Piece]:
    """Read one object a line.

    Raises:
        CorruptExportError: a line is no JSON (the last one, say, because the file is cut off).
    """
    decode = msgspec.json.Decoder(reading.struct).decode_lines
    rest, wanted, last = b"", PIECE_BYTES, False
    lines = 0
    first: dict[str, object] = {}
    while not last:
        more = stream.read(wanted)
        last = len(more) < wanted
        rest += more
        cut = len(rest) if last else rest.rfind(b"\n") + 1
        wanted = PIECE_BYTES if cut else max(PIECE_BYTES, len(rest))
        _check_length(rest[cut:])
        if not cut:
            continue
        block, rest = rest[:cut], rest[cut:]
        if not lines:
            first = _checked_first(block, reading)
        piece = _take_lines(block, decode, reading)
        lines += len(piece.records) + len(piece.refused)
        yield piece
    if lines == 1 and 2 * sum(name in first for name in reading.model.required) < len(reading.model.required):
        msg = "the file is no export: its only object has few of the fields of the stream (an error, say)"
        raise CorruptExportError(msg)


def _take_run(text: bytes, decode: Callable[[bytes], list[Any]], reading: Reading, *, first: bool) -> tuple[Piece, int]:
    """Take as many whole elements as possible off the text; return them and how many bytes they were."""
    regular = reading.next_piece_is_regular()
    begin = 0 if first else _behind_comma(text)
    end = len(text) if regular and begin >= 0 else -1
    for cut, before in zip(_CUTS, (0, *_CUTS), strict=False):
        for _ in range(cut - before):
            end = text.rfind(b"}", begin, end) if end > 0 else -1
        if end < 0:
            break
        # The cut is right if what lies before it parses as an array: behind a nested value or inside a text it cannot.
        try:
            records = decode(b"".join((b"[", memoryview(text)[begin : end + 1], b"]")))
        except msgspec.ValidationError:
            break
        except _UNDECODABLE:
            continue
        piece = Piece(reading.number, records)
        if reading.looks_for_unknown_fields():
            sample = _elements(text[begin : min(end + 1, begin + _SAMPLE_BYTES)], first=True)
            piece.unknown = frozenset().union(*(reading.unknown_fields(v) for v, _ in islice(sample, _SAMPLE_RECORDS)))
        return piece, end + 1
    return _take_singly(text, reading, first=first)


def _behind_comma(text: bytes) -> int:
    """Return where the next element begins, or -1 where no comma stands before it."""
    blanks = len(text) - len(text.lstrip(WHITESPACE))
    return blanks + 1 if text[blanks : blanks + 1] == b"," else -1


def _take_singly(text: bytes, reading: Reading, *, first: bool) -> tuple[Piece, int]:
    ends = [0]

    def values() -> Iterator[object]:
        for value, end in _elements(text, first=first):
            ends.append(end)
            yield value

    piece = reading.one_by_one(values())
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


def _take_lines(block: bytes, decode: Callable[[bytes], list[Any]], reading: Reading) -> Piece:
    if reading.next_piece_is_regular():
        try:
            piece = Piece(reading.number, decode(block))
        except _UNDECODABLE:
            pass
        else:
            if reading.looks_for_unknown_fields():
                lines = islice(_parse_lines(block), _SAMPLE_RECORDS)
                piece.unknown = frozenset().union(*map(reading.unknown_fields, lines))
            return piece
    return reading.one_by_one(_parse_lines(block))


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


def _checked_first(block: bytes, reading: Reading) -> dict[str, object]:
    """Tell an export from an error document that was sent in its place; return the first object."""
    value = next(_parse_lines(block), None)
    if not isinstance(value, dict) or not value.keys() & reading.model.properties.keys():
        msg = "the file is no export: its first object has none of the fields of the stream"
        raise CorruptExportError(msg)
    return value


def _check_length(rest: bytes) -> None:
    if len(rest) > LONGEST_RECORD_BYTES:
        msg = f"the file is damaged: a record does not end within {LONGEST_RECORD_BYTES >> 20} MiB"
        raise CorruptExportError(msg)
