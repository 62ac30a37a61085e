"""Shutdown: ends a cancelled run in time. See ``cancellation`` for the whole mechanism."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING, NoReturn

from tap_cxone.errors import RunCancelledError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_cxone.cancellation import CancellationToken

GRACE_SECONDS = 1.4
"""Seconds that a run has after a signal to end by itself."""
FLUSH_SECONDS = 0.3
"""Seconds for the flush callbacks of a run that has not ended by itself."""


class Shutdown:
    """Ends a run early. Used by the main thread and its signal handlers.

    A write to a target that does not read never returns, so the process may have to end without unwinding the stack.
    Code that must not leave anything behind registers a callback for that case, the forced end.

    Args:
        cancellation: token of the run.
        write_state: writes the last STATE message.
    """

    def __init__(self, cancellation: CancellationToken, write_state: Callable[[], None]) -> None:
        self._cancellation = cancellation
        self._write_state = write_state
        self._flush: list[Callable[[], object]] = []
        self._cleanup: list[Callable[[], object]] = []

    def on_signal(self, signum: int) -> None:
        """Cancel the run with exit code ``128 + signum``; end the process if the run does not end in time."""
        self._cancellation.cancel(RunCancelledError(f"Ended early by {signal.Signals(signum).name}.", 128 + signum))
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, lambda *_: self._end_now(128 + signum))
            signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)

    def complete(self) -> None:
        """Write the last STATE message of a run that ends early; call off the forced end, which it no longer needs."""
        self._write_state()
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)

    @contextlib.contextmanager
    def flush_on_exit(self, callback: Callable[[], object]) -> Iterator[None]:
        """Have a forced end during a ``with`` block call ``callback``, which may wait for a lock."""
        with _registered(self._flush, callback):
            yield

    @contextlib.contextmanager
    def cleanup_on_exit(self, callback: Callable[[], object]) -> Iterator[None]:
        """Have a forced end during a ``with`` block call ``callback``, which must not wait for a lock."""
        with _registered(self._cleanup, callback):
            yield

    def _end_now(self, code: int) -> NoReturn:
        # In a thread, because the code that was interrupted may hold a lock that a callback needs.
        flush = threading.Thread(target=self._flush_on_shutdown, daemon=True)
        flush.start()
        flush.join(FLUSH_SECONDS)
        for callback in reversed(self._cleanup):
            callback()
        os._exit(code)

    def _flush_on_shutdown(self) -> None:
        for callback in reversed(self._flush):
            callback()


def release_signals() -> None:
    """Call off a forced end, and give the signals their default action: the run has ended, and its exit code is known.

    A run that was complete when a signal came ends like one without a signal. Python removes its own handlers while it
    exits; an alarm that went off then would kill the process.
    """
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, signal.SIG_DFL)
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextlib.contextmanager
def _registered(callbacks: list[Callable[[], object]], callback: Callable[[], object]) -> Iterator[None]:
    callbacks.append(callback)
    try:
        yield
    finally:
        callbacks.remove(callback)
