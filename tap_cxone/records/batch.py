"""Batches of records, and the reader state that the JSON and CSV layouts share."""

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
"""Bytes decoded at once. A batch of this size stays in the processor's cache from one step to the next."""
MAX_RECORD_BYTES = 64 << 20
"""Longest record in bytes. A file with a longer one is damaged."""
WHITESPACE = b" \t\r\n"
ELEMENT_SEPARATOR = b"},{"
LINE_SEPARATOR = b"}\n{"
_SAMPLE_INTERVAL = 64
"""Once a file is known to have unknown fields, one batch in this many is searched for more of them."""
_SAMPLE_RECORDS = 100
"""Number of records that are searched in such a batch."""


@dataclass(frozen=True)
class Verbatim:
    """The original text of valid, flat records without unknown fields. It can usually be emitted without decoding.

    Attributes:
        text: the records, from the first opening brace to the last closing brace.
        separator: the expected bytes between two records, from closing brace to opening brace.
    """

    text: bytes
    separator: bytes

    def lines(self, count: int, prefix: bytes, suffix: bytes) -> bytes | None:
        """Return the records with ``prefix`` before and ``suffix`` after each of them.

        A flat record has one closing brace. If the text has as many closing braces as records, no string contains
        one. If in addition splitting at the separator gives as many parts as records, each part is one record.

        Args:
            count: number of records in the text.
            prefix: bytes to put before each record.
            suffix: bytes to put after each record, including the line break.

        Returns:
            None if these checks fail or a record contains a line break: the records must then be decoded.
        """
        parts = self.text.split(self.separator)
        line_breaks = count - 1 if b"\n" in self.separator else 0
        if (
            len(parts) != count
            or self.text.count(b"}") != count
            or self.text.count(b"\n") != line_breaks
            or b"\r" in self.text
        ):
            return None
        parts[0] = prefix + parts[0]
        parts[-1] += suffix
        return (b"}" + suffix + prefix + b"{").join(parts)

    def decoded(self, model: RecordModel) -> list[Any]:
        """Return the records as structs."""
        if self.separator == LINE_SEPARATOR:
            return msgspec.json.Decoder(model.plain).decode_lines(self.text)
        return msgspec.json.decode(b"".join((b"[", self.text, b"]")), type=list[model.plain])  # type: ignore[name-defined]


@dataclass
class Batch:
    """Consecutive records of an export.

    Attributes:
        number: position of the batch in the export, from 0; the same on both passes.
        records: the valid records as structs of the model. Empty on the second pass if ``verbatim`` is set.
        invalid: the rejected records, each with its reason.
        regular: whether the typed decoder accepted the batch as a whole.
        unknown: names of fields that the schema does not have, as far as the batch was searched for them.
        verbatim: the original text of the valid records, if it may be emitted without decoding.
        count: number of valid records; by default the length of ``records``.
    """

    number: int
    records: list[Any]
    invalid: list[InvalidRecord] = field(default_factory=list)
    regular: bool = True
    unknown: frozenset[str] = frozenset()
    verbatim: Verbatim | None = None
    count: int = -1

    def __post_init__(self) -> None:
        """Count the records, unless the caller has."""
        if self.count < 0:
            self.count = len(self.records)

    def decoded(self, model: RecordModel) -> list[Any]:
        """Return the valid records as structs, decoding their text if there is only that."""
        if self.verbatim:
            self.records = self.verbatim.decoded(model)
            self.verbatim = None
        return self.records


@dataclass
class _BatchIndex:
    """What the first pass records about each batch for the second pass.

    Attributes:
        irregular: numbers of the batches that must be checked record by record.
        lengths: per batch, the length in bytes of its verbatim text; 0 if it has none.
        counts: per batch, the number of records in its verbatim text; 0 if it has none.
    """

    irregular: set[int] = field(default_factory=set)
    lengths: array[int] = field(default_factory=lambda: array("Q"))
    counts: array[int] = field(default_factory=lambda: array("Q"))

    def add(self, batch: Batch) -> None:
        if not batch.regular:
            self.irregular.add(batch.number)
        elif batch.verbatim:
            for numbers, value in ((self.lengths, len(batch.verbatim.text)), (self.counts, batch.count)):
                numbers.extend([0] * (batch.number - len(numbers)))
                numbers.append(value)

    def verbatim_size(self, number: int) -> tuple[int, int] | None:
        if number >= len(self.counts) or not self.counts[number]:
            return None
        return self.lengths[number], self.counts[number]


