"""Telling people what a run does while it does it, and what it did: log lines, or a live display in a terminal.

Log lines carry their figures twice: in words, and as fields for the SDK's structured logging.
"""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING

from tap_cxone.observability import log_lines
from tap_cxone.observability.summary import figures, status, status_fields, summary

if TYPE_CHECKING:
    from tap_cxone.observability.display import LiveDisplay
    from tap_cxone.observability.progress import Progress

REPORT_SECONDS = 25.0
"""How often the log says what is going on; a run that only waits says so, too."""

logger = logging.getLogger("tap-cxone")


class Reporter:
    """Reports on a run until it is closed: in a thread, so that a target that blocks the tap does not silence it.

    Args:
        progress: what the run is doing.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._closed = threading.Event()
        self._display: LiveDisplay | None = None
        self._begun = False

    def begin(self) -> None:
        """Begin to report, if that has not happened yet."""
        if self._begun:
            return
        self._begun = True
        # Where records go to the same terminal, both would be unreadable.
        if sys.stderr.isatty() and not sys.stdout.isatty():
            from tap_cxone.observability.display import LiveDisplay  # noqa: PLC0415 - a library that only terminals need

            self._display = LiveDisplay.where_possible(self._progress)
        if self._display:
            self._display.start()
        else:
            threading.Thread(target=self._report, name="report", daemon=True).start()

    def close(self) -> None:
        """End with a summary of the run."""
        if not self._begun or self._closed.is_set():
            return
        self._closed.set()
        if self._display:
            self._display.stop()
        log_lines.log(logger, logging.INFO, "Summary:", summary(self._progress), figures(self._progress))

    def abandon(self) -> None:
        """Leave a terminal as it was found, from a signal handler that is about to end the process."""
        if self._display:
            self._display.restore()

    def _report(self) -> None:
        while not self._closed.wait(REPORT_SECONDS):
            for stream in self._progress.streams():
                if stream.ended is None:
                    words = status(stream, self._progress)
                    log_lines.log(logger, logging.INFO, f"{stream.name}:", words, status_fields(stream, self._progress))
