"""What a run is doing and what it has done: fed by whoever does it, read by the log, the live display and the summary.

One ``Progress`` belongs to a run, one ``StreamProgress`` to each of its streams. Safe to use from several threads; does
no I/O. Times are seconds of a clock that never goes back.
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
    """Where a window stands between its beginning and its end, in this order; the value is for people."""

    PLACE = "waits for a place"
    CREATED = "queued or running"
    QUEUED = "queued"
    RUNNING = "running"
    DOWNLOADING = "downloading"
    READY = "ready"
    EMITTING = "emitting"


@dataclass(frozen=True)
class Waiting:
    """A pause before a request is tried again.

    Attributes:
        call: name of the call.
        reason: why.
        until: seconds of the clock.
    """

    call: str
    reason: str
    until: float


@dataclass(frozen=True)
class Active:
    """A window under way: its stage, since when (seconds of the clock), and what there is to say of it."""

    window: Window
    stage: Stage
    since: float
    note: str = ""


@dataclass(frozen=True)
class Tally:
    """How many of the planned windows are done, under way, and still waiting, for a place if for nothing else."""

    done: int
    running: int
    waiting: int


@dataclass
class Counts:
    """Figures of a stream, or of a whole run. Times of windows that go on side by side add up."""

    windows: int = 0
    windows_done: int = 0
    jobs: int = 0
    jobs_failed: int = 0
    records: int = 0
    duplicates: int = 0
    refused: int = 0
    bytes: int = 0
    seconds: Counter[Stage] = field(default_factory=Counter)  # of float, in fact

    def __add__(self, other: Counts) -> Counts:
        """Return the figures of both."""
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
        """Return what has come since earlier figures."""
        return Requests(
            self.requests - before.requests,
            self.retries - before.retries,
            self.rate_limit_waits - before.rate_limit_waits,
            self.rate_limit_seconds - before.rate_limit_seconds,
        )


class StreamProgress:
    """What one stream of a run is doing.

    Args:
        name: name of the stream.
        clock: seconds of a clock that never goes back.

    Attributes:
        began, ended: seconds of the clock.
        bookmark: up to where the target has everything once it has echoed the state.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.began = clock()
        self.ended: float | None = None
        self.bookmark: str | None = None
        self._clock = clock
        self._counts = Counts()
        self._planned: list[Window] = []
        self._done_at = self.began
        self._active: dict[Window, Active] = {}
        self._lock = threading.Lock()

    def plan(self, windows: Sequence[Window]) -> None:
        """Learn which windows there are."""
        with self._lock:
            self._planned = list(windows)
            self._counts.windows = len(windows)

    def enter(self, window: Window, stage: Stage) -> None:
        """A window comes into a stage, and out of the one where it was."""
        with self._lock:
            self._leave(window)
            self._active[window] = Active(window, stage, self._clock())

    def note(self, window: Window, text: str) -> None:
        """Say more of a window where it is."""
        with self._lock:
            if active := self._active.get(window):
                self._active[window] = replace(active, note=text)

    def leave(self, window: Window) -> None:
        """A window is done, or given up."""
        with self._lock:
            self._leave(window)

    def count(self, **figures: int) -> None:
        """Add to some of the figures."""
        with self._lock:
            if figures.get("windows_done"):
                self._done_at = self._clock()
            for name, value in figures.items():
                setattr(self._counts, name, getattr(self._counts, name) + value)

    def end(self) -> None:
        """The stream is done with, one way or another."""
        with self._lock:
            for window in list(self._active):
                self._leave(window)
            self.ended = self._clock()

    def counts(self) -> Counts:
        """Return the figures as they are now, with the time that windows have spent where they are."""
        with self._lock:
            now = self._clock()
            seconds = Counter(self._counts.seconds)
            for active in self._active.values():
                seconds[active.stage] += now - active.since  # type: ignore[assignment]
            return replace(self._counts, seconds=seconds)

    def active(self) -> list[Active]:
        """Return the windows under way, in order."""
        with self._lock:
            return sorted(self._active.values(), key=lambda active: active.window)

    def seconds(self) -> float:
        """Return for how long the stream has been read."""
        return (self.ended or self._clock()) - self.began

    def seconds_left(self) -> float | None:
        """Return an estimate from this run's windows, or none before the first one is done."""
        counts = self.counts()
        if not counts.windows_done or self.ended:
            return None
        each = (self._done_at - self.began) / counts.windows_done
        return max(0.0, each * (counts.windows - counts.windows_done) - (self._clock() - self._done_at))

    def tally(self) -> Tally:
        """Return where the planned windows stand; the parts of one that was cut count as that one."""
        with self._lock:
            begun = [active.window for active in self._active.values() if active.stage is not Stage.PLACE]
            running = sum(any(p.start <= w.start and w.end <= p.end for w in begun) for p in self._planned)
            done = self._counts.windows_done
            return Tally(done, running, max(0, len(self._planned) - done - running))

    def _leave(self, window: Window) -> None:
        if active := self._active.pop(window, None):
            self._counts.seconds[active.stage] += self._clock() - active.since  # type: ignore[assignment]


class Progress:
    """What a run is doing.

    Args:
        clock: seconds of a clock that never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.began = clock()
        self._clock = clock
        self._streams: dict[str, StreamProgress] = {}
        self._requests = Requests()
        self._waiting: dict[int, Waiting] = {}
        self._lock = threading.Lock()

    def stream(self, name: str) -> StreamProgress:
        """Return the progress of a stream; it begins when it is first asked for."""
        with self._lock:
            if name not in self._streams:
                self._streams[name] = StreamProgress(name, self._clock)
            return self._streams[name]

    def streams(self) -> list[StreamProgress]:
        """Return the streams that have begun, in order."""
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
        """Return for how long the run has gone on."""
        return self._clock() - self.began

    def requested(self) -> None:
        """A request is sent."""
        with self._lock:
            self._requests.requests += 1
            self._waiting.pop(threading.get_ident(), None)

    def retrying(self, call: str, reason: str, seconds: float, rate_limited: bool) -> None:  # noqa: FBT001 - a callback
        """A request is going to be sent again, after so many seconds."""
        with self._lock:
            self._requests.retries += 1
            self._requests.rate_limit_waits += rate_limited
            self._requests.rate_limit_seconds += seconds if rate_limited else 0.0
            self._waiting[threading.get_ident()] = Waiting(call, reason, self._clock() + seconds)

    def waiting(self) -> list[Waiting]:
        """Return the pauses that go on now, the one that ends last at the end."""
        with self._lock:
            now = self._clock()
            return sorted((wait for wait in self._waiting.values() if wait.until > now), key=lambda wait: wait.until)

    def now(self) -> float:
        """Return the present, in seconds of the clock."""
        return self._clock()
