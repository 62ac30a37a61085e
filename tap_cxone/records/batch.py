"""What the readers of the three layouts share: the piece, and how decoded values become one."""

from __future__ import annotations

import contextlib
from array import array
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from tap_cxone.records.model import InvalidRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tap_cxone.records.model import RecordModel

BATCH_BYTES = 1 << 16
"""Bytes that are decoded in one go: little enough to stay in the processor's cache from one step to the next."""
MAX_RECORD_BYTES = 64 << 20
"""A record that has not ended after so many bytes is a file that has lost its structure."""
WHITESPACE = b" \t\r\n"
BETWEEN_ELEMENTS = b"},{"
BETWEEN_LINES = b"}\n{"
_SAMPLED_PIECES = 64
_SAMPLED_RECORDS = 100


@dataclass(frozen=True)
class Verbatim:
    """The text of some valid, flat records without unknown fields; as a rule it may be emitted as it is.

    Attributes:
        text: the records, from the first brace to the last one.
        separator: what should stand between two records: a closing brace, something, an opening brace.
    """

    text: bytes
    separator: bytes

    def lines(self, count: int, before: bytes, behind: bytes) -> bytes | None:
        """Return the records, a line each, with something before and behind each one.

        Flat records have one closing brace each. Where there are no more braces than records, none stands inside a
        text; where all but the last belong to a separator, nothing but separators parts the records. None where that
        does not hold, or where a line would break: then the records have to be decoded.
        """
        parts = self.text.split(self.separator)
        breaks = count - 1 if b"\n" in self.separator else 0
        if (
            len(parts) != count
            or self.text.count(b"}") != count
            or self.text.count(b"\n") != breaks
            or b"\r" in self.text
        ):
            return None
        parts[0] = before + parts[0]
        parts[-1] += behind
        return (b"}" + behind + before + b"{").join(parts)

    def decoded(self, model: RecordModel) -> list[Any]:
        """Return the records as structs."""
        if self.separator == BETWEEN_LINES:
            return msgspec.json.Decoder(model.plain).decode_lines(self.text)
        return msgspec.json.decode(b"".join((b"[", self.text, b"]")), type=list[model.plain])  # type: ignore[name-defined]


@dataclass
class Batch:
    """Some records of an export, in their order.

    Attributes:
        number: the piece's place in the export, the same in every reading.
        records: the valid records, as structs of the model; in the second reading none where there is ``verbatim``.
        refused: what is wrong with the others.
        whole: whether the typed decoder took the piece as it was.
        unknown: names of fields that the schema does not have, as far as they were looked for.
        verbatim: the text of the records, where it may be emitted as it is.
        count: how many valid records there are.
    """

    number: int
    records: list[Any]
    refused: list[InvalidRecord] = field(default_factory=list)
    whole: bool = True
    unknown: frozenset[str] = frozenset()
    verbatim: Verbatim | None = None
    count: int = -1

    def __post_init__(self) -> None:
        """Count the records where they are there."""
        if self.count < 0:
            self.count = len(self.records)

    def decoded(self, model: RecordModel) -> list[Any]:
        """Return the records, decoding the text of them where there is nothing else."""
        if self.verbatim:
            self.records = self.verbatim.decoded(model)
            self.verbatim = None
        return self.records


@dataclass
class Learned:
    """What the first reading of an export tells the second one about its pieces, by their numbers.

    Attributes:
        irregular: pieces that have to be taken apart record by record.
        lengths, counts: of the pieces whose text may be emitted as it is: its length in bytes and the number of its
            records; 0 for the others.
    """

    irregular: set[int] = field(default_factory=set)
    lengths: array[int] = field(default_factory=lambda: array("Q"))
    counts: array[int] = field(default_factory=lambda: array("Q"))

    def add(self, piece: Batch) -> None:
        """Learn from a piece of the first reading."""
        if not piece.whole:
            self.irregular.add(piece.number)
        elif piece.verbatim:
            for numbers, value in ((self.lengths, len(piece.verbatim.text)), (self.counts, piece.count)):
                numbers.extend([0] * (piece.number - len(numbers)))
                numbers.append(value)

    def verbatim(self, number: int) -> tuple[int, int] | None:
        """Return length and number of records of a piece whose text may be emitted as it is."""
        if number >= len(self.counts) or not self.counts[number]:
            return None
        return self.lengths[number], self.counts[number]


