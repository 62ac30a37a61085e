"""Which part of a range was extracted, by what, and what is missing: arithmetic of half-open intervals.

Pure. Times are milliseconds since 1970, intervals ``[start, end)``.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

NEVER = "never extracted"
Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Window:
    """A window that was extracted.

    Attributes:
        start: where it begins.
        end: up to where it counts as covered: its end, or the bookmark, if that comes first.
        records: that were emitted.
        total: in the export, with duplicates and refused ones; 0 where the log does not say.
        refused: of those.
        days: beginning of a day, and how many of the records are of it, as far as the log says.
    """

    start: int
    end: int
    records: int = 0
    total: int = 0
    refused: int = 0
    days: tuple[tuple[int, int], ...] = ()

    @property
    def refused_share(self) -> float:
        """Return the share of refused records, 0 to 1."""
        return self.refused / self.total if self.total else float(self.refused > 0)


class Piece(NamedTuple):
    """A part of a window of which no later extraction knows better."""

    start: int
    end: int
    window: Window

    @property
    def share(self) -> float:
        """Return how much of its window it is, more than 0 to 1."""
        return (self.end - self.start) / (self.window.end - self.window.start)


class Gap(NamedTuple):
    """A part of a range that does not count as extracted, and why."""

    stream: str
    start: int
    end: int
    why: str


class Intervals:
    """A set of times, kept as intervals that do not touch, in order."""

    def __init__(self, intervals: Iterable[Interval] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in intervals:
            self.add(start, end)

    def __iter__(self) -> zip[Interval]:
        """Return the intervals in order."""
        return zip(self._starts, self._ends, strict=True)

    def missing(self, start: int, end: int) -> list[Interval]:
        """Return the parts of an interval that are not in the set, in order."""
        if start >= end:
            return []
        parts: list[Interval] = []
        for index in range(bisect.bisect_right(self._ends, start), len(self._starts)):
            if self._starts[index] >= end:
                break
            if start < self._starts[index]:
                parts.append((start, self._starts[index]))
            start = self._ends[index]
        if start < end:
            parts.append((start, end))
        return parts

    def add(self, start: int, end: int) -> None:
        """Add an interval; an empty one changes nothing."""
        if start >= end:
            return
        first = bisect.bisect_left(self._ends, start)  # the first that reaches up to it
        last = bisect.bisect_right(self._starts, end)  # behind the last that does
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def length(self, start: int, end: int) -> int:
        """Return how much of an interval is in the set."""
        return max(end - start, 0) - sum(right - left for left, right in self.missing(start, end))


def visible(windows: Iterable[Window]) -> list[Piece]:
    """Return what each window still stands for when later ones speak for what they share with it.

    Args:
        windows: the oldest extraction first.

    Returns:
        Pieces in the order of their start, none overlapping another.
    """
    painted = Intervals()
    pieces: list[Piece] = []
    for window in reversed(list(windows)):
        pieces += [Piece(start, end, window) for start, end in painted.missing(window.start, window.end)]
        painted.add(window.start, window.end)
    return sorted(pieces, key=lambda piece: piece.start)


def check(stream: str, pieces: Iterable[Piece], start: int, end: int, max_refused: float) -> list[Gap]:
    """Return what of ``[start, end)`` was never extracted, or with too many refused records.

    Args:
        stream: whose pieces these are.
        pieces: as ``visible`` returns them.
        start: of the range.
        end: of the range, exclusive.
        max_refused: largest share of refused records that is good enough, 0 to 1.
    """
    held = [piece for piece in pieces if max(piece.start, start) < min(piece.end, end)]
    covered = Intervals((piece.start, piece.end) for piece in held)
    gaps = [Gap(stream, left, right, NEVER) for left, right in covered.missing(start, end)]
    for piece in held:
        if piece.window.refused_share > max_refused:
            why = refusal_text(piece.window)
            left, right = max(piece.start, start), min(piece.end, end)
            if gaps and gaps[-1].end == left and gaps[-1].why == why:
                left = gaps.pop().start
            gaps.append(Gap(stream, left, right, why))
    return sorted(gaps, key=lambda gap: gap.start)


def refusal_text(window: Window) -> str:
    """Say how many records of a window were refused."""
    if not window.total:
        return f"{window.refused} records refused"
    return f"{window.refused} of {window.total} records refused ({window.refused_share:.2%})"
