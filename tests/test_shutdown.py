"""Shutdown: what a cancelled run does, and what happens if it hangs."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from tap_cxone.cancellation import CancellationToken
from tap_cxone.shutdown import Shutdown, release_signals

if TYPE_CHECKING:
    from collections.abc import Iterator


class ExitError(Exception):
    """Raised where the process would exit."""


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Record the order of events; the process does not exit."""
    events: list[str] = []

    def leave(code: int) -> None:
        events.append(f"exit {code}")
        raise ExitError

    monkeypatch.setattr(os, "_exit", leave)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT)}
    yield events
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_a_signal_cancels_the_run_with_its_exit_code(order: list[str]) -> None:
    cancellation = CancellationToken()
    Shutdown(cancellation, lambda: None).on_signal(signal.SIGTERM)
    assert cancellation.cause is not None
    assert (cancellation.cause.message, cancellation.cause.exit_code) == ("Ended early by SIGTERM.", 143)
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 0


def test_a_run_that_ends_in_time_writes_its_state_and_is_not_forced_to_exit(order: list[str]) -> None:
    shutdown = Shutdown(CancellationToken(), lambda: order.append("state"))
    shutdown.on_signal(signal.SIGTERM)
    shutdown.complete()
    assert order == ["state"]
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_run_that_hangs_is_flushed_and_cleaned_up_in_reverse_order(order: list[str]) -> None:
    shutdown = Shutdown(CancellationToken(), lambda: None)
    with (
        shutdown.cleanup_on_exit(lambda: order.append("folder")),
        shutdown.flush_on_exit(lambda: order.append("summary")),
        shutdown.flush_on_exit(lambda: order.append("audit log")),
        shutdown.cleanup_on_exit(lambda: order.append("terminal")),
    ):
        shutdown.on_signal(signal.SIGINT)
        with pytest.raises(ExitError):
            signal.raise_signal(signal.SIGALRM)
    assert order == ["audit log", "summary", "terminal", "folder", "exit 130"]


def test_callbacks_of_a_block_that_has_ended_are_not_called(order: list[str]) -> None:
    shutdown = Shutdown(CancellationToken(), lambda: None)
    with shutdown.cleanup_on_exit(lambda: order.append("folder")), shutdown.flush_on_exit(lambda: order.append("log")):
        pass
    shutdown.on_signal(signal.SIGTERM)
    with pytest.raises(ExitError):
        signal.raise_signal(signal.SIGALRM)
    assert order == ["exit 143"]


def test_a_lock_held_by_the_interrupted_code_does_not_prevent_the_exit(order: list[str]) -> None:
    lock = threading.Lock()
    shutdown = Shutdown(CancellationToken(), lambda: None)

    def needs_the_lock() -> None:
        with lock:
            order.append("never")

    with lock, shutdown.flush_on_exit(needs_the_lock):
        shutdown.on_signal(signal.SIGTERM)
        with pytest.raises(ExitError):
            signal.raise_signal(signal.SIGALRM)
    assert order == ["exit 143"]


def test_a_run_that_has_ended_is_not_forced_to_exit_and_handles_no_signals(order: list[str]) -> None:
    shutdown = Shutdown(CancellationToken(), lambda: None)
    signal.signal(signal.SIGTERM, lambda number, _: shutdown.on_signal(number))
    signal.raise_signal(signal.SIGTERM)
    release_signals()
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert {signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)} == {signal.SIG_DFL}
