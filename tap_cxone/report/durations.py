"""Statistics of durations in constant memory. Pure.

Percentiles are exact up to ``LIMIT`` values. Of more values they are those of every second, fourth, … value.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

LIMIT = 100_000
"""Number of values that are kept: 800 kB."""


@dataclass
class Durations:
    """Durations of one kind, in seconds.

    Attributes:
        count: number of all values.
        longest: the largest value.
        total: sum of all values.
        every: 1 if all values are kept, 2 if every second one is, and so on.
    """

    count: int = 0
    longest: float = 0.0
    total: float = 0.0
    every: int = 1
    _values: array[float] = field(default_factory=lambda: array("d"))

    def add(self, seconds: float | None) -> None:
        """Add a value; None is ignored."""
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
        """Return the values that are kept, in ascending order."""
        return sorted(self._values)

    def percentile(self, percent: float) -> float | None:
        """Return a percentile, interpolated between two values; None if there are no values."""
        values = self.sorted()
        if not values:
            return None
        position = (len(values) - 1) * percent / 100
        below = int(position)
        above = min(below + 1, len(values) - 1)
        return values[below] + (values[above] - values[below]) * (position - below)
