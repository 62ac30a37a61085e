"""The plots of the report, as ``<svg>`` elements. Needs matplotlib, the extra ``report``.

Each plot has a table with the same figures. Colours are never the only distinction: there are also hatches and marks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from tap_cxone.observability.formatting import duration
from tap_cxone.report import svg
from tap_cxone.report.days import COVERED
from tap_cxone.report.drawing import LEFT, BarStyle, canvas, legend, plain, set_margins
from tap_cxone.report.text import clean, date, date_range, number, shorten
from tap_cxone.report.timeline import timeline
from tap_cxone.report.times import format_ms

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from tap_cxone.report.days import StreamDays
    from tap_cxone.report.drawing import Canvas
    from tap_cxone.report.figures import Figures

_RECORDS, _GAP = BarStyle("records", svg.BAR), BarStyle("never covered", svg.PAPER, "xxxx", svg.GAP)
_REJECTED = BarStyle("rejected", svg.BAD, "////")
_DELIVERIES = {
    "delivered": BarStyle("delivered", svg.GOOD),
    "failed": BarStyle("failed, due again", svg.BAD, "xxxx"),
    "due": BarStyle("due", svg.WARN, "////"),
    "waiting": BarStyle("waiting for their load", svg.QUEUED, "||||", svg.MUTED),
}
_NONE: dict[str, Any] = {
    "marker": "o",
    "color": svg.PAPER,
    "markeredgecolor": svg.INK,
    "markersize": 4.5,
    "linestyle": "none",
}
_MEDIAN: dict[str, Any] = {"marker": "o", "color": svg.RUNNING, "markersize": 8.0, "linestyle": "none"}
_P95: dict[str, Any] = {"marker": "D", "color": svg.EMIT, "markersize": 7.0, "linestyle": "none"}
_DAY_MS = 86_400_000.0
_MAX_STREAMS, _MAX_BARS = 8, 15
_MAX_LABEL, _MAX_REASON = 26, 58
_MIN_WIDTH = 0.003
_MIN_SECONDS = 0.001


def drawings(figures: Figures) -> dict[str, str | None]:
    """Return all plots by name; None for a plot without figures."""
    return {
        "timeline": timeline(figures),
        "days": days(figures),
        "refusals": rejections(figures),
        "durations": durations(figures),
        "webhooks": webhooks(figures),
    }


def days(figures: Figures) -> str | None:
    """Draw the records per day of each stream. Gaps are hatched, covered days without records are marked."""
    streams = figures.days[:_MAX_STREAMS]
    if not streams:
        return None
    with canvas(len(streams) * 1.75 + 0.75) as drawing:
        all_axes = drawing.figure.subplots(len(streams), squeeze=False)[:, 0]
        set_margins(drawing.figure, 0.55, 0.45)
        drawing.figure.subplots_adjust(hspace=0.55, left=0.08)
        used: set[str] = set()
        for axes, stream in zip(all_axes, streams, strict=True):
            name = f"{stream.tenant}: {stream.stream}" if figures.log.has_tenants else stream.stream
            axes.set_title(f"{clean(name)}, records per {figures.unit}", loc="left", fontsize=9)
            used |= _stream_days(drawing, axes, stream)
        entries: list[Artist] = [_RECORDS.patch()]
        if "gap" in used:
            entries.append(_GAP.patch())
        if "none" in used:
            entries.append(Line2D([], [], label="covered, no records", **_NONE))
        legend(all_axes[0], entries, 0.2)
        label = f"Records per {figures.unit} of {len(streams)} streams; the table below has the same figures"
        return drawing.element("days", label)


def _stream_days(drawing: Canvas, axes: Axes, stream: StreamDays) -> set[str]:
    used = set()
    left, right = stream.start / _DAY_MS, stream.end / _DAY_MS
    axes.set_xlim(left, right)
    highest = max((item.records for item in stream.bins), default=0) or 1
    axes.set_ylim(0, highest * 1.08)
    for item in stream.bins:
        start, end = max(item.start / _DAY_MS, left), min(item.end / _DAY_MS, right)
        title = f"{_day(item.start)}: {number(item.records)} records, {item.status}"
        if item.records:
            drawing.bar(axes, (start, 0), (end - start, item.records), _RECORDS, title)
        elif item.status == COVERED:
            [mark] = axes.plot([(start + end) / 2], [0], clip_on=False, zorder=5, **_NONE)
            drawing.add_title(mark, title)
            used.add("none")
    for begin, finish in stream.gaps[:500]:
        width = max((finish - begin) / _DAY_MS, (right - left) * _MIN_WIDTH)
        title = f"Never covered: {date_range(format_ms(begin), format_ms(finish))}"
        drawing.bar(axes, (begin / _DAY_MS, 0), (width, highest * 1.08), _GAP, title)
        used.add("gap")
    locator = AutoDateLocator(minticks=3, maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    plain(axes, grid="y")
    return used


def rejections(figures: Figures) -> str | None:
    """Draw the number of rejected records by reason."""
    kinds = figures.rejections[:_MAX_BARS]
    if not kinds:
        return None
    with canvas(len(kinds) * 0.34 + 0.6) as drawing:
        several = len({kind.stream for kind in figures.rejections}) > 1
        labels = [
            kind.reason + (f": {kind.fields}" if kind.fields else "") + (f" ({kind.stream})" if several else "")
            for kind in kinds
        ]
        axes = _rows(drawing, [shorten(label, _MAX_REASON) for label in labels], 0.1, left=0.43)
        axes.set_xlim(0, kinds[0].records * 1.12)
        for row, kind in enumerate(kinds):
            title = f"{kind.stream}: {kind.reason} {kind.fields}: {number(kind.records)} records"
            drawing.bar(axes, (0, row + 0.18), (kind.records, 0.64), _REJECTED, title)
            axes.annotate(
                number(kind.records), (kind.records, row + 0.5), (4, 0), textcoords="offset points", va="center"
            )
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_xlabel("records rejected")
        return drawing.element(
            "refusals", f"Rejected records by reason, {len(kinds)} kinds; the table has the same figures"
        )


def durations(figures: Figures) -> str | None:
    """Draw the median and the 95th percentile of the durations of each phase."""
    phases = {phase: values for phase, values in figures.durations.items() if values.count}
    if not phases:
        return None
    with canvas(len(phases) * 0.36 + 0.95) as drawing:
        axes = _rows(drawing, list(phases), 0.4)
        axes.set_xscale("log")
        for row, (phase, values) in enumerate(phases.items()):
            median, high = values.percentile(50) or 0.0, values.percentile(95) or 0.0
            ends = [max(value, _MIN_SECONDS) for value in (median, high)]
            axes.plot(ends, [row + 0.5] * 2, color=svg.MUTED, linewidth=2)
            for value, end, name, how in (
                (median, ends[0], "median", _MEDIAN),
                (high, ends[1], "95th percentile", _P95),
            ):
                [mark] = axes.plot([end], [row + 0.5], clip_on=False, zorder=4, **how)
                drawing.add_title(mark, f"{phase}: {name} {duration(value)}")
            label = f"{duration(median)} / {duration(high)}"
            axes.annotate(label, (ends[1], row + 0.5), (9, 0), textcoords="offset points", va="center")
        low, top = axes.get_xlim()
        axes.set_xlim(low, top * (top / low) ** 0.22)  # space for the labels
        axes.xaxis.set_major_locator(LogLocator(numticks=8))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: duration(value).replace(".0", "")))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("duration, logarithmic")
        names = (("median", _MEDIAN), ("95th percentile", _P95))
        legend(axes, [Line2D([], [], label=name, **how) for name, how in names])
        return drawing.element("durations", "Median and 95th percentile of durations; the table has the same figures")


def webhooks(figures: Figures) -> str | None:
    """Draw the numbers of delivered, failed, due and waiting windows of each receiver."""
    receivers = figures.deliveries[:_MAX_BARS]
    if not receivers:
        return None
    with canvas(len(receivers) * 0.38 + 0.95) as drawing:
        axes = _rows(drawing, [shorten(entry.receiver, _MAX_LABEL) for entry in receivers], 0.4)
        counts = [{name: getattr(entry, name) for name in _DELIVERIES} for entry in receivers]
        axes.set_xlim(0, (max(sum(entry.values()) for entry in counts) or 1) * 1.05)
        for row, (entry, parts) in enumerate(zip(receivers, counts, strict=True)):
            left = 0
            for name, count in parts.items():
                if count:
                    title = f"{entry.receiver}: {count} windows {_DELIVERIES[name].label}"
                    drawing.bar(axes, (left, row + 0.18), (count, 0.64), _DELIVERIES[name], title)
                left += count
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_xlabel("windows")
        used = [style.patch() for name, style in _DELIVERIES.items() if any(entry[name] for entry in counts)]
        legend(axes, used)
        return drawing.element(
            "webhooks", f"Webhook deliveries to {len(receivers)} receivers; the table has the same figures"
        )


def _rows(drawing: Canvas, labels: list[str], top: float, *, left: float = LEFT) -> Axes:
    """Add axes with one row for each label, the first on top."""
    axes = drawing.figure.add_subplot()
    set_margins(drawing.figure, top, 0.5)
    drawing.figure.subplots_adjust(left=left)
    axes.set_ylim(len(labels), 0)
    axes.set_yticks([row + 0.5 for row in range(len(labels))], labels)
    plain(axes)
    return axes


def _day(milliseconds: int) -> str:
    return date(format_ms(milliseconds))
