"""Verification: reads a downloaded export once, checks it, and writes its valid records in canonical form.

Nothing of a window is emitted before its whole file is verified.
"""

from __future__ import annotations

from collections import Counter
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from tap_cxone.errors import NoExportError
from tap_cxone.observability.days import add_days, count_days
from tap_cxone.records.batch import MAX_ENCODED_BYTES, ExportFields, check_length
from tap_cxone.records.canonical import CanonicalFile, Lines, split
from tap_cxone.records.dedupe import RecordKeys
from tap_cxone.records.layout import check_not_wrapped, read_export
from tap_cxone.records.model import unset
from tap_cxone.records.rejected import RejectedRecords
from tap_cxone.records.text import open_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path

    from tap_cxone.records.batch import Batch
    from tap_cxone.records.dedupe import DuplicateFlags
    from tap_cxone.records.model import RecordModel

MAX_FOREIGN_ITEMS = 100_000
"""Foreign items, that is, items that are not records, after which a file with fewer records is given up."""
_FIRST_BLOCK_RECORDS = 64
_BLOCK_BYTES = 1 << 20
_encode_lines = msgspec.json.Encoder().encode_lines


class VerifiedFile:
    """The records of one export, checked, in temporary files that have no name.

    Args:
        model: the expected records.
        folder: directory for the temporary files.

    Attributes:
        folder: directory of the temporary files.
        fields: the fields of the export.
        keys: keys of the valid records, in the order of the records. ``close`` closes them, too, unless ``take_keys``
            has been called.
        rejected: the rejected records.
        valid: number of valid records, duplicates included.
        invalid: number of rejected records, foreign items included.
        foreign: number of items that are not records.
        misfits: number of records with values of other types than the schema's.
        misfit: why the first of these was rejected.
        is_blank: whether the file has nothing but white space.
        days: valid records per UTC day; ``unique`` subtracts the duplicates.
    """

    def __init__(self, model: RecordModel, folder: Path) -> None:
        self.folder = folder
        self.fields = ExportFields(model)
        self.rejected = RejectedRecords(folder)
        self.keys = RecordKeys(folder)
        self.valid = 0
        self.invalid = 0
        self.foreign = 0
        self.misfits = 0
        self.misfit = ""
        self.is_blank = False
        self.days: Counter[date] = Counter()
        self._lines = CanonicalFile(folder)
        self._owns_keys = True
        self._block_records = _FIRST_BLOCK_RECORDS

    @property
    def model(self) -> RecordModel:
        """The model of the records, with the columns of this file."""
        return self.fields.model

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._lines.size + self.keys.size + self.rejected.size

    def add(self, batch: Batch) -> None:
        """Count a batch, and write its keys, its records and its rejected records."""
        records, model = batch.records, self.fields.model
        self.keys.add(list(map(model.key_getter, records)))
        if model.date_field:
            add_days(self.days, count_days(map(attrgetter(model.date_field), records)))
        unset(records, model.hidden)
        self._write(records)
        self.valid += len(records)
        self.invalid += len(batch.invalid)
        self.rejected.add(batch.invalid)
        for record in batch.invalid:
            self.foreign += record.is_foreign
            self.misfits += record.is_misfit
            if record.is_misfit:
                self.misfit = self.misfit or record.reason

    def _write(self, records: list[Any]) -> None:
        """Write records in blocks of about ``_BLOCK_BYTES``: names of empty columns can make them far longer."""
        position = 0
        while position < len(records):
            block = records[position : position + self._block_records]
            text = _encode_lines(block)
            if len(text) > MAX_ENCODED_BYTES:
                check_length(max(map(len, text.splitlines())), limit=MAX_ENCODED_BYTES)
            self._lines.write(Lines(text, len(block)))
            position += len(block)
            self._block_records = max(1, _BLOCK_BYTES * len(block) // len(text))

    @property
    def is_foreign(self) -> bool:
        """Whether the file is not an export: all of its items are foreign, or too many."""
        return 0 < self.foreign == self.valid + self.invalid or self.has_too_many_foreign

    @property
    def has_too_many_foreign(self) -> bool:
        """Whether the file is given up. Every foreign item is kept, and a small file can have millions."""
        return self.foreign > max(MAX_FOREIGN_ITEMS, self.valid)

    def check(self) -> None:
        """Check that the file is an export.

        Raises:
            NoExportError: ``is_foreign``.
            UnfitExportError: and its first item holds a list of records.
        """
        if self.is_foreign:
            check_not_wrapped(next(self.rejected.batches())[0].record, self.model)
            items = self.valid + self.invalid
            msg = f"the file is not an export: {self.foreign} of {items} items are not records of this stream"
            raise NoExportError(msg)

    def flush(self) -> None:
        """Write everything to disk."""
        self.keys.flush()
        self.rejected.flush()
        self._lines.flush()

    def take_keys(self) -> RecordKeys:
        """Return the keys and leave it to the caller to close them."""
        self._owns_keys = False
        return self.keys

    def unique(self, duplicates: DuplicateFlags | None) -> Iterator[Lines]:
        """Yield the valid records without the duplicates; subtract these from ``days``.

        Args:
            duplicates: which of the valid records are duplicates, from ``RecordKeys.duplicates``; None if there are
                none.
        """
        for lines in self._lines.read():
            if duplicates:
                kept, dropped = split(lines, duplicates)
                self._subtract_days(dropped)
                yield kept
            else:
                yield lines

    def _subtract_days(self, dropped: Lines) -> None:
        name = self.model.date_field
        if name and dropped.count:
            record = msgspec.defstruct("Dated", [(name, Any, None)])
            dated = msgspec.json.Decoder(record).decode_lines(dropped.text)
            self.days.subtract(count_days(map(attrgetter(name), dated)))

    def close(self) -> None:
        """Delete the temporary files, except for those of the keys if they have been taken."""
        self._lines.close()
        self.rejected.close()
        if self._owns_keys:
            self.keys.close()


def verify_export(path: Path, model: RecordModel) -> VerifiedFile:
    """Check a downloaded file and write its records in canonical form.

    Args:
        path: the file; temporary files are created beside it.
        model: the expected records.

    Returns:
        The result, which the caller must close.

    Raises:
        CorruptExportError: the file is truncated, damaged, or not an export of this stream.
        OSError: a temporary file cannot be written.
    """
    found = VerifiedFile(model, path.parent)
    try:
        with open_text(path) as text:
            for batch in read_export(text, found.fields):
                found.add(batch)
                if found.has_too_many_foreign:
                    break
            found.is_blank = not text.last
        found.check()
        found.flush()
    except BaseException:
        found.close()
        raise
    return found
