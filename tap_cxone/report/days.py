"""Records per day, and which days were never covered.

Pure. If there are too many days for a page, the bins are weeks, months or years.
"""

from __future__ import annotations

import bisect
import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, YEARLY, rrule

from tap_cxone.observability.intervals import Intervals
from tap_cxone.observability.tenants import UNNAMED, Tenant
from tap_cxone.report.times import as_datetime, as_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tap_cxone.report.coverage import Interval, WindowPart

MAX_BINS = 400
COVERED, PARTLY, NEVER = "covered", "partly covered", "never covered"
_DAY_MS = 86_400_000
_UNITS = {"day": 1, "week": 7, "month": 31, "year": 366}
"""Each with the largest number of its days."""
_FREQUENCIES: dict[str, Literal[0, 1, 2, 3]] = {"day": DAILY, "week": WEEKLY, "month": MONTHLY, "year": YEARLY}


@dataclass
class Bin:
    """A day, or a longer unit.

    Attributes:
        start: in milliseconds since 1970.
        end: exclusive, in milliseconds since 1970.
        records: number of records; if the log does not have the numbers per day, those of a window are spread evenly.
        covered: share of its time that was covered, 0 to 1.
    """

    start: int
    end: int
    records: float = 0.0
    covered: float = 0.0

    @property
    def status(self) -> str:
        """Return covered, partly covered or never covered."""
        return COVERED if self.covered == 1 else PARTLY if self.covered else NEVER


@dataclass
class StreamDays:
    """The calendar of one stream of a tenant.

    Attributes:
        stream: its name.
        start: start of the range that was ever requested or extracted, in milliseconds since 1970.
        end: end of that range.
        bins: the units of the range, without holes between them.
        gaps: parts of the range that were never covered.
        tenant: the tenant of the stream.
        host: the platform's host; empty if unknown.
    """

    stream: str
    start: int
    end: int
    bins: list[Bin] = field(default_factory=list)
    gaps: list[Interval] = field(default_factory=list)
    tenant: Tenant = UNNAMED
    host: str = ""

    @property
    def records(self) -> int:
        """Return the number of records, each window counted once."""
        return round(sum(item.records for item in self.bins))


def unit_for(ranges: Iterable[Interval]) -> str:
    """Return the shortest unit that divides the ranges together into at most ``MAX_BINS`` bins."""
    found = list(ranges)
    if not found:
        return "day"
    days = (max(end for _, end in found) - min(start for start, _ in found)) / _DAY_MS
    return next(unit for unit, length in _UNITS.items() if unit == "year" or days / length <= MAX_BINS)


def calendar(stream: str, parts: Sequence[WindowPart], requested: Iterable[Interval], unit: str) -> StreamDays | None:
    """Return the calendar of a stream; None if there is nothing to show.

    Args:
        stream: its name.
        parts: its windows, as ``latest_parts`` returns them.
        requested: the ranges that runs were started for.
        unit: as ``unit_for`` returns it.
    """
    spans = [(start, end) for start, end in requested if start < end] + [(part.start, part.end) for part in parts]
    if not spans:
        return None
    days = StreamDays(stream, min(start for start, _ in spans), max(end for _, end in spans))
    edges = _edges(days.start, days.end, unit)
    days.bins = [Bin(start, end) for start, end in itertools.pairwise(edges)]
    for part in parts:
        _spread(part, edges, days.bins)
    covered = Intervals((part.start, part.end) for part in parts)
    days.gaps = covered.missing(days.start, days.end)
    for item in days.bins:
        start, end = max(item.start, days.start), min(item.end, days.end)
        item.covered = 1 - sum(right - left for left, right in covered.missing(start, end)) / (end - start)
    return days


def coverage(streams: Iterable[StreamDays]) -> list[Bin]:
    """Return the units of several streams together, each with the mean of what was covered of them."""
    shares: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
    for stream in streams:
        for item in stream.bins:
            shares[item.start, item.end].append(item.covered)
    return [Bin(*edges, covered=sum(found) / len(found)) for edges, found in sorted(shares.items())]


def covered_share(streams: Iterable[StreamDays]) -> float:
    """Return the share of the ranges of several streams that was covered, 0 to 1."""
    ranges = [(days.end - days.start, sum(end - start for start, end in days.gaps)) for days in streams]
    return 1 - sum(gaps for _, gaps in ranges) / sum(length for length, _ in ranges)


def _spread(part: WindowPart, edges: list[int], bins: list[Bin]) -> None:
    window = part.window
    undated = window.records
    for day, records in window.days:
        # A day that lies only partly in the window, or in this part of it, counts in proportion.
        in_window = min(day + _DAY_MS, window.end) - max(day, window.start)
        in_part = min(day + _DAY_MS, part.end) - max(day, part.start)
        undated -= records if in_window > 0 else 0
        if in_part > 0:
            bins[bisect.bisect_right(edges, max(day, part.start)) - 1].records += records * in_part / in_window
    rate = max(undated, 0) * part.share / (part.end - part.start)
    for index in range(bisect.bisect_right(edges, part.start) - 1, len(bins)):
        item = bins[index]
        if item.start >= part.end:
            break
        item.records += rate * (min(item.end, part.end) - max(item.start, part.start))


def _edges(start: int, end: int, unit: str) -> list[int]:
    """Return where the units begin, from the one that contains the start to the one after the end."""
    day = as_datetime(start).replace(hour=0, minute=0, second=0, microsecond=0)
    first = {
        "week": day - timedelta(days=day.weekday()),
        "month": day.replace(day=1),
        "year": day.replace(month=1, day=1),
    }
    edges: list[int] = []
    for edge in rrule(_FREQUENCIES[unit], dtstart=first.get(unit, day)):
        edges.append(as_ms(edge))
        if edges[-1] >= end:
            break
    return edges
