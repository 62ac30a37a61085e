"""Rejected records: what is known of one, and a temporary file that keeps those of a window until it is emitted."""

from __future__ import annotations

import contextlib
import marshal
import tempfile
from dataclasses import dataclass, replace
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

MAX_PARTS_KEPT = 1000
"""Fields or cells of a rejected record that are kept. With more, what is rejected is no record of any stream."""
NOT_A_RECORD = "not a record: most of the required fields are missing"
_RECORDS_READ = 100
_TOO_DEEP = "(nested too deeply to be kept)"
_MARSHAL_VERSION = 2  # without references between values, which would take memory


@dataclass(frozen=True)
class InvalidRecord:
    """A rejected record, and why it was rejected.

    Attributes:
        record: the decoded record; for the quarantine only.
        record_id: its key; for the audit log only.
        missing_fields: names of required fields that it does not have.
        reason: what is wrong with it, without quoting a value.
    """

    record: object
    record_id: object
    missing_fields: tuple[str, ...]
    reason: str

    @property
    def is_foreign(self) -> bool:
        """Whether it is not a record at all but, for example, part of an error document."""
        return self.reason == NOT_A_RECORD

    @property
    def is_misfit(self) -> bool:
        """Whether a value does not have the type of its field."""
        return self.reason.startswith(("Expected", "Invalid"))

    def shortened(self) -> InvalidRecord:
        """Return it with the first ``MAX_PARTS_KEPT`` fields or cells of the record only."""
        if isinstance(self.record, dict) and len(self.record) > MAX_PARTS_KEPT:
            return replace(self, record=dict(islice(self.record.items(), MAX_PARTS_KEPT)))
        if isinstance(self.record, list) and len(self.record) > MAX_PARTS_KEPT:
            return replace(self, record=self.record[:MAX_PARTS_KEPT])
        return self


class RejectedRecords:
    """The rejected records of one file, kept on disk.

    Args:
        folder: directory for the temporary file. It has no name, so nothing is left of it after ``close`` or the end
            of the process.

    Attributes:
        size: bytes on disk.
    """

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - see close
        self.size = 0

    def add(self, records: Iterable[InvalidRecord]) -> None:
        """Write rejected records."""
        for record in records:
            # Unlike JSON, marshal keeps every decoded value as it is, invalid Unicode and NaN included.
            values: Any = (record.record, record.record_id, record.missing_fields, record.reason)
            try:
                data = marshal.dumps(values, _MARSHAL_VERSION)
            except ValueError:  # nested too deeply
                data = marshal.dumps((_TOO_DEEP, *values[1:]), _MARSHAL_VERSION)
            self.size += self._file.write(data)

    def flush(self) -> None:
        """Write everything to disk."""
        self._file.flush()

    def batches(self) -> Iterator[list[InvalidRecord]]:
        """Yield the records in their order, a limited number at a time."""
        self._file.seek(0)
        while batch := list(islice(self._records(), _RECORDS_READ)):
            yield batch

    def _records(self) -> Iterator[InvalidRecord]:
        while self._file.tell() < self.size:
            yield InvalidRecord(*marshal.load(self._file))  # noqa: S302 - our own file

    def close(self) -> None:
        """Delete the temporary file."""
        with contextlib.suppress(OSError):  # what could not be written is not needed any more
            self._file.close()
