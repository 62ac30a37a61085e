"""Cancellation: one token that every wait and every loop of a run checks.

How a run ends early, whatever the cause (a signal, a closed standard output, a window that failed):

1. Somebody calls ``CancellationToken.cancel`` with the reason and the exit code. It takes no lock, because a signal
   handler must not wait for one that the interrupted code may hold.
2. Every wait sleeps in short slices and raises ``RunCancelledError`` soon afterwards, so nothing is cut in the middle.
3. The stream that was being read writes a last STATE and its audit events; temporary files are removed.
4. If the run does not get there in time, because the target does not read its input, ``Shutdown`` ends the process.
"""

from __future__ import annotations

import time
from typing import Protocol

from tap_cxone.errors import RunCancelledError

_SLICE_SECONDS = 0.1


class Clock(Protocol):
    """A monotonic clock in seconds; tests replace it."""

    def monotonic(self) -> float:
        """Return the time in seconds from an arbitrary origin; it never goes back."""

    def sleep(self, seconds: float, /) -> None:
        """Pause the thread."""


class CancellationToken:
    """Tells the code of a run that it has to end. Thread-safe, and safe in signal handlers.

    Args:
        parent: token of the run that this one belongs to; cancelling the parent cancels this one too.
        clock: measures and makes the pauses; default: the parent's, or else the system's.
    """

    def __init__(self, parent: CancellationToken | None = None, clock: Clock | None = None) -> None:
        self._parent = parent
        self._errors: list[RunCancelledError] = []
        self.clock: Clock = clock or (parent.clock if parent else time)

    def cancel(self, error: RunCancelledError | None = None) -> None:
        """Ask everything that uses this token to end; the first error is kept."""
        # One atomic step: a signal handler may call this in the middle of another call.
        self._errors.append(error or RunCancelledError("The run has ended."))

    @property
    def cause(self) -> RunCancelledError | None:
        """Why the run was cancelled, or None while it goes on."""
        if self._errors:
            return self._errors[0]
        return self._parent.cause if self._parent else None

    def check(self) -> None:
        """Raise RunCancelledError if the run was cancelled."""
        if error := self.cause:
            # A new one each time: several threads may raise it.
            raise RunCancelledError(error.message, error.exit_code)

    def sleep(self, seconds: float) -> None:
        """Pause for ``seconds``; raise RunCancelledError soon after the run is cancelled."""
        until = self.clock.monotonic() + seconds
        self.check()
        while (left := until - self.clock.monotonic()) > 0:
            self.clock.sleep(min(left, _SLICE_SECONDS))
            self.check()
