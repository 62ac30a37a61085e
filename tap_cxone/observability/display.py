"""The live display: shows in a terminal what a run is doing. Everything it shows comes from ``Progress``.

Log lines appear above it. Routine ones, which would repeat what it shows, are suppressed.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tap_cxone.observability.formatting import duration, rate, size
from tap_cxone.observability.summary import pauses

if TYPE_CHECKING:
    from tap_cxone.observability.progress import Progress, StreamProgress

REFRESHES_PER_SECOND = 4
MAX_ROWS = 8
"""Maximum number of active windows that are shown one by one."""
_ROUTINE = ("tap-cxone", "singer_sdk.metrics")
_SHOW_CURSOR = b"\x1b[?25h"


class LiveDisplay:
    """Shows a run in the terminal at standard error.

    Args:
        progress: what the run is doing.
        console: where to show it; default: standard error.
    """

    def __init__(self, progress: Progress, console: Console | None = None) -> None:
        self._progress = progress
        self._console = console or Console(stderr=True)
        self._live = Live(
            console=self._console,
            get_renderable=self._render,
            refresh_per_second=REFRESHES_PER_SECOND,
            redirect_stdout=False,  # the target reads it
            transient=True,
        )
        self._streams: list[tuple[logging.StreamHandler[TextIO], TextIO]] = []

    @classmethod
    def create_if_supported(cls, progress: Progress) -> LiveDisplay | None:
        """Return a display, or None if the terminal cannot show one (for example TERM=dumb)."""
        console = Console(stderr=True)
        supported = console.is_terminal and console.is_interactive and not console.is_dumb_terminal
        return cls(progress, console) if supported else None

    def start(self) -> None:
        """Start the display, and redirect log lines to appear above it."""
        self._live.start()
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream in {sys.__stderr__, sys.stderr}:
                self._streams.append((handler, handler.stream))
                handler.setStream(_Above(self._console))
                handler.addFilter(_not_routine)

    def stop(self) -> None:
        """Remove the display, and restore the log handlers."""
        for handler, stream in self._streams:
            handler.setStream(stream)
            handler.removeFilter(_not_routine)
        self._streams.clear()
        self._live.stop()

    def restore(self) -> None:
        """Make the cursor visible again. Safe in a signal handler."""
        os.write(2, _SHOW_CURSOR)

    def _render(self) -> RenderableType:
        streams = self._progress.streams()
        return Group(*(self._stream(stream) for stream in streams), *map(_pause, pauses(self._progress)))

    def _stream(self, stream: StreamProgress) -> RenderableType:
        counts, tally = stream.counts(), stream.tally()
        active = stream.active()
        head = Table.grid(padding=(0, 2))
        head.add_row(
            Text(stream.name, style="bold"),
            ProgressBar(total=max(1, counts.windows), completed=counts.windows_done, width=24),
            _left(stream),
        )
        figures = Text(
            f"  windows: {tally.done} done, {tally.running} running, {tally.waiting} waiting; "
            f"{counts.records:,} records; {size(counts.bytes)}; {rate(counts.records, stream.seconds())}"
        )
        rows = Table.grid(padding=(0, 2))
        for item in active[:MAX_ROWS]:
            since = duration(self._progress.now() - item.since)
            rows.add_row("", str(item.window), item.stage.value, since, Text(item.note, style="yellow"))
        if len(active) > MAX_ROWS:
            rows.add_row("", f"and {len(active) - MAX_ROWS} more", "", "", "")
        return Group(head, figures, rows)


def _left(stream: StreamProgress) -> str:
    if stream.has_ended:
        return "done"
    left = stream.seconds_left()
    return "" if left is None else f"about {duration(left)} left"


def _pause(text: str) -> Text:
    return Text(text, style="yellow")


def _not_routine(record: logging.LogRecord) -> bool:
    """Return whether a log line says more than the display does."""
    return record.levelno >= logging.WARNING or not record.name.startswith(_ROUTINE)


class _Above:
    """A stream whose lines appear above the display."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def write(self, text: str) -> int:
        line = text.rstrip("\n")
        if line:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        return len(text)

    def flush(self) -> None:
        """Do nothing: lines are not buffered."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of a stream
        return getattr(sys.stderr, name)
