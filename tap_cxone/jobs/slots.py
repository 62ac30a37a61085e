"""Slots: a limited number of windows may do something at once, and the earliest window goes first."""

from __future__ import annotations

import contextlib
import heapq
import threading
from typing import TYPE_CHECKING

from tap_cxone.errors import RunCancelledError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_cxone.cancellation import CancellationToken
    from tap_cxone.windows import Window

_CHECK_SECONDS = 0.5


class JobSlots:
    """A number of slots that windows acquire, the earliest window first. Thread-safe.

    Args:
        number: how many there are.
        cancellation: ends the wait for a slot.
        admits: whether a window may have a slot at the moment; ``recheck`` has it asked again. Default: always.
    """

    def __init__(
        self, number: int, cancellation: CancellationToken, admits: Callable[[Window], bool] = lambda _: True
    ) -> None:
        self._free = number
        self._admits = admits
        self._cancellation = cancellation
        self._waiting: list[Window] = []
        self._closed_from: Window | None = None
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def acquire(self, window: Window) -> Iterator[None]:
        """Wait for a slot and hold it for the duration of a ``with`` block.

        Raises:
            RunCancelledError: the run was cancelled during the wait.
        """
        with self._changed:
            heapq.heappush(self._waiting, window)
            try:
                while not self._free or self._waiting[0] is not window or not self._admits(window):
                    self._changed.wait(_CHECK_SECONDS)
                    self._cancellation.check()
                self._free -= 1
            finally:
                self._waiting.remove(window)
                heapq.heapify(self._waiting)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()

    def recheck(self) -> None:
        """Ask again whether the waiting windows are admitted."""
        with self._changed:
            self._changed.notify_all()

    def close_from(self, window: Window) -> None:
        """Have ``check`` refuse this window and every later one: the run is going to end here."""
        with self._changed:
            self._closed_from = min(window, self._closed_from or window)

    def check(self, window: Window) -> None:
        """Raise RunCancelledError if the run was cancelled, or the slots were closed for this window."""
        self._cancellation.check()
        with self._changed:
            closed_from = self._closed_from
        if closed_from and window >= closed_from:
            msg = f"Window {closed_from} has failed."
            raise RunCancelledError(msg)
