"""What the live display shows, in 80 columns."""

from __future__ import annotations

import io
from datetime import timedelta

from rich.console import Console

from tap_cxone.observability.display import LiveDisplay
from tap_cxone.observability.progress import Progress, Stage
from tap_cxone.windows import Window
from tests.conftest import january

WINDOWS = [Window(january(day), january(day + 1)) for day in range(1, 13)]


def frame(progress: Progress) -> list[str]:
    console = Console(file=io.StringIO(), width=80)
    console.print(LiveDisplay(progress, console)._render())
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_stream_without_active_windows_has_no_empty_line() -> None:
    """Rich does not count such a line, so it would leave the line above the display in the terminal."""
    progress = Progress(lambda: 0.0)
    progress.stream("events")
    name, windows = frame(progress)
    assert name.startswith("events")
    assert windows == "  windows: 0 done, 0 running, 0 waiting; 0 records; 0 B; 0/s"


def test_failures_are_counted_and_a_note_says_what_a_window_waits_for() -> None:
    progress = Progress(lambda: 0.0)
    stream = progress.stream("recording_interaction_metadata")
    stream.plan(WINDOWS)
    stream.enter(WINDOWS[0], Stage.WAITING)
    stream.note(WINDOWS[0], "waiting for a free slot: the platform accepts no job at the moment")
    stream.enter(Window(january(2), january(2) + timedelta(hours=12)), Stage.RUNNING)
    for window in WINDOWS[2:10]:
        stream.enter(window, Stage.WAITING)
    stream.count(jobs=5, jobs_failed=2, refused=1000)
    progress.retrying("status", "503 Service Unavailable", 5, rate_limited=False)
    lines = frame(progress)
    assert max(map(len, lines)) <= 80
    assert lines[2] == "  jobs: 2 of 5 failed; records: 1,000 rejected"
    assert lines[3] == "  2024-01-01/01-02        0 ms  waiting for a free slot: the platform accepts n…"
    assert lines[4] == "  2024-01-02T00:00/12:00  0 ms  running"
    assert lines[-3] == "  and 2 more"
    assert lines[-2].startswith("call 'status' waits until ")
    assert lines[-1] == "repeated requests: 1"
