"""The timeline of the export jobs: one row for each job, relative to the start of its run. Needs matplotlib.

Runs last minutes and are hours apart, so the time axis of each begins at zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tap_cxone.observability.formatting import duration
from tap_cxone.report import jobs as phases
from tap_cxone.report import svg
from tap_cxone.report.drawing import BarStyle, canvas, legend, plain, set_margins
from tap_cxone.report.text import clock, date_range, shorten
from tap_cxone.report.times import format_ms

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from tap_cxone.report.drawing import Canvas
    from tap_cxone.report.figures import Figures
    from tap_cxone.report.jobs import Job

_STYLES = {
    phases.QUEUED: BarStyle(phases.QUEUED, svg.QUEUED, "||||", svg.MUTED),
    phases.RUNNING: BarStyle(phases.RUNNING, svg.RUNNING),
    phases.QUEUED_OR_RUNNING: BarStyle(phases.QUEUED_OR_RUNNING, svg.BOTH, "---"),
    phases.DOWNLOAD: BarStyle(phases.DOWNLOAD, svg.DOWNLOAD, "////"),
    phases.EMIT: BarStyle(phases.EMIT, svg.EMIT, "\\\\\\\\"),
    phases.DOWNLOAD_AND_EMIT: BarStyle(phases.DOWNLOAD_AND_EMIT, svg.EMIT, "xxxx"),
}
_MARKS: dict[str, dict[str, Any]] = {
    "failed": {"marker": "X", "color": svg.BAD, "markersize": 9.0, "markeredgecolor": svg.PAPER, "linestyle": "none"},
    "retry": {"marker": "v", "color": svg.WARN, "markersize": 6.5, "markeredgecolor": svg.PAPER, "linestyle": "none"},
}
_ROW_INCHES, _TOP, _BOTTOM, _LEFT = 0.2, 0.45, 0.55, 0.27
_MAX_STREAM_NAME = 18
_SCALES = ((1.0, "seconds"), (60.0, "minutes"), (3600.0, "hours"), (86_400.0, "days"))
_MIN_UNITS = 3
_MIN_WIDTH = 0.002
"""As a share of the axis, so that short phases are visible."""


class _Scale(NamedTuple):
    seconds: float
    unit: str
    longest: float

    def position(self, at: int, origin: int) -> float:
        return min(max((at - origin) / 1000, 0.0), self.longest) / self.seconds


def timeline(figures: Figures) -> str | None:
    """Draw the newest jobs; None if no job has a time."""
    groups = _groups(figures)
    if not groups:
        return None
    rows = sum(len(jobs) + 1 for _, jobs in groups)
    origins = {run: _origin(figures, run, jobs) for run, jobs in groups}
    scale = _scale(max((job.finish or 0) - origins[run] for run, jobs in groups for job in jobs) / 1000)
    with canvas(rows * _ROW_INCHES + _TOP + _BOTTOM) as drawing:
        axes = drawing.figure.add_subplot()
        set_margins(drawing.figure, _TOP, _BOTTOM)
        drawing.figure.subplots_adjust(left=_LEFT)
        axes.set_xlim(0, scale.longest / scale.seconds)
        axes.set_ylim(rows, 0)
        chart = _Chart(drawing, axes, scale)
        for run, jobs in groups:
            chart.add_run(figures, run, origins[run])
            for job in jobs:
                chart.add_job(job, origins[run])
        chart.finish()
        label = f"Timeline of {rows - len(groups)} export jobs; the table below has the same figures"
        return drawing.element("timeline", label)


def _groups(figures: Figures) -> list[tuple[str, list[Job]]]:
    jobs = [job for job in figures.jobs.rows.values() if job.begin is not None]
    order = {key[0]: position for position, key in enumerate(figures.runs.rows)}
    jobs.sort(key=lambda job: (order.get(job.run, -1), job.run, job.begin))
    return [(run, list(members)) for run, members in groupby(jobs, key=lambda job: job.run)]


def _origin(figures: Figures, run: str, jobs: list[Job]) -> int:
    began = [entry.began for entry in figures.runs.rows.values() if entry.run == run and entry.began is not None]
    return min([*began, *([] if began else (job.begin or 0 for job in jobs))])


def _scale(longest: float) -> _Scale:
    longest = max(longest * 1.02, 0.001)
    seconds, unit = next(
        ((seconds, unit) for seconds, unit in reversed(_SCALES) if longest >= _MIN_UNITS * seconds), _SCALES[0]
    )
    return _Scale(seconds, unit, longest)


def _run_label(figures: Figures, run: str) -> str:
    entries = [entry for entry in figures.runs.rows.values() if entry.run == run]
    began = min((entry.began for entry in entries if entry.began is not None), default=None)
    return f"Run {shorten(run, 8) or '(unknown)'}, {clock(format_ms(began))[:16]}"


@dataclass
class _Chart:
    """The rows, from top to bottom."""

    drawing: Canvas
    axes: Axes
    scale: _Scale
    labels: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def add_run(self, figures: Figures, run: str, origin: int) -> None:
        """Add the title row of a run, with its retried requests."""
        row = len(self.labels)
        self.axes.axhline(row, color=svg.MUTED, linewidth=0.6)
        for retry in figures.retries_shown:
            if retry.run == run:
                title = f"Retried at {clock(format_ms(retry.at))}: {retry.call} ({retry.reason})"
                self._mark("retry", self.scale.position(retry.at, origin), row + 0.55, title)
        self.labels.append(_run_label(figures, run))

    def add_job(self, job: Job, origin: int) -> None:
        """Add the row of a job, with its phases."""
        row = len(self.labels)
        window = f"{job.stream} {date_range(format_ms(job.start), format_ms(job.end))}"
        narrowest = self.scale.longest / self.scale.seconds * _MIN_WIDTH
        for kind, start, end in phases.segments(job):
            left, right = self.scale.position(start, origin), self.scale.position(end, origin)
            title = f"{window}: {kind} {duration((end - start) / 1000)}"
            extent = (max(right - left, narrowest), 0.72)
            self.drawing.bar(self.axes, (left, row + 0.14), extent, _STYLES[kind], title)
            self.used.add(kind)
        if job.failed is not None:
            self._mark("failed", self.scale.position(job.failed, origin), row + 0.5, f"{window}: failed. {job.reason}")
        if job.attempts > 1 and job.downloaded is not None:
            title = f"{window}: downloaded in {job.attempts} attempts"
            self._mark("retry", self.scale.position(job.downloaded, origin), row + 0.5, title)
        start_text = clock(format_ms(job.start))[:16].removesuffix(" 00:00")
        self.labels.append(f"{start_text} {shorten(job.stream, _MAX_STREAM_NAME)}")

    def finish(self) -> None:
        """Add axis, labels and legend."""
        axes = self.axes
        axes.set_yticks([row + 0.5 for row in range(len(self.labels))], self.labels)
        for label in axes.get_yticklabels():
            if label.get_text().startswith("Run "):
                label.set_fontweight("bold")
        axes.xaxis.set_major_locator(MaxNLocator(10))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel(f"{self.scale.unit} since the start of the run")
        plain(axes)
        entries: list[Artist] = [_STYLES[kind].patch() for kind in phases.KINDS if kind in self.used]
        entries += [Line2D([], [], label=name, **how) for name, how in _MARKS.items() if name in self.used]
        legend(axes, entries)

    def _mark(self, name: str, left: float, top: float, title: str) -> None:
        [mark] = self.axes.plot([left], [top], clip_on=False, zorder=4, **_MARKS[name])
        self.drawing.add_title(mark, title)
        self.used.add(name)
