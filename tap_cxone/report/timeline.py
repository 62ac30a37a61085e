"""The timeline of the export jobs: a row for each job, a time scale for each run. Needs matplotlib."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_cxone.observability.formatting import duration
from tap_cxone.report import jobs as phases
from tap_cxone.report.drawing import bar_style, label_rows, mark_style, new_plot
from tap_cxone.report.text import clock, date_range, short_id, shorten
from tap_cxone.report.times import as_datetime, format_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes

    from tap_cxone.report.drawing import Plot
    from tap_cxone.report.figures import Retry
    from tap_cxone.report.jobs import Job
    from tap_cxone.report.runs import Runs

MAX_RUNS = 15
"""Runs in one plot; the table has all jobs."""
_STYLES = {
    phases.QUEUED: bar_style("queued", "||||", "muted"),
    phases.RUNNING: bar_style("running"),
    phases.QUEUED_OR_RUNNING: bar_style("both", "---"),
    phases.DOWNLOAD: bar_style("download", "////"),
    phases.EMIT: bar_style("emit", "\\\\\\\\"),
    phases.DOWNLOAD_AND_EMIT: bar_style("emit", "xxxx"),
}
_FAILED, _RETRY = mark_style("X", "bad", 9), mark_style("v", "warn", 6.5)
_ROW, _RUN = 0.21, 0.7
"""Height of a row, and of what is around the rows of a run, in inches."""
_ABOVE = 0.5
"""Space above the rows of a run, for its retried requests, in rows."""
_MAX_STREAM_NAME = 18
_SHORTEST = timedelta(milliseconds=100)


def timeline(name: str, jobs: Iterable[Job], runs: Runs, retries: Iterable[Retry]) -> str | None:
    """Draw the jobs and the retried requests of the newest runs; None if no job has a time."""
    by_run: defaultdict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        if job.begin is not None:
            by_run[job.run].append(job)
    numbers = runs.numbers
    shown = sorted(by_run, key=lambda run: numbers.get(run, 0))[-MAX_RUNS:]
    if not shown:
        return None
    rows = [len(by_run[run]) + _ABOVE for run in shown]
    with new_plot(name, sum(rows) * _ROW + len(rows) * _RUN + 0.3) as plot:
        all_axes = plot.figure.subplots(len(shown), squeeze=False, height_ratios=rows)[:, 0]
        for axes, run in zip(all_axes, shown, strict=True):
            began = [row.began for row in runs.rows.values() if row.run == run and row.began is not None]
            title = f"Run {numbers.get(run, '')} ({short_id(run) or 'unknown'})"
            axes.set_title(f"{title}, {clock(format_ms(min(began, default=None)))}", fontweight="bold")
            times = [*began, *_draw_jobs(plot, axes, by_run[run])]
            times += _draw_retries(plot, axes, [retry for retry in retries if retry.run == run])
            start, end = as_datetime(min(times)), as_datetime(max(times))
            limits: Any = start, max(end, start + _SHORTEST)
            axes.set_xlim(*limits)
        plot.legend()
        return plot.svg(f"Timeline of {sum(map(len, by_run.values()))} export jobs; the table has the same figures")


def _draw_jobs(plot: Plot, axes: Axes, jobs: Sequence[Job]) -> list[int]:
    """Draw a row for each job, and return the times of all. Jobs for parts of a window are below it."""
    labels, times = [], []
    for row, (job, depth) in enumerate(phases.nested(jobs)):
        window = f"{job.stream} {date_range(format_ms(job.start), format_ms(job.end))}"
        height = 0.5 if depth else 0.72
        for kind, start, end in phases.segments(job):
            begin: Any = as_datetime(start)
            bar = axes.broken_barh(
                [(begin, as_datetime(end) - begin)], (row - height / 2, height), label=kind, **_STYLES[kind]
            )
            plot.tooltip(bar, f"{window}: {kind} {duration((end - start) / 1000)}")
            times += [start, end]
        if job.failed is not None:
            _mark(plot, axes, "failed", (job.failed, row), f"{window}: failed. {job.reason}")
        if job.attempts > 1 and job.downloaded is not None:
            _mark(plot, axes, "retry", (job.downloaded, row), f"{window}: downloaded in {job.attempts} attempts")
        times += [at for at in (job.begin, job.finish) if at is not None]
        start_text = clock(format_ms(job.start))[:16].removesuffix(" 00:00")
        labels.append(f"{'└ ' * depth}{start_text} {'' if depth else shorten(job.stream, _MAX_STREAM_NAME)}")
    label_rows(axes, labels, above=_ABOVE)
    return times


def _draw_retries(plot: Plot, axes: Axes, retries: Sequence[Retry]) -> list[int]:
    """Draw the retried requests of a run above its jobs, and return their times."""
    for retry in retries:
        title = f"Retried at {clock(format_ms(retry.at))}: {retry.call} ({retry.reason})"
        _mark(plot, axes, "retry", (retry.at, -0.75), title)
    return [retry.at for retry in retries]


def _mark(plot: Plot, axes: Axes, label: str, place: tuple[int, float], title: str) -> None:
    x: Any = [as_datetime(place[0])]
    [mark] = axes.plot(x, [place[1]], label=label, **(_FAILED if label == "failed" else _RETRY))
    plot.tooltip(mark, title)
