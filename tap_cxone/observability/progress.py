"""Progress: what a run is doing and has done, recorded by the run itself and read by log, display and summary.

There is one ``Progress`` for a run and one ``StreamProgress`` for each of its streams. Both are thread-safe and do no
I/O. Times are seconds of a monotonic clock.
"""

from __future__ import annotations

import enum
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_cxone.windows import Window


class Stage(enum.Enum):
    """Stage of a window, in this order; the value is shown to people."""

    WAITING = "waiting for a free slot"
    CREATED = "queued or running"
    QUEUED = "queued"
    RUNNING = "running"
    DOWNLOADING = "downloading"
    READY = "ready"
    EMITTING = "emitting"


@dataclass(frozen=True)
class Retry:
    """A pause before a request is sent again.

    Attributes:
        call: name of the call.
        reason: why it is repeated.
        until: end of the pause, in seconds of the clock.
    """

    call: str
    reason: str
    until: float


@dataclass(frozen=True)
class ActiveWindow:
    """A window in progress: its stage, since when (seconds of the clock), and a note on what it waits for."""

    window: Window
    stage: Stage
    since: float
    note: str = ""


@dataclass(frozen=True)
class Tally:
    """How many of the planned windows are done, running, and waiting."""

    done: int
    running: int
    waiting: int


@dataclass
class Counts:
    """Figures of a stream or of a whole run. Times of windows that run in parallel add up."""

    windows: int = 0
    windows_done: int = 0
    jobs: int = 0
    jobs_failed: int = 0
    records: int = 0
    duplicates: int = 0
    refused: int = 0
    bytes: int = 0
    seconds: Counter[Stage] = field(default_factory=Counter)  # its values are floats

    def __add__(self, other: Counts) -> Counts:
        """Return the sums."""
        sums = {
            name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__ if name != "seconds"
        }
        return Counts(**sums, seconds=self.seconds + other.seconds)


@dataclass
class Requests:
    """Figures of all requests of a run; pauses in seconds."""

    requests: int = 0
    retries: int = 0
    rate_limit_waits: int = 0
    rate_limit_seconds: float = 0.0

    def since(self, before: Requests) -> Requests:
        """Return the difference to earlier figures."""
        return Requests(
            self.requests - before.requests,
            self.retries - before.retries,
            self.rate_limit_waits - before.rate_limit_waits,
            self.rate_limit_seconds - before.rate_limit_seconds,
        )


