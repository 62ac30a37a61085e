"""The plots of the report apart from the timeline, as ``<svg>`` elements. Needs matplotlib, the extra ``report``.

Each plot has a table with the same figures. Colours are never the only distinction: there are also hatches and marks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.colors import to_rgba
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from tap_cxone.observability.formatting import duration
from tap_cxone.observability.reasons import plain_reason
from tap_cxone.report.days import COVERED, NEVER, coverage, covered_share
from tap_cxone.report.drawing import bar_style, colour, label_rows, mark_style, new_plot
from tap_cxone.report.text import clean, date, date_range, number, percent, shorten
from tap_cxone.report.times import as_datetime, format_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from tap_cxone.report.days import Bin, StreamDays
    from tap_cxone.report.drawing import Plot
    from tap_cxone.report.figures import Rejections

MAX_TENANTS, MAX_STREAMS = 30, 8
"""Rows of the overview, and streams of a tenant."""
_MAX_BARS = 15
_MAX_LABEL, _MAX_REASON, _MAX_TITLE = 26, 58, 90
_MAX_NUMBERED, _MAX_SEPARATED = 16, 100
"""Cells of a row of the overview that have space for a number, and for lines between them."""
_SHADE = 0.45
_MIN_SECONDS = 0.001
_RECORDS = bar_style("running", edge="paper")
_GAP = bar_style("paper", "xxxx", "gap")
_REJECTED = bar_style("bad", "////")
_DELIVERIES = {
    "delivered": ("delivered", bar_style("good")),
    "failed": ("failed, due again", bar_style("bad", "xxxx")),
    "due": ("due", bar_style("warn", "////")),
    "waiting": ("waiting for their load", bar_style("queued", "||||", "muted")),
}
_NONE = mark_style("o", "paper", 4.5, "ink")


def overview(tenants: Mapping[str, Sequence[StreamDays]], unit: str) -> str | None:
    """Draw how much of each day was covered for each tenant: as a shade, and in per cent where there is space."""
    rows = [(name, streams) for name, streams in tenants.items() if streams][:MAX_TENANTS]
    if not rows:
        return None
    with new_plot("overview", len(rows) * 0.34 + 0.85) as plot:
        axes = plot.figure.add_subplot()
        all_bins = [coverage(streams) for _, streams in rows]
        count = len({item.start for bins in all_bins for item in bins})
        for row, ((name, _), bins) in enumerate(zip(rows, all_bins, strict=True)):
            _draw_coverage(plot, axes, row, name, bins, has_numbers=count <= _MAX_NUMBERED)
        label_rows(axes, [f"{shorten(name, _MAX_LABEL)} {percent(covered_share(streams))}" for name, streams in rows])
        plot.legend()
        return plot.svg(f"Coverage of {len(rows)} tenants by {unit}; the table has the same figures")


def _draw_coverage(plot: Plot, axes: Axes, row: int, name: str, bins: Sequence[Bin], *, has_numbers: bool) -> None:
    for label in dict.fromkeys(item.status for item in bins):
        shown = [item for item in bins if item.status == label]
        style = _GAP if label == NEVER else bar_style("good", None if label == COVERED else "////")
        if label != NEVER:
            style["facecolor"] = [to_rgba(colour("good"), _SHADE * item.covered) for item in shown]
        style["linewidth"] = 0.8 if len(bins) <= _MAX_SEPARATED else 0
        spans: Any = [(as_datetime(item.start), as_datetime(item.end) - as_datetime(item.start)) for item in shown]
        cells = axes.broken_barh(spans, (row - 0.38, 0.76), label=label, **style)
        plot.tooltip(cells, f"{name}: {len(shown)} {label}")
    for item in bins if has_numbers else ():
        middle: Any = as_datetime((item.start + item.end) // 2)
        axes.text(middle, row, percent(item.covered), ha="center", va="center", fontsize=8)


def days(name: str, streams: Sequence[StreamDays], unit: str, *, has_tenants: bool) -> str | None:
    """Draw the records per day of each stream. Gaps are hatched, covered days without records are marked."""
    streams = streams[:MAX_STREAMS]
    if not streams:
        return None
    with new_plot(name, len(streams) * 1.75 + 0.4) as plot:
        all_axes = plot.figure.subplots(len(streams), squeeze=False)[:, 0]
        for axes, stream in zip(all_axes, streams, strict=True):
            title = f"{stream.tenant}: {stream.stream}" if has_tenants else stream.stream
            axes.set_title(f"{shorten(clean(title), _MAX_TITLE)}, records per {unit}")
            _draw_days(plot, axes, stream)
        plot.legend()
        return plot.svg(f"Records per {unit} of {len(streams)} streams; the tables have the same figures")


def _draw_days(plot: Plot, axes: Axes, stream: StreamDays) -> None:
    limits: Any = as_datetime(stream.start), as_datetime(stream.end)
    axes.set_xlim(*limits)
    axes.set_ylim(0, max((item.records for item in stream.bins), default=0) * 1.08 or 1)
    filled = [item for item in stream.bins if item.records]
    starts: Any = [as_datetime(max(item.start, stream.start)) for item in filled]
    widths: Any = [as_datetime(min(item.end, stream.end)) - start for item, start in zip(filled, starts, strict=True)]
    label = "records" if filled else None
    bars = axes.bar(starts, [item.records for item in filled], widths, align="edge", label=label, **_RECORDS)
    for bar, item in zip(bars, filled, strict=True):
        plot.tooltip(bar, f"{date(format_ms(item.start))}: {number(item.records)} records, {item.status}")
    for item in stream.bins:
        if item.status == COVERED and not item.records:
            middle: Any = as_datetime((max(item.start, stream.start) + min(item.end, stream.end)) // 2)
            [mark] = axes.plot([middle], [0], label="covered, no records", **_NONE)
            plot.tooltip(mark, f"{date(format_ms(item.start))}: 0 records, covered")
    for begin, finish in stream.gaps[:500]:
        span: Any = as_datetime(begin), as_datetime(finish)
        plot.tooltip(
            axes.axvspan(*span, label="never covered", **_GAP),
            f"Never covered: {date_range(format_ms(begin), format_ms(finish))}",
        )
    axes.grid(visible=False, axis="x")
    axes.grid(visible=True, axis="y")
    _count_axis(axes, "y", 3)


def rejections(name: str, kinds: Sequence[Rejections]) -> str | None:
    """Draw the number of rejected records by reason."""
    kinds = kinds[:_MAX_BARS]
    if not kinds:
        return None
    several = len({kind.stream for kind in kinds}) > 1
    labels = [
        plain_reason(kind.reason)
        + (f": {kind.fields}" if kind.fields else "")
        + (f" ({kind.stream})" if several else "")
        for kind in kinds
    ]
    counts = [kind.records for kind in kinds]
    with new_plot(name, len(kinds) * 0.34 + 0.6) as plot:
        axes = plot.figure.add_subplot()
        bars = axes.barh(range(len(kinds)), counts, 0.64, **_REJECTED)
        for bar, label, count in zip(bars, labels, counts, strict=True):
            plot.tooltip(bar, f"{label}: {number(count)} records")
        axes.bar_label(bars, [number(count) for count in counts], padding=4)
        axes.margins(x=0.12)
        label_rows(axes, [shorten(label, _MAX_REASON) for label in labels])
        _count_axis(axes, "x", 6)
        axes.set_xlabel("records rejected")
        return plot.svg(f"Rejected records by reason, {len(kinds)} kinds; the table has the same figures")


def durations(phases: Mapping[str, Mapping[str, float]]) -> str | None:
    """Draw the median and the 95th percentile of the durations of each phase, as in the JSON form."""
    if not phases:
        return None
    medians, highs = ([max(values[name], _MIN_SECONDS) for values in phases.values()] for name in ("median", "p95"))
    with new_plot("durations", len(phases) * 0.36 + 0.95) as plot:
        axes = plot.figure.add_subplot()
        rows = list(range(len(phases)))
        axes.hlines(rows, medians, highs, color=colour("muted"), linewidth=2)
        axes.plot(medians, rows, label="median", **mark_style("o", "running", 8))
        axes.plot(highs, rows, label="95th percentile", **mark_style("D", "emit", 7))
        for row, values in enumerate(phases.values()):
            text = f"{duration(values['median'])} / {duration(values['p95'])}"
            axes.annotate(text, (highs[row], row), (9, 0), textcoords="offset points", va="center")
        axes.set_xscale("log")
        axes.margins(x=0.2)
        axes.xaxis.set_major_locator(LogLocator(numticks=8))
        axes.xaxis.set_major_formatter(lambda value, _: duration(value).replace(".0", ""))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("duration, logarithmic")
        label_rows(axes, list(phases))
        plot.legend()
        return plot.svg("Median and 95th percentile of durations; the table has the same figures")


def webhooks(receivers: Sequence[Mapping[str, Any]]) -> str | None:
    """Draw the numbers of delivered, failed, due and waiting windows of each receiver, as in the JSON form."""
    receivers = receivers[:_MAX_BARS]
    if not receivers:
        return None
    with new_plot("webhooks", len(receivers) * 0.38 + 0.95) as plot:
        axes = plot.figure.add_subplot()
        left = [0] * len(receivers)
        for name, (label, style) in _DELIVERIES.items():
            counts = [receiver[name] for receiver in receivers]
            if any(counts):
                bars = axes.barh(range(len(receivers)), counts, 0.64, left, label=label, **style)
                for bar, receiver in zip(bars, receivers, strict=True):
                    plot.tooltip(bar, f"{receiver['receiver']}: {receiver[name]} windows {label}")
            left = [before + count for before, count in zip(left, counts, strict=True)]
        label_rows(axes, [shorten(receiver["receiver"], _MAX_LABEL) for receiver in receivers])
        _count_axis(axes, "x", 6)
        axes.set_xlabel("windows")
        plot.legend()
        return plot.svg(f"Webhook deliveries to {len(receivers)} receivers; the table has the same figures")


def _count_axis(axes: Axes, side: str, ticks: int) -> None:
    axis = axes.xaxis if side == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(ticks, integer=True))
    axis.set_major_formatter(lambda value, _: number(value))
