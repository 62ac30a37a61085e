"""How often a job is looked at: quickly at first, then ever more slowly, and quickly again when it should be done."""

from __future__ import annotations

import random
import statistics
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_LOOK_SECONDS = 0.2
_GROWTH = 0.25  # a pause is a quarter of the time that has been spent looking
_EARLY = 0.9  # of the usual time: jobs do not all take the same
_REMEMBERED_JOBS = 9


class Pacing:
    """Knows how long the jobs of this run usually take.

    Args:
        longest: longest pause between two looks at a job, in seconds.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._durations: deque[float] = deque(maxlen=_REMEMBERED_JOBS)

    def finished(self, seconds: float) -> None:
        """Learn how long a job took."""
        self._durations.append(seconds)

    def pause(self, elapsed: float) -> float:
        """Return how long to wait for the next look at a job that was created so many seconds ago."""
        expected = statistics.median(self._durations) * _EARLY if self._durations else 0.0
        wait = expected - elapsed if elapsed < expected else (elapsed - expected) * _GROWTH
        return min(max(wait, FIRST_LOOK_SECONDS), self._longest)


def growing_pauses(first: float, longest: float, *, factor: float = 2.0) -> Iterator[float]:
    """Yield pauses in seconds that grow to the longest, jittered so that several runs do not march in step."""
    pause = first
    while True:
        yield min(pause, longest) * random.uniform(0.8, 1.0)  # noqa: S311 - no secret hangs on it
        pause = min(pause * factor, longest)
