"""Timing: the intervals of status calls, the minimum interval between creates, and growing pauses."""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MIN_POLL_SECONDS = 0.2
_GROWTH = 0.25  # a pause is a quarter of the time since the job was expected to finish
_EARLY = 0.9  # share of the median duration after which polling gets more frequent again: durations vary
_REMEMBERED_JOBS = 9
_SHARED_CREATES = 5


class PollSchedule:
    """When to ask for the status of a job: soon, then less and less often, and often again when it should be done.

    It learns from the jobs of this run how long they usually take. Thread-safe.

    Args:
        longest: longest pause between two status calls, in seconds.
        shortest: shortest one, in seconds.
    """

    def __init__(self, longest: float, shortest: float = MIN_POLL_SECONDS) -> None:
        self._longest = longest
        self._shortest = min(shortest, longest)
        self._durations: deque[float] = deque(maxlen=_REMEMBERED_JOBS)
        self._lock = threading.Lock()

    def record_duration(self, seconds: float) -> None:
        """Learn how long a job took."""
        with self._lock:
            self._durations.append(seconds)

    def pause(self, elapsed: float) -> float:
        """Return the seconds to wait before the next status call of a job that was created ``elapsed`` seconds ago."""
        with self._lock:
            expected = statistics.median(self._durations) * _EARLY if self._durations else 0.0
        pause = expected - elapsed if elapsed < expected else (elapsed - expected) * _GROWTH
        return min(max(pause, self._shortest), self._longest)


class CreateThrottle:
    """Keeps create requests apart by a minimum time. One for all streams, because they share the limit. Thread-safe.

    If other integrations use the same limit, a client that sends a request as soon as it may leaves them no chance.
    Then the pauses are longer by a random amount.

    Args:
        seconds: minimum from the response to one request to the next request.
        clock: returns monotonic seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._free_at = float("-inf")
        self._shared_creates = 0
        self._lock = threading.Lock()

    def restart(self, ago: float = 0.0) -> None:
        """Count from a request that was answered ``ago`` seconds ago, unless a later one is known.

        One in the future, which a wrong clock has recorded, counts as answered now: nobody knows when it was sent.
        """
        ago = max(0.0, ago)
        with self._lock:
            extra = random.uniform(0, self.seconds) if self._shared_creates else 0.0  # noqa: S311 - not a secret
            self._shared_creates = max(0, self._shared_creates - 1)
            self._free_at = max(self._free_at, self._clock() - ago + self.seconds + extra)

    def share(self) -> None:
        """Take note that another integration creates jobs: leave it gaps for the next few creates."""
        with self._lock:
            self._shared_creates = _SHARED_CREATES

    def remaining(self) -> float:
        """Return the seconds until the next request may be sent."""
        with self._lock:
            return max(0.0, self._free_at - self._clock())


def growing_pauses(first: float, longest: float, *, factor: float = 2.0) -> Iterator[float]:
    """Yield pauses in seconds that grow up to ``longest``, with jitter so that several runs do not stay in step."""
    pause = first
    while True:
        yield min(pause, longest) * random.uniform(0.8, 1.0)  # noqa: S311 - not a secret
        pause = min(pause * factor, longest)
