"""Erases what belongs to some records from audit logs and quarantines.

In an audit log the record id of a rejected record becomes null, and records are removed from samples. All other fields
are kept, so counts and coverage do not change. From a quarantine whole lines are removed. A line that is not one of the
tap's is removed if it contains one of the texts. All other lines are kept byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tap_cxone.errors import CxoneError, SettingsError
from tap_cxone.notify.locking import locked
from tap_cxone.notify.replacing import replacement
from tap_cxone.observability.audit_log import MAX_ID_CHARACTERS
from tap_cxone.observability.events import EventName

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_cxone.notify.text_search import TextSearch

    Fields = dict[str, msgspec.Raw]

_EVENT_NAMES = frozenset(EventName)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError)
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass
class ErasureResult:
    """The result of an erasure.

    Attributes:
        record_ids: record ids that became null.
        sample_records: records removed from samples.
        rejected_records: records removed from quarantines.
        other_lines: lines removed that are not the tap's: damaged, or written by something else.
        remaining_lines: lines that contain one of the texts in other fields, such as a time or the id of a job.
    """

    record_ids: int = 0
    sample_records: int = 0
    rejected_records: int = 0
    other_lines: int = 0
    remaining_lines: int = 0


def erase(audit_logs: Sequence[str], quarantines: Sequence[str], search: TextSearch) -> ErasureResult:
    """Erase what belongs to some records.

    Args:
        audit_logs: paths of audit logs.
        quarantines: paths of quarantines.
        search: finds ids and values of the records.

    Raises:
        SettingsError: one of the files does not exist; nothing has been changed.
        CxoneError: a file cannot be read, replaced or locked; it is unchanged.
    """
    logs = [_existing_file(path, "audit_log_path") for path in audit_logs]
    others = [_existing_file(path, "quarantine_path") for path in quarantines]
    eraser = _Eraser(search)
    for path in dict.fromkeys(logs):
        _rewrite(path, "audit_log_path", eraser.erase_from_event)
    for path in dict.fromkeys(others):
        _rewrite(path, "quarantine_path", eraser.erase_from_quarantine)
    return eraser.result


def _existing_file(path: str, setting: str) -> Path:
    try:
        file = Path(path).expanduser().resolve()
        exists = file.is_file()
    except (OSError, ValueError, RuntimeError):
        msg = f"Setting '{setting}': the path is not usable."
        raise SettingsError(msg) from None
    if not exists:  # a wrong path must not look like a finished erasure
        msg = f"Setting '{setting}': there is no such file. Nothing has been erased."
        raise SettingsError(msg)
    return file


def _rewrite(path: Path, setting: str, erase_from: Callable[[bytes], bytes]) -> None:
    """Replace each line of a file by what a function returns for it."""
    with locked(path, setting):
        try:
            with path.open("rb") as reading, replacement(path, reading) as writing:
                writing.writelines(map(erase_from, reading))
        except OSError as err:
            msg = f"Setting '{setting}': the file cannot be replaced ({err.strerror}); it is unchanged."
            raise CxoneError(msg) from err


class _Eraser:
    """Erases from single lines, and counts what it erases."""

    def __init__(self, search: TextSearch) -> None:
        self._search = search
        self.result = ErasureResult()

    def erase_from_event(self, line: bytes) -> bytes:
        """Return a line of an audit log as it is to be kept; empty if it is removed."""
        found = self._search.matches(line)
        if not found and b'"record_id"' not in line:  # a record id may be cut off
            return line
        try:
            fields = _decode_fields(line)
            is_event = msgspec.json.decode(fields["event"], type=str) in _EVENT_NAMES
        except _UNREADABLE:
            is_event = False
        if not is_event:
            return self._remove_other(line, found=found)
        erased_id = self._erase_record_id(fields)
        if self._erase_from_sample(fields) or erased_id or found:
            return self._encode(fields, line)
        return line

    def erase_from_quarantine(self, line: bytes) -> bytes:
        """Return a line of a quarantine as it is to be kept; empty if it is removed."""
        if not self._search.matches(line):
            return line
        try:
            fields = _decode_fields(line)
            record = fields["record"]
            _ = fields["quarantined_at"]
        except _UNREADABLE:
            return self._remove_other(line, found=True)
        if self._search.matches(bytes(record)):
            self.result.rejected_records += 1
            return b""
        return self._encode(fields, line)

    def _erase_record_id(self, fields: Fields) -> bool:
        if "record_id" not in fields or not self._is_searched_id(bytes(fields["record_id"])):
            return False
        fields["record_id"] = msgspec.Raw(b"null")
        self.result.record_ids += 1
        return True

    def _is_searched_id(self, data: bytes) -> bool:
        if self._search.matches(data):
            return True
        record_id = _decode_or_none(data)
        is_cut = isinstance(record_id, str) and len(record_id) >= MAX_ID_CHARACTERS
        return is_cut and self._search.may_begin_in(record_id)

    def _erase_from_sample(self, fields: Fields) -> bool:
        if "sample" not in fields or not self._search.matches(bytes(fields["sample"])):
            return False
        records = _decode_or_none(bytes(fields["sample"]), list[msgspec.Raw]) or []
        kept = [record for record in records if not self._search.matches(bytes(record))]
        fields["sample"] = msgspec.Raw(msgspec.json.encode(kept))
        self.result.sample_records += max(len(records) - len(kept), 1)
        return True

    def _encode(self, fields: Fields, line: bytes) -> bytes:
        """Return the fields as a line that replaces another one; of repeated fields the last one is kept."""
        data = msgspec.json.encode(fields)
        self.result.remaining_lines += self._search.matches(data)
        return data + b"\n" * line.endswith(b"\n")

    def _remove_other(self, line: bytes, *, found: bool) -> bytes:
        """Remove a line that is not the tap's if it contains one of the texts."""
        self.result.other_lines += found
        return b"" if found else line


def _decode_or_none(data: bytes, kind: Any = str) -> Any:  # noqa: ANN401 - any type that msgspec decodes
    try:
        return msgspec.json.decode(data, type=kind)
    except _UNREADABLE:
        return None