class BatchReader:
    """One reading of one export, and which piece it is at.

    The first one also looks for unknown fields: everywhere as long as there are none, in a sample once there are.

    Args:
        model: the records to be found.
        learned: none for the first reading, what it has learned for the second one.

    Attributes:
        model: the records; of a CSV file, with the columns that it has.
        fields: names of the columns of a CSV file.
    """

    def __init__(self, model: RecordModel, learned: Learned | None) -> None:
        self.model = model
        self.fields: list[str] = []
        self.number = -1
        self._learned = learned
        self._loose_since = -1 if learned is None else None
        struct = model.checked if learned is None else model.plain
        self._strict = msgspec.json.Decoder(list[model.strict])  # type: ignore[name-defined]
        self._loose = msgspec.json.Decoder(list[struct])  # type: ignore[valid-type]
        self._strict_lines = msgspec.json.Decoder(model.strict)
        self._loose_lines = msgspec.json.Decoder(struct)

    @property
    def first(self) -> bool:
        """Whether this is the reading that checks everything."""
        return self._learned is None

    def next_batch(self) -> bool:
        """Count a piece; return whether the typed decoder is to be tried on it."""
        self.number += 1
        return self._learned is None or self.number not in self._learned.irregular

    def known_verbatim(self) -> tuple[int, int] | None:
        """Return length and number of records where the piece is known to be fit for being emitted as it is."""
        return self._learned.verbatim(self.number) if self._learned else None

    def decode_array(self, data: bytes) -> tuple[list[Any], bool]:
        """Decode a whole array; return its records, and whether they are known to have no unknown fields."""
        return self._decode(data, self._strict.decode, self._loose.decode)

    def decode_lines(self, data: bytes) -> tuple[list[Any], bool]:
        """Decode objects, one a line; return them, and whether they are known to have no unknown fields."""
        return self._decode(data, self._strict_lines.decode_lines, self._loose_lines.decode_lines)

    def _decode(
        self, data: bytes, strict: Callable[[bytes], list[Any]], loose: Callable[[bytes], list[Any]]
    ) -> tuple[list[Any], bool]:
        if self._loose_since == -1:
            with contextlib.suppress(msgspec.ValidationError):
                return strict(data), True
            records = loose(data)
            self._loose_since = self.number  # it takes the loose one: there are unknown fields
            return records, False
        return loose(data), False

    def unknown_among(self, values: Iterable[object]) -> frozenset[str]:
        """Return the names of unknown fields among records of this piece, if it is one that is looked into."""
        if self._loose_since is None or self._loose_since < 0:
            return frozenset()
        since = self.number - self._loose_since
        if since % _SAMPLED_PIECES:
            return frozenset()
        sample = islice(values, _SAMPLED_RECORDS if since else None)
        return frozenset().union(*map(self.unknown_fields, sample))

    def check_each(self, values: Iterable[object]) -> Batch:
        """Check decoded values one at a time."""
        records: list[Any] = []
        refused: list[InvalidRecord] = []
        unknown: set[str] = set()
        for value in values:
            checked = value if isinstance(value, InvalidRecord) else self.model.check(value)
            if isinstance(checked, InvalidRecord):
                refused.append(checked)
            else:
                records.append(checked)
            unknown |= self.unknown_fields(value)
        return Batch(self.number, records, refused, whole=False, unknown=frozenset(unknown))

    def unknown_fields(self, value: object) -> set[str]:
        """Return the names of a decoded record's fields that the schema does not have."""
        return value.keys() - self.model.properties.keys() if isinstance(value, dict) else set()