class BatchReader:
    """Decodes and checks the batches of one export during one pass over it.

    The first pass checks every value and looks for unknown fields: in every record until one is found, then in a
    sample. It also builds a private index of the batches, by which the second pass avoids repeating the checks.

    Args:
        model: the expected records.
        index: set by ``second_pass`` only.

    Attributes:
        model: the expected records; for a CSV file, with the columns of that file.
        fields: column names of a CSV file.
        number: number of the current batch.
        first_pass: whether values are still to be checked.
    """

    def __init__(self, model: RecordModel, index: _BatchIndex | None = None) -> None:
        self.model = model
        self.fields: list[str] = []
        self.number = -1
        self.first_pass = index is None
        self._index = _BatchIndex() if index is None else index
        self._unknown_since: int | None = None  # the first batch with unknown fields
        struct = model.checked if self.first_pass else model.plain
        self._strict = msgspec.json.Decoder(list[model.strict])  # type: ignore[name-defined]
        self._lenient = msgspec.json.Decoder(list[struct])  # type: ignore[valid-type]
        self._strict_lines = msgspec.json.Decoder(model.strict)
        self._lenient_lines = msgspec.json.Decoder(struct)

    def second_pass(self) -> BatchReader:
        """Return a reader for the second pass. It must read the same file in batches of the same size."""
        return BatchReader(self.model, self._index)

    def remember(self, batch: Batch) -> None:
        """Add a batch of the first pass to the index."""
        self._index.add(batch)

    def begin_batch(self) -> bool:
        """Advance to the next batch.

        Returns:
            Whether to try the typed decoder: not if the first pass found that it rejects this batch.
        """
        self.number += 1
        return self.number not in self._index.irregular

    def verbatim_size(self) -> tuple[int, int] | None:
        """Return bytes and records of the current batch's text if the first pass found that it may be emitted."""
        return self._index.verbatim_size(self.number)

    def decode_array(self, data: bytes) -> tuple[list[Any], bool]:
        """Decode a complete JSON array.

        Returns:
            The records, and whether they are known to have no unknown fields.
        """
        return self._decode(data, self._strict.decode, self._lenient.decode)

    def decode_lines(self, data: bytes) -> tuple[list[Any], bool]:
        """Decode JSON Lines.

        Returns:
            The records, and whether they are known to have no unknown fields.
        """
        return self._decode(data, self._strict_lines.decode_lines, self._lenient_lines.decode_lines)

    def _decode(
        self, data: bytes, strict: Callable[[bytes], list[Any]], lenient: Callable[[bytes], list[Any]]
    ) -> tuple[list[Any], bool]:
        if self.first_pass and self._unknown_since is None:
            with contextlib.suppress(msgspec.ValidationError):
                return strict(data), True
            records = lenient(data)  # fails, too, unless unknown fields were the reason
            self._unknown_since = self.number
            return records, False
        return lenient(data), False

    def sample_unknown_fields(self, values: Iterable[object]) -> frozenset[str]:
        """Return names of unknown fields in decoded records of the current batch, if it is one of the sample."""
        if self._unknown_since is None:
            return frozenset()
        distance = self.number - self._unknown_since
        if distance % _SAMPLE_INTERVAL:
            return frozenset()
        sample = islice(values, _SAMPLE_RECORDS if distance else None)
        return frozenset().union(*map(self.unknown_fields, sample))

    def check_each(self, values: Iterable[object]) -> Batch:
        """Check decoded values one by one and return them as an irregular batch."""
        records: list[Any] = []
        invalid: list[InvalidRecord] = []
        unknown: set[str] = set()
        for value in values:
            checked = value if isinstance(value, InvalidRecord) else self.model.check(value)
            if isinstance(checked, InvalidRecord):
                invalid.append(checked)
            else:
                records.append(checked)
            unknown |= self.unknown_fields(value)
        return Batch(self.number, records, invalid, regular=False, unknown=frozenset(unknown))

    def unknown_fields(self, value: object) -> set[str]:
        """Return the names of a decoded record's fields that the schema does not have."""
        return value.keys() - self.model.properties.keys() if isinstance(value, dict) else set()
