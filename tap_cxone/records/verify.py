"""The two passes over an export: the first verifies the whole file, the second yields each record once.

Nothing of a window is emitted before its first pass is complete.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tap_cxone.errors import CorruptExportError
from tap_cxone.records.batch import BatchReader
from tap_cxone.records.days import add_days, count_days, date_getter
from tap_cxone.records.decompress import open_inflated
from tap_cxone.records.dedupe import RecordKeys
from tap_cxone.records.readers import read_batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date
    from pathlib import Path

    from tap_cxone.records.batch import Batch
    from tap_cxone.records.dedupe import DuplicateFlags
    from tap_cxone.records.model import RecordModel

_MAX_REASONS = 20
"""Different reasons for rejecting records that are counted for one file."""


@dataclass
class VerifiedFile:
    """The result of the first pass, and what the second pass needs.

    Attributes:
        reader: the reader of the first pass, with the index of the file's batches.
        keys: keys of the valid records, in their order. The owner of this object must close it.
        valid: number of valid records, duplicates included.
        invalid: number of rejected records.
        unknown: names of fields that the schema does not have.
        reasons: how often records were rejected for which reason, for the first few reasons.
        days: valid records per UTC day; the second pass subtracts the duplicates.
    """

    reader: BatchReader
    keys: RecordKeys
    valid: int = 0
    invalid: int = 0
    unknown: set[str] = field(default_factory=set)
    reasons: Counter[str] = field(default_factory=Counter)
    days: Counter[date] = field(default_factory=Counter)

    @property
    def model(self) -> RecordModel:
        """The model of the records, with the columns of this file."""
        return self.reader.model

    @property
    def fields(self) -> list[str]:
        """Column names of a CSV file, including those that the schema does not have."""
        return self.reader.fields

    def add(self, batch: Batch, key_of: Callable[[Any], str], date_of: Callable[[Any], object]) -> None:
        """Count a batch of the first pass and store its keys."""
        self.keys.add(list(map(key_of, batch.records)))
        add_days(self.days, count_days(map(date_of, batch.records)))
        self.valid += len(batch.records)
        self.invalid += len(batch.invalid)
        self.unknown |= batch.unknown
        for record in batch.invalid:
            if record.reason in self.reasons or len(self.reasons) < _MAX_REASONS:
                self.reasons[record.reason] += 1

    def close(self) -> None:
        """Delete the temporary files of the keys."""
        self.keys.close()


def verify_export(path: Path, model: RecordModel) -> VerifiedFile:
    """Run the first pass over a downloaded file.

    Args:
        path: the file; temporary files are created beside it.
        model: the expected records.

    Returns:
        The result, which the caller must close.

    Raises:
        CorruptExportError: the file is truncated, damaged, or not an export.
    """
    found = VerifiedFile(BatchReader(model), RecordKeys(path.parent))
    key_of, date_of = model.key_getter(), date_getter(model.date_field)
    try:
        with open_inflated(path) as stream:
            for batch in read_batches(stream, found.reader):
                found.add(batch, key_of, date_of)
    except BaseException:
        found.close()
        raise
    return found


def read_unique(path: Path, verified: VerifiedFile, duplicates: DuplicateFlags | None) -> Iterator[Batch]:
    """Run the second pass over a verified file.

    Args:
        path: the file.
        verified: the result of the first pass.
        duplicates: which of the valid records are duplicates, from ``RecordKeys.duplicates``; None if there are none.

    Yields:
        The batches of the file without the duplicates.

    Raises:
        CorruptExportError: the file has changed since the first pass.
    """
    valid = invalid = 0
    date_of = date_getter(verified.model.date_field)
    with open_inflated(path) as stream:
        for batch in read_batches(stream, verified.reader.second_pass()):
            valid += batch.count
            invalid += len(batch.invalid)
            if duplicates and any(flags := duplicates.take(batch.count)):
                flagged = list(zip(batch.decoded(verified.model), flags, strict=True))
                verified.days.subtract(count_days(date_of(record) for record, is_duplicate in flagged if is_duplicate))
                batch.records = [record for record, is_duplicate in flagged if not is_duplicate]
                batch.count = len(batch.records)
            yield batch
    if (valid, invalid) != (verified.valid, verified.invalid):
        msg = "the file has changed since it was verified"
        raise CorruptExportError(msg)
