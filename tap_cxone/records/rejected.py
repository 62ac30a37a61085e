"""Rejected records: what is known of one, and a temporary file that keeps those of a window until it is emitted."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from itertools import islice
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_RECORDS_READ = 100
TOO_DEEP = "(nested too deeply to be kept)"


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


def is_type_mismatch(reason: str) -> bool:
    """Return whether a record was rejected because a value does not have the type of its field."""
    return reason.startswith(("Expected", "Invalid"))


class RejectedRecords:
    """The rejected records of one file, kept on disk.

    Args:
        folder: directory for the temporary file. It has no name, so nothing is left of it after ``close`` or the end
            of the process. It is created with the first record.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None

    def add(self, records: Iterable[InvalidRecord]) -> None:
        """Write rejected records."""
        for record in records:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - see close
            self._file.write(_to_line(record))

    def flush(self) -> None:
        """Write everything to disk."""
        if self._file:
            self._file.flush()

    def batches(self) -> Iterator[list[InvalidRecord]]:
        """Yield the records in their order, a limited number at a time."""
        if self._file is None:
            return
        self._file.seek(0)
        while lines := list(islice(self._file, _RECORDS_READ)):
            yield [_from_line(line) for line in lines]

    def close(self) -> None:
        """Delete the temporary file."""
        if self._file:
            self._file.close()


def _to_line(rejected: InvalidRecord) -> bytes:
    values = [rejected.record, rejected.record_id, rejected.missing_fields, rejected.reason]
    try:
        text = json.dumps(values)
    except RecursionError:
        text = json.dumps([TOO_DEEP, None, *values[2:]])
    return text.encode() + b"\n"


def _from_line(line: bytes) -> InvalidRecord:
    record, record_id, missing_fields, reason = json.loads(line)
    return InvalidRecord(record, record_id, tuple(missing_fields), reason)
