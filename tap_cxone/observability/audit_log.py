"""The audit log: what was exported, with what result, one JSON object a line; and the quarantine beside it.

Every event has ``event`` and ``logged_at`` (UTC). The same events go to the log, there without anything that comes
out of a record: ids and samples stand in the owner-readable file only.
"""

from __future__ import annotations

import logging
from typing import Any

from tap_cxone.dates import format_date, utc_now
from tap_cxone.observability import log_lines
from tap_cxone.observability.jsonlines import JsonLinesFile

logger = logging.getLogger("tap-cxone.audit")

_FROM_RECORDS = frozenset({"record_id", "sample", "days"})
"""Fields of events that come out of records; they stand in the file only."""
_FAILURES = frozenset({"export_job_failed", "schema_validation_failure", "pipeline_error"})


class AuditLog:
    """Writes events to a file, to the log, or to both.

    Args:
        path: JSON Lines file; none: the log only.
    """

    def __init__(self, path: str | None = None) -> None:
        self._file = JsonLinesFile(path, "audit_log_path") if path else None

    def event(self, event: str, *, log: bool = True, **fields: Any) -> None:  # noqa: ANN401 - whatever JSON can say
        """Write one event.

        Args:
            event: its name.
            log: False where the log has heard enough of this kind.
            **fields: what there is to say, JSON-compatible, without secrets.
        """
        if self._file:
            self._file.write({"event": event, "logged_at": format_date(utc_now()), **fields})
        if log:
            shown = {key: value for key, value in fields.items() if key not in _FROM_RECORDS}
            words = " ".join(f"{key}={value}" for key, value in shown.items())
            log_lines.log(logger, logging.WARNING if event in _FAILURES else logging.INFO, event, words, shown)

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()


class Quarantine:
    """Keeps refused records for a person to look at.

    Args:
        path: JSON Lines file; none: nothing is kept.
    """

    def __init__(self, path: str | None = None) -> None:
        self._file = JsonLinesFile(path, "quarantine_path") if path else None

    def keep(self, record: object, **why: Any) -> None:  # noqa: ANN401 - whatever JSON can say
        """Write one refused record with what is known of it."""
        if self._file:
            try:
                kept = _jsonable(record)
            except RecursionError:
                kept = "(nested too deeply to be kept)"
            self._file.write({"quarantined_at": format_date(utc_now()), **why, "record": kept})

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()


def printable(text: str) -> str:
    """Escape what is not Unicode, so that any text can be written."""
    return text.encode("utf-8", "backslashreplace").decode()


def _jsonable(value: object) -> object:
    """Make whatever a platform sent writable: text that is not Unicode is escaped, infinities become text."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, float) and (value != value or value in {float("inf"), float("-inf")}):  # noqa: PLR0124 - NaN
        return str(value)
    if isinstance(value, dict):
        return {str(_jsonable(key)): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    return value
