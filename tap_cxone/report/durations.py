"""Durations and latencies in flat memory: how many, median, 95th percentile, longest.

Pure. Exact up to ``LIMIT`` values; from there on the percentiles are those of every second, fourth, … value.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

LIMIT = 100_000
"""Values that are kept of one kind: 800 kB."""


@dataclass
class Durations:
    """Values of one kind, in seconds."""

    count: int = 0
    longest: float = 0.0
    total: float = 0.0
    every: int = 1
    _values: array[float] = field(default_factory=lambda: array("d"))

    def add(self, seconds: float | None) -> None:
        """Take one value; None is none."""
        if seconds is None:
            return
        if self.count % self.every == 0:
            self._values.append(seconds)
            if len(self._values) > LIMIT:
                self._values = self._values[::2]
                self.every *= 2
        self.count += 1
        self.total += seconds
        self.longest = max(self.longest, seconds)

    def sorted(self) -> list[float]:
        """Return the values that were kept, the shortest first."""
        return sorted(self._values)

    def percentile(self, percent: float) -> float | None:
        """Return a percentile, between two values as far as it lies between them; None where there is no value."""
        values = self.sorted()
        if not values:
            return None
        place = (len(values) - 1) * percent / 100
        below = int(place)
        above = min(below + 1, len(values) - 1)
        return values[below] + (values[above] - values[below]) * (place - below)
