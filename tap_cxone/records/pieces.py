"""What the readers of the three layouts share: the piece, and how decoded values become one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tap_cxone.records.model import Refusal

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from tap_cxone.records.model import RecordModel

PIECE_BYTES = 1 << 18
"""Bytes that are decoded in one go. Larger pieces only cost memory."""
LONGEST_RECORD_BYTES = 64 << 20
"""A record that has not ended after so many bytes is a file that has lost its structure."""
WHITESPACE = b" \t\r\n"


@dataclass
class Piece:
    """Some records of an export, in their order.

    Attributes:
        records: the valid records, as structs of the model.
        refused: what is wrong with the others.
        whole: whether the typed decoder took the piece as it was.
        unknown: names of fields that the schema does not have, as far as they were looked for.
        number: the piece's place in the export, the same in every reading.
    """

    number: int
    records: list[Any]
    refused: list[Refusal] = field(default_factory=list)
    whole: bool = True
    unknown: frozenset[str] = frozenset()


class Reading:
    """One reading of one export.

    Args:
        model: the records to be found.
        irregular: see ``read_pieces``.
    """

    def __init__(self, model: RecordModel, irregular: Container[int] | None) -> None:
        self.model = model
        self.first = irregular is None
        self.struct = model.checked if irregular is None else model.plain
        self._irregular = irregular
        self.number = -1

    def next_piece_is_regular(self) -> bool:
        """Count a piece and tell whether the typed decoder is to be tried on it."""
        self.number += 1
        return self._irregular is None or self.number not in self._irregular

    def looks_for_unknown_fields(self) -> bool:
        """Tell whether this piece belongs to the sample in which unknown fields are looked for."""
        return self.first and (self.number < 2 or self.number % 64 == 0)  # noqa: PLR2004

    def one_by_one(self, values: Iterable[object]) -> Piece:
        """Check decoded values one at a time."""
        piece = Piece(self.number, [], whole=False)
        unknown: set[str] = set()
        for value in values:
            checked = value if isinstance(value, Refusal) else self.model.check(value)
            if isinstance(checked, Refusal):
                piece.refused.append(checked)
            else:
                piece.records.append(checked)
            unknown |= self.unknown_fields(value)
        piece.unknown = frozenset(unknown)
        return piece

    def unknown_fields(self, value: object) -> set[str]:
        """Return the names of a decoded record's fields that the schema does not have."""
        return value.keys() - self.model.properties.keys() if isinstance(value, dict) else set()