class StreamProgress:
    """Progress of one stream.

    Args:
        name: name of the stream.
        clock: returns monotonic seconds.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._began = clock()
        self._ended: float | None = None
        self._bookmark: str | None = None
        self._counts = Counts()
        self._planned: list[Window] = []
        self._first_done = self._last_done = self._began
        self._active: dict[Window, ActiveWindow] = {}

    def plan(self, windows: Sequence[Window]) -> None:
        """Set the windows of the run."""
        with self._lock:
            self._planned = list(windows)
            self._counts.windows = len(windows)

    def enter(self, window: Window, stage: Stage) -> None:
        """Move a window to a stage."""
        with self._lock:
            self._leave(window)
            self._active[window] = ActiveWindow(window, stage, self._clock())

    def note(self, window: Window, text: str) -> None:
        """Add a note on what a window waits for in its stage."""
        with self._lock:
            if active := self._active.get(window):
                self._active[window] = replace(active, note=text)

    def leave(self, window: Window) -> None:
        """Remove a window that is done or given up."""
        with self._lock:
            self._leave(window)

    def count(self, **figures: int) -> None:
        """Add to some of the figures of ``Counts``."""
        with self._lock:
            if figures.get("windows_done"):
                self._last_done = self._clock()
                if not self._counts.windows_done:
                    self._first_done = self._last_done
            for name, value in figures.items():
                setattr(self._counts, name, getattr(self._counts, name) + value)

    def set_bookmark(self, bookmark: str | None) -> None:
        """Set the current bookmark of the state."""
        with self._lock:
            self._bookmark = bookmark

    def end(self) -> bool:
        """End the stream, whatever the outcome; return whether it had not ended before."""
        with self._lock:
            if self._ended is not None:
                return False
            for window in list(self._active):
                self._leave(window)
            self._ended = self._clock()
            return True

    @property
    def bookmark(self) -> str | None:
        """The current bookmark of the state."""
        with self._lock:
            return self._bookmark

    @property
    def has_ended(self) -> bool:
        """Whether the stream has ended."""
        with self._lock:
            return self._ended is not None

    def counts(self) -> Counts:
        """Return the figures as of now, with the time that active windows have spent in their stage."""
        with self._lock:
            now = self._clock()
            seconds = Counter(self._counts.seconds)
            for active in self._active.values():
                seconds[active.stage] += now - active.since  # type: ignore[assignment]
            return replace(self._counts, seconds=seconds)

    def active(self) -> list[ActiveWindow]:
        """Return the windows in progress, the earliest first."""
        with self._lock:
            return sorted(self._active.values(), key=lambda active: active.window)

    def seconds(self) -> float:
        """Return for how many seconds the stream has been read."""
        with self._lock:
            return (self._ended or self._clock()) - self._began

    def seconds_left(self) -> float | None:
        """Return the estimated seconds left; None until the first window is done, and after the end."""
        with self._lock:
            counts = self._counts
            if not counts.windows_done or self._ended:
                return None
            each = (self._last_done - self._began) / counts.windows_done
            if counts.windows_done > 1:  # the first job does not wait for the interval between two creates
                each = max(each, (self._last_done - self._first_done) / (counts.windows_done - 1))
            return max(0.0, each * (counts.windows - counts.windows_done) - (self._clock() - self._last_done))

    def tally(self) -> Tally:
        """Return how many planned windows are in which state; the parts of a split window count as that window."""
        with self._lock:
            begun = [active.window for active in self._active.values() if active.stage is not Stage.WAITING]
            running = sum(any(p.start <= w.start and w.end <= p.end for w in begun) for p in self._planned)
            done = self._counts.windows_done
            return Tally(done, running, max(0, len(self._planned) - done - running))

    def _leave(self, window: Window) -> None:
        if active := self._active.pop(window, None):
            self._counts.seconds[active.stage] += self._clock() - active.since  # type: ignore[assignment]


class Progress:
    """Progress of a run.

    Args:
        clock: returns monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._began = clock()
        self._clock = clock
        self._streams: dict[str, StreamProgress] = {}
        self._requests = Requests()
        self._retries: dict[int, Retry] = {}
        self._lock = threading.Lock()

    def stream(self, name: str) -> StreamProgress:
        """Return the progress of a stream, which begins with the first call."""
        with self._lock:
            if name not in self._streams:
                self._streams[name] = StreamProgress(name, self._clock)
            return self._streams[name]

    def streams(self) -> list[StreamProgress]:
        """Return the streams that have begun, in the order in which they began."""
        with self._lock:
            return list(self._streams.values())

    def counts(self) -> Counts:
        """Return the figures of all streams."""
        return sum((stream.counts() for stream in self.streams()), Counts())

    def requests(self) -> Requests:
        """Return the figures of the requests."""
        with self._lock:
            return replace(self._requests)

    def seconds(self) -> float:
        """Return the duration of the run so far, in seconds."""
        return self._clock() - self._began

    def requested(self) -> None:
        """Record a request."""
        with self._lock:
            self._requests.requests += 1
            self._retries.pop(threading.get_ident(), None)

    def retrying(self, call: str, reason: str, seconds: float, *, rate_limited: bool) -> None:
        """Record that the thread is going to repeat a request after a pause of ``seconds``."""
        with self._lock:
            self._requests.retries += 1
            self._requests.rate_limit_waits += rate_limited
            self._requests.rate_limit_seconds += seconds if rate_limited else 0.0
            self._retries[threading.get_ident()] = Retry(call, reason, self._clock() + seconds)

    def retries(self) -> list[Retry]:
        """Return the pauses in progress, sorted by the time at which they end."""
        with self._lock:
            now = self._clock()
            return sorted((retry for retry in self._retries.values() if retry.until > now), key=lambda r: r.until)

    def now(self) -> float:
        """Return the current time in seconds of the clock."""
        return self._clock()
