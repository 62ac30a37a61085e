"""How a run ends early: one flag that every wait and every loop looks at, so that nothing is torn in the middle.

A signal handler only raises the flag, by a plain assignment: anything more could wait for a lock that the interrupted
code holds. Waits therefore look at the flag a few times a second.
"""

from __future__ import annotations

import time

from tap_cxone.errors import CxoneError

_LOOK_SECONDS = 0.1


class StoppedError(CxoneError):
    """The run was asked to end; the exit code says by what."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click declares it on the class


class Stop:
    """The flag.

    Args:
        parent: a flag of a larger whole; when that is raised, this one counts as raised, too.
    """

    def __init__(self, parent: Stop | None = None) -> None:
        self._parent = parent
        self._error: StoppedError | None = None

    def request(self, error: StoppedError | None = None) -> None:
        """Ask everything below this flag to end; safe in a signal handler."""
        self._error = error or StoppedError("The run has ended.")

    def requested(self) -> StoppedError | None:
        """Return why the end was asked for, or none."""
        return self._error or (self._parent.requested() if self._parent else None)

    def check(self) -> None:
        """Raise StoppedError if the end was asked for."""
        if error := self.requested():
            raise StoppedError(error.message, error.exit_code)

    def sleep(self, seconds: float) -> None:
        """Pause for so many seconds; raises StoppedError soon after the end was asked for."""
        until = time.monotonic() + seconds
        self.check()
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_SECONDS))
            self.check()
