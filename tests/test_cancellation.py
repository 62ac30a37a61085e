"""CancellationToken: causes, parents and children, and how soon a pause ends."""

from __future__ import annotations

import pytest

from tap_cxone.cancellation import CancellationToken
from tap_cxone.errors import RunCancelledError
from tests.jobs.fakes import FakeClock

SIGTERM = RunCancelledError("Ended early by SIGTERM.", 143)


def test_a_cancelled_token_raises_the_cause_with_its_exit_code() -> None:
    token = CancellationToken()
    token.check()
    token.cancel(SIGTERM)
    with pytest.raises(RunCancelledError, match="SIGTERM") as caught:
        token.check()
    assert caught.value.exit_code == 143
    assert caught.value is not SIGTERM, "several threads may raise it"


def test_the_first_cause_counts() -> None:
    token = CancellationToken()
    token.cancel(SIGTERM)
    token.cancel(RunCancelledError("Another one."))
    assert token.cause is SIGTERM


def test_a_cause_that_comes_in_the_middle_of_another_call_is_the_first_one() -> None:
    token = CancellationToken()

    class InterruptedByError(RunCancelledError):
        """Evaluating it is the moment at which a signal handler is called."""

        def __bool__(self) -> bool:
            token.cancel(SIGTERM)
            return True

    token.cancel(InterruptedByError("Another one."))
    assert token.cause is SIGTERM


def test_a_parent_cancels_its_children_but_not_the_other_way_round() -> None:
    parent = CancellationToken()
    first, second = CancellationToken(parent), CancellationToken(parent)
    first.cancel()
    assert parent.cause is None
    assert second.cause is None
    parent.cancel(SIGTERM)
    assert second.cause is SIGTERM


def test_a_pause_lasts_as_long_as_it_should() -> None:
    clock = FakeClock()
    CancellationToken(clock=clock).sleep(3.25)
    assert clock.seconds == pytest.approx(1003.25)


def test_a_pause_of_nothing_still_checks() -> None:
    token = CancellationToken(clock=FakeClock())
    token.cancel()
    with pytest.raises(RunCancelledError):
        token.sleep(0)


def test_a_pause_ends_soon_after_the_cancellation() -> None:
    clock = FakeClock()
    token = CancellationToken(clock=clock)
    sleep = clock.sleep

    def sleep_and_cancel(seconds: float, /) -> None:
        sleep(seconds)
        if clock.seconds >= 1010:
            token.cancel()

    clock.sleep = sleep_and_cancel  # type: ignore[method-assign]
    with pytest.raises(RunCancelledError):
        token.sleep(3600)
    assert clock.seconds == pytest.approx(1010, abs=0.2)


def test_a_child_uses_the_clock_of_its_parent() -> None:
    clock = FakeClock()
    assert CancellationToken(CancellationToken(clock=clock)).clock is clock
