"""The two readings of an export: one that verifies the whole file, one that hands out its records, each key once.

The first happens before anything of a window is emitted; what it learned makes the second one fast.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tap_cxone.errors import CorruptExportError
from tap_cxone.records.batch import BatchReader, Learned
from tap_cxone.records.days import add_days, count_days, getter
from tap_cxone.records.decompress import open_inflated
from tap_cxone.records.dedupe import WindowKeys
from tap_cxone.records.readers import read_batches, read_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date
    from pathlib import Path

    from tap_cxone.records.batch import Batch
    from tap_cxone.records.dedupe import Repeats
    from tap_cxone.records.model import RecordModel

_REASONS = 20
"""Different reasons for refusals that are counted one by one."""


@dataclass
class VerifiedFile:
    """What the first reading learned.

    Attributes:
        model: the records, with the columns that the file has.
        fields: names of the columns of a CSV file, those that are dropped included.
        keys: keys of the valid records.
        valid: number of valid records, repeats included.
        refused: number of refused ones.
        learned: what makes the second reading fast.
        unknown: fields that the schema does not have.
        reasons: for what records were refused, how often; a few of them.
        days: how many valid records there are of each day; after the second reading without the repeats.
    """

    model: RecordModel
    keys: WindowKeys
    fields: list[str] = field(default_factory=list)
    valid: int = 0
    refused: int = 0
    learned: Learned = field(default_factory=Learned)
    unknown: set[str] = field(default_factory=set)
    reasons: Counter[str] = field(default_factory=Counter)
    days: Counter[date] = field(default_factory=Counter)

    def add(self, piece: Batch, key_of: Callable[[Any], str], date_of: Callable[[Any], object]) -> None:
        """Learn from a piece."""
        self.keys.add(list(map(key_of, piece.records)))
        add_days(self.days, count_days(map(date_of, piece.records)))
        self.valid += len(piece.records)
        self.refused += len(piece.refused)
        self.unknown |= piece.unknown
        self.learned.add(piece)
        for refusal in piece.refused:
            if refusal.reason in self.reasons or len(self.reasons) < _REASONS:
                self.reasons[refusal.reason] += 1

    def close(self) -> None:
        """Give back what the keys hold."""
        self.keys.close()


def verify_export(path: Path, model: RecordModel) -> VerifiedFile:
    """Read an export from end to end.

    Raises:
        CorruptExportError: it is cut off, damaged, or no export.
    """
    found = VerifiedFile(model, WindowKeys(path.parent))
    key_of, date_of = model.key_of(), getter(model.date_field)
    reading = BatchReader(model, None)
    try:
        with open_inflated(path) as stream:
            for piece in read_with(reading, stream):
                found.add(piece, key_of, date_of)
    except BaseException:
        found.keys.close()
        raise
    found.model, found.fields = reading.model, reading.fields
    return found


def read_unique(path: Path, scan: VerifiedFile, repeats: Repeats | None) -> Iterator[Batch]:
    """Read a scanned export again; the pieces come without the records that repeat an earlier one.

    Raises:
        CorruptExportError: the file is not what it was when it was scanned.
    """
    valid = refused = 0
    date_of = getter(scan.model.date_field)
    with open_inflated(path) as stream:
        for piece in read_batches(stream, scan.model, learned=scan.learned):
            valid += piece.count
            refused += len(piece.refused)
            if repeats and any(marks := repeats.next(piece.count)):
                records = list(zip(piece.decoded(scan.model), marks, strict=True))
                scan.days.subtract(
                    count_days(date_of(record) for record, repeats_another in records if repeats_another)
                )
                piece.records = [record for record, repeats_another in records if not repeats_another]
                piece.count = len(piece.records)
            yield piece
    if (valid, refused) != (scan.valid, scan.refused):
        msg = "the file has changed since it was verified"
        raise CorruptExportError(msg)
