"""The audit log (what was exported, with what result) and the quarantine (rejected records): JSON Lines.

Every event has ``event`` and ``logged_at`` (UTC). The same events go to the log, but without values taken from
records: ids and samples are only in the file, which only its owner can read.
"""

from __future__ import annotations

import logging
from typing import Any

from tap_cxone.dates import format_date, utc_now
from tap_cxone.observability import log_lines
from tap_cxone.observability.audit_reader import check_audit_log
from tap_cxone.observability.events import EventName
from tap_cxone.observability.jsonlines import JsonLinesFile

logger = logging.getLogger("tap-cxone.audit")

MAX_ID_CHARACTERS = 200
"""A longer record id is cut."""
_FROM_RECORDS = frozenset({"record_id", "sample", "days"})
"""Fields with values taken from records; they are only in the file."""
_LABELS = frozenset({"run_id", "tenant", "host", "orchestrator_run_id"})
"""Fields that structured logs have, but not the text of each line."""
_FAILURES = frozenset({EventName.EXPORT_JOB_FAILED, EventName.SCHEMA_VALIDATION_FAILURE, EventName.PIPELINE_ERROR})


class AuditLog:
    """Writes events to a file, to the log, or to both. Thread-safe.

    Args:
        path: JSON Lines file; None: the log only.

    Raises:
        CxoneError: the file cannot be opened, or holds something else.
    """

    def __init__(self, path: str | None = None) -> None:
        if path:
            check_audit_log(path)
        self._file = JsonLinesFile(path, "audit_log_path") if path else None

    def event(self, event: EventName, *, log: bool = True, **fields: Any) -> None:  # noqa: ANN401 - any JSON value
        """Write one event.

        Args:
            event: its name.
            log: whether the event also goes to the log.
            **fields: JSON-compatible values without secrets.

        Raises:
            CxoneError: the file cannot be written.
        """
        if self._file:
            self._file.write({"event": event, "logged_at": format_date(utc_now()), **fields})
        if log:
            shown = {key: value for key, value in fields.items() if key not in _FROM_RECORDS}
            text = " ".join(f"{key}={value}" for key, value in shown.items() if key not in _LABELS)
            level = logging.WARNING if event in _FAILURES else logging.INFO
            log_lines.log(logger, level, f"{event} {text}", shown)

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()


class Quarantine:
    """Keeps rejected records so that a person can look at them. Thread-safe.

    Args:
        path: JSON Lines file; None: nothing is kept.

    Raises:
        CxoneError: the file cannot be opened.
    """

    def __init__(self, path: str | None = None) -> None:
        self._file = JsonLinesFile(path, "quarantine_path") if path else None

    def keep(self, record: object, **fields: Any) -> None:  # noqa: ANN401 - any JSON value
        """Write one rejected record, with further fields such as the reason.

        Raises:
            CxoneError: the file cannot be written.
        """
        if self._file:
            try:
                kept = _jsonable(record)
            except RecursionError:
                kept = "(nested too deeply to be kept)"
            self._file.write({"quarantined_at": format_date(utc_now()), **fields, "record": kept})

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()


def printable(text: str) -> str:
    """Escape what is not valid Unicode, so that any text can be written."""
    return text.encode("utf-8", "backslashreplace").decode()


def _jsonable(value: object) -> object:
    """Make any decoded JSON value writable: invalid Unicode is escaped, infinities and NaN become text."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, float) and (value != value or value in {float("inf"), float("-inf")}):  # noqa: PLR0124 - NaN
        return str(value)
    if isinstance(value, dict):
        return {str(_jsonable(key)): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    return value
