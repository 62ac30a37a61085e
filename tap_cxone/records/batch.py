"""Batches of records, the limits that bound their memory, and what is learned of an export's fields while reading."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tap_cxone.errors import UnfitExportError
from tap_cxone.records.rejected import InvalidRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_cxone.records.model import RecordModel

BATCH_BYTES = 1 << 17
"""Bytes decoded at once. A batch of this size stays in the processor's cache from one step to the next."""
MAX_RECORD_BYTES = 4 << 20
"""Longest record, row or cell in bytes. A longer one ends the run: it would need as much memory several times over."""
MAX_ENCODED_BYTES = 8 << 20
"""Longest record in canonical form, in which characters may be escaped and empty columns have their names."""
MAX_UNKNOWN_FIELDS = 50
"""Unknown fields whose names are remembered for one export."""
_MAX_NAME_CHARACTERS = 200
WHITESPACE = b" \t\r\n"


@dataclass
class Batch:
    """Consecutive records of an export.

    Attributes:
        records: the valid records as structs of the model.
        invalid: the rejected records, each with its reason.
    """

    records: list[Any]
    invalid: list[InvalidRecord] = field(default_factory=list)


class ExportFields:
    """The fields of one export, as far as it has been read.

    Args:
        model: the expected records.

    Attributes:
        model: the expected records; for a CSV file, with the new columns of that file.
        columns: column names of a CSV file, including those that the model does not have.
        unknown: names of fields that the schema does not have, at most ``MAX_UNKNOWN_FIELDS``.
    """

    def __init__(self, model: RecordModel) -> None:
        self.model = model
        self.columns: list[str] = []
        self.unknown: set[str] = set()

    @property
    def is_full(self) -> bool:
        """Whether no further unknown field is remembered."""
        return len(self.unknown) >= MAX_UNKNOWN_FIELDS

    def add_unknown(self, name: str) -> bool:
        """Remember the name of an unknown field; return False if it is too long, or if there are too many."""
        if name not in self.unknown and (len(name) > _MAX_NAME_CHARACTERS or self.is_full):
            return False
        self.unknown.add(name)
        return True

    def check_each(self, values: Iterable[object]) -> Batch:
        """Check decoded values one by one. Slow: used for a batch that the typed decoder rejects."""
        batch = Batch([])
        for value in values:
            checked = value if isinstance(value, InvalidRecord) else self.model.check(value)
            if isinstance(checked, InvalidRecord):
                batch.invalid.append(checked.shortened())
            else:
                batch.records.append(checked)
            if isinstance(value, dict):
                for name in value:
                    if name not in self.model.properties:
                        self.add_unknown(name)
        return batch


def check_length(length: int, what: str = "record", limit: int = MAX_RECORD_BYTES) -> None:
    """Check the length of a part of an export.

    Args:
        length: its length in bytes, as far as it has been read.
        what: what it is, for the message.
        limit: its greatest length in bytes.

    Raises:
        UnfitExportError: it is too long. Another job would export the same.
    """
    if length > limit:
        size = f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit >> 10} KiB"
        msg = f"the file has a {what} longer than {size}, which this program does not read"
        raise UnfitExportError(msg)
