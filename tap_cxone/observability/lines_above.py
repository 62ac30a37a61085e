"""Log lines above the live display: one line each, and nothing that the display shows itself."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.text import Text
from typing_extensions import override

from tap_cxone.observability.events import EventName
from tap_cxone.observability.formatting import with_short_windows

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN_BY_DISPLAY = ("tap-cxone", "singer_sdk.metrics")
"""The display shows what these loggers say below the level WARNING."""
_RETRIES = "tap-cxone.retry"
"""The display shows pauses before retries."""
_WHAT_FAILED: dict[str, str] = {
    EventName.EXPORT_JOB_FAILED: "job failed",
    EventName.SCHEMA_VALIDATION_FAILURE: "record rejected",
}


class LinesAbove:
    """Has log lines appear above the display instead of in the middle of it.

    Args:
        console: the console of the display.
    """

    def __init__(self, console: Console) -> None:
        self._handler = _Handler(console)
        self._replaced: list[logging.Handler] = []

    def start(self) -> None:
        """Take over from the handlers that write to standard error."""
        root = logging.getLogger()
        for handler in list(root.handlers):
            if isinstance(handler, logging.StreamHandler) and handler.stream in {sys.__stderr__, sys.stderr}:
                self._replaced.append(handler)
                root.removeHandler(handler)
        if self._replaced:
            self._handler.setLevel(min(handler.level for handler in self._replaced))
            root.addHandler(self._handler)

    def stop(self) -> None:
        """Let the other handlers write again."""
        root = logging.getLogger()
        root.removeHandler(self._handler)
        for handler in self._replaced:
            root.addHandler(handler)
        self._replaced.clear()


class _Handler(logging.Handler):
    """Prints log lines on a console. A line is cut where the terminal ends, except for errors."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self.addFilter(_is_news)

    @override
    def emit(self, record: logging.LogRecord) -> None:
        try:
            is_error = record.levelno >= logging.ERROR
            text = self.format(record) if is_error else " ".join(_text(record).split())
            line = Text(f"{datetime.fromtimestamp(record.created, UTC):%H:%M:%SZ} {with_short_windows(text)}")
            self._console.print(line, no_wrap=not is_error, overflow="fold" if is_error else "ellipsis")
        except Exception:  # noqa: BLE001 - as in the handlers of the standard library
            self.handleError(record)


def _is_news(record: logging.LogRecord) -> bool:
    """Return whether a log line says more than the display does."""
    if record.levelno >= logging.WARNING:
        return record.name != _RETRIES or record.levelno >= logging.ERROR
    return not record.name.startswith(_SHOWN_BY_DISPLAY)


def _text(record: logging.LogRecord) -> str:
    """Return the message; of an event of the audit log that is a warning, the fields that matter."""
    message = record.getMessage()
    what = _WHAT_FAILED.get(message.partition(" ")[0])
    if not what:
        return message.removeprefix("Window ")
    fields = vars(record)
    return f"{fields.get('dateFrom')}/{fields.get('dateTo')} {what}: {fields.get('reason')}"
