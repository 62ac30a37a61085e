"""Arithmetic of half-open intervals ``[start, end)``, of integers or dates. Pure."""

from __future__ import annotations

import bisect
from datetime import datetime
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T", int, datetime)


class Intervals(Generic[T]):
    """A set of points, kept as intervals in ascending order that neither overlap nor touch.

    Args:
        intervals: pairs of start and end, in any order. An interval whose end is not after its start is empty.
    """

    def __init__(self, intervals: Iterable[tuple[T, T]] = ()) -> None:
        self._starts: list[T] = []
        self._ends: list[T] = []
        for start, end in intervals:
            self.add(start, end)

    def __iter__(self) -> Iterator[tuple[T, T]]:
        """Return the intervals in ascending order."""
        return zip(self._starts, self._ends, strict=True)

    def add(self, start: T, end: T) -> None:
        """Add an interval."""
        if start >= end:
            return
        first = bisect.bisect_left(self._ends, start)  # the first that ends at or after the start
        last = bisect.bisect_right(self._starts, end)  # one after the last that begins at or before the end
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def overlaps(self, start: T, end: T) -> bool:
        """Return whether a part of an interval, which is not empty, is in the set."""
        return self.missing(start, end) != [(start, end)]

    def missing(self, start: T, end: T) -> list[tuple[T, T]]:
        """Return the parts of an interval that are not in the set, in ascending order."""
        parts: list[tuple[T, T]] = []
        for index in range(bisect.bisect_right(self._ends, start), len(self._starts)):
            if self._starts[index] >= end:
                break
            if start < self._starts[index]:
                parts.append((start, self._starts[index]))
            start = self._ends[index]
        if start < end:
            parts.append((start, end))
        return parts
