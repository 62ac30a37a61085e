"""Erases what belongs to some records, and deliveries to some receivers, from audit logs and quarantines.

In an audit log the record id of a rejected record becomes null, and records are removed from samples. All other fields
are kept, so counts and coverage do not change. From a quarantine whole lines are removed. A line that is not one of the
tap's is removed if it contains one of the texts. The lines about deliveries to the receivers are removed. All other
lines are kept byte for byte.
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
from tap_cxone.observability.jsonlines import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from tap_cxone.notify.text_search import TextSearch

    Fields = dict[str, msgspec.Raw]

_EVENT_NAMES = frozenset(EventName)


@dataclass
class ErasureResult:
    """The result of an erasure.

    Attributes:
        record_ids: record ids that became null.
        sample_records: records removed from samples.
        rejected_records: records removed from quarantines.
        deliveries: lines about deliveries removed.
        other_lines: lines removed that are not the tap's: damaged, or written by something else.
        remaining_lines: lines that contain one of the texts in other fields, such as a time or the id of a job.
    """

    record_ids: int = 0
    sample_records: int = 0
    rejected_records: int = 0
    deliveries: int = 0
    other_lines: int = 0
    remaining_lines: int = 0


def erase(
    audit_logs: Sequence[str], quarantines: Sequence[str], search: TextSearch, receivers: Collection[str] = ()
) -> ErasureResult:
    """Erase what belongs to some records, and what is remembered of some receivers.

    Args:
        audit_logs: paths of audit logs.
        quarantines: paths of quarantines.
        search: finds ids and values of the records.
        receivers: names of receivers, as the audit log has them.

    Raises:
        SettingsError: one of the files does not exist; nothing has been changed.
        CxoneError: a file cannot be read, replaced or locked; it is unchanged.
    """
    logs = [_existing_file(path, "audit_log_path") for path in audit_logs]
    others = [_existing_file(path, "quarantine_path") for path in quarantines]
    eraser = _Eraser(search, frozenset(receivers))
    for path in logs:
        _rewrite(path, "audit_log_path", eraser.erase_from)
    for path in others:
        _rewrite(path, "quarantine_path", eraser.erase_from)
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
    """Erases from single lines, and counts what it erases. The line itself says what it is, not the file."""

    def __init__(self, search: TextSearch, receivers: frozenset[str]) -> None:
        self._search = search
        self._receivers = receivers
        # Also looked at in lines without one of the texts: a record id may be cut off.
        self._names = (b'"record_id"', b'"receiver"') if receivers else (b'"record_id"',)
        self.result = ErasureResult()

    def erase_from(self, line: bytes) -> bytes:
        """Return a line of an audit log or a quarantine as it is to be kept; empty if it is removed."""
        found = self._search.matches(line)
        if not found and not any(name in line for name in self._names):
            return line
        fields = _decode_or_none(line, dict[str, msgspec.Raw]) or {}
        if "event" in fields and _decode_or_none(fields["event"], str) in _EVENT_NAMES:
            return self._erase_from_event(line, fields, found=found)
        if not found:
            return line
        if "quarantined_at" not in fields or "record" not in fields:
            self.result.other_lines += 1
            return b""
        if self._search.matches(bytes(fields["record"])):
            self.result.rejected_records += 1
            return b""
        return self._encode(fields)

    def _erase_from_event(self, line: bytes, fields: Fields, *, found: bool) -> bytes:
        if _decode_or_none(fields.get("receiver", b""), str) in self._receivers:
            self.result.deliveries += 1
            return b""
        erased_id, erased_sample = self._erase_record_id(fields), self._erase_from_sample(fields)
        return self._encode(fields) if found or erased_id or erased_sample else line

    def _erase_record_id(self, fields: Fields) -> bool:
        if "record_id" not in fields or not self._is_searched_id(bytes(fields["record_id"])):
            return False
        fields["record_id"] = msgspec.Raw(b"null")
        self.result.record_ids += 1
        return True

    def _is_searched_id(self, data: bytes) -> bool:
        if self._search.matches(data):
            return True
        record_id = _decode_or_none(data, str) or ""
        return len(record_id) >= MAX_ID_CHARACTERS and self._search.may_begin_in(record_id)

    def _erase_from_sample(self, fields: Fields) -> bool:
        if "sample" not in fields or not self._search.matches(bytes(fields["sample"])):
            return False
        records = _decode_or_none(fields["sample"], list[msgspec.Raw]) or []
        kept = [record for record in records if not self._search.matches(bytes(record))]
        fields["sample"] = msgspec.Raw(msgspec.json.encode(kept))
        self.result.sample_records += max(len(records) - len(kept), 1)
        return True

    def _encode(self, fields: Fields) -> bytes:
        """Return the fields as a line; of repeated fields the last one is kept."""
        data = msgspec.json.encode(fields)
        self.result.remaining_lines += self._search.matches(data)
        return data + b"\n"


def _decode_or_none(data: bytes | msgspec.Raw, kind: Any) -> Any:  # noqa: ANN401 - any type that msgspec decodes
    try:
        return msgspec.json.decode(data, type=kind)
    except UNREADABLE:
        return None
