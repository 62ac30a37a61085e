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
        count: number of all values, also of those that are not kept.
        every: 1 if all values are kept, 2 if every second one is, and so on.
        values: the values that are kept.
    """

    count: int = 0
    longest: float = 0.0
    total: float = 0.0
    every: int = 1
    values: array[float] = field(default_factory=lambda: array("d"))

    def add(self, seconds: float | None) -> None:
        """Add a value; None is ignored."""
        if seconds is None:
            return
        if self.count % self.every == 0:
            self.values.append(seconds)
            if len(self.values) > LIMIT:
                self.values = self.values[::2]
                self.every *= 2
        self.count += 1
        self.total += seconds
        self.longest = max(self.longest, seconds)

    def percentile(self, percent: float) -> float | None:
        """Return a percentile, interpolated between two values; None if there are no values."""
        if not self.values:
            return None
        values = sorted(self.values)
        position, rest = divmod((len(values) - 1) * percent / 100, 1)
        below = int(position)
        return values[below] + (values[min(below + 1, len(values) - 1)] - values[below]) * rest
