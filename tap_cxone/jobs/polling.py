"""How often a job is looked at: quickly at first, then ever more slowly, and quickly again when it should be done."""

from __future__ import annotations

import random
import statistics
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_POLL_SECONDS = 0.2
_GROWTH = 0.25  # a pause is a quarter of the time that has been spent looking
_EARLY = 0.9  # of the usual time: jobs do not all take the same
_REMEMBERED_JOBS = 9
_CONSIDERATE_REQUESTS = 5


class PollSchedule:
    """Knows how long the jobs of this run usually take.

    Args:
        longest: longest pause between two looks at a job, in seconds.
        shortest: shortest one.
    """

    def __init__(self, longest: float, shortest: float = FIRST_POLL_SECONDS) -> None:
        self._longest = longest
        self._shortest = min(shortest, longest)
        self._durations: deque[float] = deque(maxlen=_REMEMBERED_JOBS)

    def finished(self, seconds: float) -> None:
        """Learn how long a job took."""
        self._durations.append(seconds)

    def pause(self, elapsed: float) -> float:
        """Return how long to wait for the next look at a job that was created so many seconds ago."""
        expected = statistics.median(self._durations) * _EARLY if self._durations else 0.0
        wait = expected - elapsed if elapsed < expected else (elapsed - expected) * _GROWTH
        return min(max(wait, self._shortest), self._longest)


class CreateThrottle:
    """Keeps requests that a platform wants apart so many seconds; one for all streams that share its limit.

    Where others share it, too, whoever comes back the very moment it may leaves nothing to them: then the pauses are
    longer by a part that chance decides.

    Args:
        seconds: from one answer to the next request.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._free_at = 0.0
        self._considerate = 0

    def begin(self, ago: float = 0.0) -> None:
        """Count from a request that was answered so many seconds ago; a later one counts more."""
        extra = random.uniform(0, self.seconds) if self._considerate else 0.0  # noqa: S311 - no secret hangs on it
        self._considerate = max(0, self._considerate - 1)
        self._free_at = max(self._free_at, time.monotonic() - ago + self.seconds + extra)

    def shared(self) -> None:
        """Take note that somebody else makes such requests."""
        self._considerate = _CONSIDERATE_REQUESTS

    def left(self) -> float:
        """Return how many seconds to wait for the next request."""
        return max(0.0, self._free_at - time.monotonic())


def growing_pauses(first: float, longest: float, *, factor: float = 2.0) -> Iterator[float]:
    """Yield pauses in seconds that grow to the longest, jittered so that several runs do not march in step."""
    pause = first
    while True:
        yield min(pause, longest) * random.uniform(0.8, 1.0)  # noqa: S311 - no secret hangs on it
        pause = min(pause * factor, longest)
