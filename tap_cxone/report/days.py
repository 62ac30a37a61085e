"""Records per day, and which days were never covered: pieces of windows laid over the calendar.

Pure. Where there are too many days for a page, weeks, months or years take their place.
"""

from __future__ import annotations

import bisect
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tap_cxone.report.coverage import Intervals
from tap_cxone.report.reading import as_datetime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tap_cxone.report.coverage import Interval, Piece

MOST_BINS = 400
COVERED, PARTLY, NEVER = "covered", "partly covered", "never covered"
_DAY_MS = 86_400_000
_UNITS: tuple[tuple[str, int], ...] = (("day", 1), ("week", 7), ("month", 31), ("year", 366))


@dataclass
class Bin:
    """A day, or what takes its place.

    Attributes:
        start: in milliseconds since 1970.
        end: exclusive.
        records: of the day; where the log does not say which records are of it, windows are spread evenly.
        status: covered, partly covered or never covered.
    """

    start: int
    end: int
    records: float = 0.0
    status: str = NEVER


@dataclass
class StreamDays:
    """The calendar of one stream.

    Attributes:
        start: where the range begins that was ever asked for or extracted, in milliseconds since 1970.
        end: where it ends.
        bins: without a hole.
        gaps: what of the range was never covered, to the millisecond.
    """

    stream: str
    start: int
    end: int
    bins: list[Bin] = field(default_factory=list)
    gaps: list[Interval] = field(default_factory=list)

    @property
    def records(self) -> int:
        """Return the records of all windows, each window once."""
        return round(sum(item.records for item in self.bins))


def unit_for(ranges: Iterable[Interval]) -> str:
    """Return the finest unit of which the ranges together do not have too many."""
    held = list(ranges)
    if not held:
        return "day"
    days = (max(end for _, end in held) - min(start for start, _ in held)) / _DAY_MS
    return next((unit for unit, length in _UNITS if days / length <= MOST_BINS), "century")


def calendar(stream: str, pieces: Sequence[Piece], asked: Iterable[Interval], unit: str) -> StreamDays | None:
    """Return the calendar of a stream, or None where there is nothing to show.

    Args:
        stream: its name.
        pieces: as ``visible`` returns them.
        asked: the ranges that runs set out to read.
        unit: as ``unit_for`` returns it.
    """
    spans = [(start, end) for start, end in asked if start < end] + [(piece.start, piece.end) for piece in pieces]
    if not spans:
        return None
    days = StreamDays(stream, min(start for start, _ in spans), max(end for _, end in spans))
    edges = _edges(days.start, days.end, unit)
    days.bins = [Bin(start, end) for start, end in itertools.pairwise(edges)]
    for piece in pieces:
        _spread(piece, edges, days.bins)
    covered = Intervals((piece.start, piece.end) for piece in pieces)
    days.gaps = covered.missing(days.start, days.end)
    for item in days.bins:
        start, end = max(item.start, days.start), min(item.end, days.end)
        held = covered.length(start, end)
        item.status = COVERED if held == end - start else PARTLY if held else NEVER
    return days


def _spread(piece: Piece, edges: list[int], bins: list[Bin]) -> None:
    window = piece.window
    undated = window.records
    for day, records in window.days:
        # Of a day that lies only in part in its window, or in what the window still stands for, likewise a part.
        held = min(day + _DAY_MS, window.end) - max(day, window.start)
        shown = min(day + _DAY_MS, piece.end) - max(day, piece.start)
        undated -= records if held > 0 else 0
        if shown > 0:
            bins[bisect.bisect_right(edges, max(day, piece.start)) - 1].records += records * shown / held
    rate = max(undated, 0) * piece.share / (piece.end - piece.start)
    for index in range(bisect.bisect_right(edges, piece.start) - 1, len(bins)):
        item = bins[index]
        if item.start >= piece.end:
            break
        item.records += rate * (min(item.end, piece.end) - max(item.start, piece.start))


def _edges(start: int, end: int, unit: str) -> list[int]:
    """Return where the units begin, from the one that holds the start to the one behind the end."""
    edges = [_begin(as_datetime(start), unit)]
    while edges[-1] is not None and _ms(edges[-1]) < end:
        try:
            edges.append(_NEXT[unit](edges[-1]))
        except (OverflowError, ValueError):  # the calendar ends in 9999
            return [*map(_ms, edges), end]
    return list(map(_ms, edges))


def _begin(at: datetime, unit: str) -> datetime:
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "week":
        return day - timedelta(days=min(day.weekday(), day.toordinal() - 1))
    if unit == "month":
        return day.replace(day=1)
    if unit == "year":
        return day.replace(month=1, day=1)
    if unit == "century":
        return day.replace(year=max(day.year // 100 * 100, 1), month=1, day=1)
    return day


_NEXT: dict[str, Callable[[datetime], datetime]] = {
    "day": lambda at: at + timedelta(days=1),
    "week": lambda at: at + timedelta(days=7),
    "month": lambda at: (at + timedelta(days=32)).replace(day=1),
    "year": lambda at: at.replace(year=at.year + 1),
    "century": lambda at: at.replace(year=at.year // 100 * 100 + 100),
}


def _ms(at: datetime) -> int:
    return round((at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))
