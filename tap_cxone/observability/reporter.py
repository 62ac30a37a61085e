"""The reporter: shows what a run is doing, by log lines or a live display, and logs a summary at the end."""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING

from tap_cxone.observability import log_lines
from tap_cxone.observability.summary import status, status_fields, summary, summary_fields

if TYPE_CHECKING:
    from tap_cxone.observability.display import LiveDisplay
    from tap_cxone.observability.labels import RunLabels
    from tap_cxone.observability.progress import Progress

REPORT_SECONDS = 25.0
"""Time between two status lines of a stream in the log, also while the run only waits."""

logger = logging.getLogger("tap-cxone")


class Reporter:
    """Reports on a run until it is closed, in a thread of its own, so that a blocked target does not silence it.

    Args:
        progress: what the run is doing.
        labels: tenant and host of the run.
        report_seconds: seconds between two log lines about a stream.
        is_test: whether this is a test of the settings, which reads no whole window and so has no summary.
    """

    def __init__(
        self, progress: Progress, labels: RunLabels, report_seconds: float = REPORT_SECONDS, *, is_test: bool = False
    ) -> None:
        self._progress = progress
        self._labels = labels
        self._is_test = is_test
        self._report_seconds = report_seconds
        self._closed = threading.Event()
        self._display: LiveDisplay | None = None
        self._started = False

    def start(self) -> None:
        """Start reporting; further calls have no effect."""
        if self._started:
            return
        self._started = True
        # If the records go to the same terminal, a display would make both unreadable.
        if sys.stderr.isatty() and not sys.stdout.isatty():
            from tap_cxone.observability.display import LiveDisplay  # noqa: PLC0415 - only terminals need rich

            self._display = LiveDisplay.create_if_supported(self._progress)
        if self._display:
            self._display.start()
        else:
            threading.Thread(target=self._report, name="report", daemon=True).start()

    def close(self) -> None:
        """Stop, and log a summary of the run, unless it is a test; further calls have no effect."""
        if not self._started or self._closed.is_set():
            return
        self._closed.set()
        if self._display:
            self._display.stop()
        if self._is_test:
            return
        text = f"Summary: {summary(self._progress)}"
        log_lines.log(logger, logging.INFO, text, summary_fields(self._progress) | self._labels.fields())

    def restore_terminal(self) -> None:
        """Restore the terminal at once, for a process that is about to exit. Safe in a signal handler."""
        if self._display:
            self._display.restore()

    def _report(self) -> None:
        while not self._closed.wait(self._report_seconds):
            for stream in self._progress.streams():
                if not stream.has_ended:
                    text = f"{stream.name}: {status(stream, self._progress)}"
                    fields = status_fields(stream, self._progress) | self._labels.fields()
                    log_lines.log(logger, logging.INFO, text, fields)
