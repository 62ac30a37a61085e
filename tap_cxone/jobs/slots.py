"""JobSlots: so many may go on at once, and who stands earlier in time goes first."""

from __future__ import annotations

import contextlib
import heapq
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_cxone.windows import Window

_LOOK_SECONDS = 0.5


class JobSlots:
    """A number of places that windows take, the earliest window first.

    Args:
        number: how many there are.
        check: called now and then while waiting; raises to end the wait.
    """

    def __init__(self, number: int, check: Callable[[], None]) -> None:
        self._free = number
        self._check = check
        self._waiting: list[Window] = []
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def acquire(self, window: Window) -> Iterator[None]:
        """Wait for a place and hold it for the length of a ``with`` block."""
        with self._changed:
            heapq.heappush(self._waiting, window)
            while not self._free or self._waiting[0] is not window:
                self._changed.wait(_LOOK_SECONDS)
                self._check()
            heapq.heappop(self._waiting)
            self._free -= 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()
