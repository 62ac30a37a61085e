"""The live display: shows in a terminal what a run is doing. Everything it shows comes from ``Progress``.

Log lines appear above it (see ``tap_cxone.observability.lines_above``).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tap_cxone.observability.formatting import duration, interval, rate, size
from tap_cxone.observability.lines_above import LinesAbove
from tap_cxone.observability.summary import pauses

if TYPE_CHECKING:
    from tap_cxone.observability.progress import Counts, Progress, StreamProgress

REFRESHES_PER_SECOND = 4
MAX_ROWS = 8
"""Maximum number of active windows that are shown one by one."""
_WARNING_STYLE = "yellow"
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
        self._lines = LinesAbove(self._console)

    @classmethod
    def create_if_supported(cls, progress: Progress) -> LiveDisplay | None:
        """Return a display, or None if the terminal cannot show one (for example TERM=dumb)."""
        console = Console(stderr=True)
        supported = console.is_terminal and console.is_interactive and not console.is_dumb_terminal
        return cls(progress, console) if supported else None

    def start(self) -> None:
        """Start the display, and have log lines appear above it."""
        self._live.start()
        self._lines.start()

    def stop(self) -> None:
        """Remove the display, and write log lines as before."""
        self._lines.stop()
        self._live.stop()

    def restore(self) -> None:
        """Make the cursor visible again. Safe in a signal handler."""
        os.write(2, _SHOW_CURSOR)

    def _render(self) -> RenderableType:
        lines = [*map(self._stream, self._progress.streams()), *map(_warning, pauses(self._progress))]
        if retries := self._progress.requests().retries:
            lines.append(_warning(f"repeated requests: {retries}"))
        return Group(*lines)

    def _stream(self, stream: StreamProgress) -> RenderableType:
        counts, tally = stream.counts(), stream.tally()
        active = stream.active()
        head = Table.grid(padding=(0, 2))
        head.add_row(
            _line(stream.name, style="bold"),
            ProgressBar(total=max(1, counts.windows), completed=counts.windows_done, width=24),
            _line(_left(stream)),
        )
        lines: list[RenderableType] = [
            head,
            Text(
                f"  windows: {tally.done} done, {tally.running} running, {tally.waiting} waiting; "
                f"{counts.records:,} records; {size(counts.bytes)}; {rate(counts.records, stream.seconds())}"
            ),
        ]
        if problems := _problems(counts):
            lines.append(_warning(f"  {problems}"))
        if not active:  # a table without rows is an empty line that rich does not count
            return Group(*lines)
        rows = Table.grid(padding=(0, 2))
        for item in active[:MAX_ROWS]:
            since = duration(self._progress.now() - item.since)
            text = _warning(item.note) if item.note else _line(item.stage.value)  # a note says what the stage waits for
            rows.add_row("", _line(interval(item.window.start, item.window.end)), _line(since), text)
        if len(active) > MAX_ROWS:
            rows.add_row("", f"and {len(active) - MAX_ROWS} more", "", "")
        return Group(*lines, rows)


def _left(stream: StreamProgress) -> str:
    if stream.has_ended:
        return "done"
    left = stream.seconds_left()
    return "" if left is None else f"about {duration(left)} left"


def _problems(counts: Counts) -> str:
    failed = f"jobs: {counts.jobs_failed} of {counts.jobs} failed" if counts.jobs_failed else ""
    rejected = f"records: {counts.refused:,} rejected" if counts.refused else ""
    return "; ".join(filter(None, (failed, rejected)))


def _line(text: str, style: str = "") -> Text:
    """Return a text that is cut where the terminal ends."""
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _warning(text: str) -> Text:
    return _line(text, _WARNING_STYLE)
