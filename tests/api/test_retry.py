"""Retries: the pauses, and when no further attempt is made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from tap_cxone.api.retry import RetriableError, RetryPolicy, call_with_retry, retry_after_seconds
from tap_cxone.errors import FatalError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        ("119", 119),
        ("121", 120),
        ("9" * 400, 120),
        ("Sat, 01 Jun 2024 12:00:09 GMT", 9),
        ("Sat, 01 Jun 2024 14:00:09 +0200", 9),
        ("Sat, 01 Jun 2024 12:00:09 -0000", 9),
        ("Saturday, 01-Jun-24 12:00:09 GMT", 9),
        ("Sat Jun  1 12:00:09 2024", 9),
        ("Sat, 01 Jun 2024 11:00:00 GMT", 0),
        ("Sun, 02 Jun 2024 12:00:00 GMT", 120),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 120),
    ],
)
def test_retry_after_is_parsed_as_seconds_or_date_up_to_a_cap(header: str, seconds: float) -> None:
    assert retry_after_seconds(header, NOW) == seconds


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        " ",
        "soon",
        "-5",
        "1.5",
        "1e3",
        "٣",
        "2024-06-01T12:00:09Z",
        "Sat, 32 Jun 2024 12:00:00 GMT",
        ",",
        "Sat, 99999999999999999999 Jun 2024 12:00:00 GMT",
        "Sat, 01 Jun 99999 12:00:00 GMT",
    ],
)
def test_an_invalid_retry_after_counts_as_none(header: str | None) -> None:
    assert retry_after_seconds(header, NOW) is None


@given(st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d{1,22} [A-Z][a-z]{2} \d{1,6} \d+:\d+:\d+ [+-]?\d*"))
def test_no_retry_after_raises_or_exceeds_the_cap(header: str) -> None:
    seconds = retry_after_seconds(header, NOW)
    assert seconds is None or 0 <= seconds <= 120


# --- Retries ----------------------------------------------------------------------------------------------------------


class Clock:
    """A clock that only advances in pauses, and records them."""

    def __init__(self, travel: time_machine.Traveller) -> None:
        self._travel = travel
        self._seconds = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self._seconds

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        assert len(self.pauses) < 1000, "an endless loop"
        self.pass_by(seconds)

    def pass_by(self, seconds: float) -> None:
        self._seconds += seconds
        self._travel.shift(timedelta(seconds=seconds))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    with time_machine.travel(NOW, tick=False) as travel:
        clock = Clock(travel)
        monkeypatch.setattr("tenacity.time", clock)
        yield clock


def failing(times: int, retry_after: float | None = None) -> Callable[[], str]:
    """Return a call that fails a number of times and then returns a response."""
    left = iter(range(times))

    def attempt() -> str:
        if next(left, None) is not None:
            msg = "503 Service Unavailable"
            raise RetriableError(msg, retry_after)
        return "response"

    return attempt


def retried(attempt: Callable[[], object], clock: Clock, **policy: Any) -> object:
    return call_with_retry(attempt, what="Platform call 'list'", sleep=clock.sleep, policy=RetryPolicy(**policy))


def test_a_call_that_succeeds_makes_no_pause(clock: Clock) -> None:
    assert retried(failing(0), clock) == "response"
    assert clock.pauses == []


def test_pauses_grow_up_to_a_limit(clock: Clock) -> None:
    assert retried(failing(9), clock, budget=1000) == "response"
    grown = [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert all(least <= pause <= least + 0.5 for least, pause in zip(grown, clock.pauses, strict=True))


def test_a_requested_pause_is_made(clock: Clock) -> None:
    retried(failing(3, 7.0), clock)
    assert clock.pauses == [7.0, 7.0, 7.0]


def test_a_requested_pause_of_zero_is_not_a_hot_loop(clock: Clock) -> None:
    with pytest.raises(UnavailableError):
        retried(failing(10**6, 0.0), clock, budget=60)
    assert min(clock.pauses) >= 0.5
    assert len(clock.pauses) <= 120


@pytest.mark.parametrize("retry_after", [None, 7.0, 120.0])
def test_a_call_is_given_up_within_its_budget_with_the_reason(clock: Clock, retry_after: float | None) -> None:
    with pytest.raises(UnavailableError) as caught:
        retried(failing(10**6, retry_after), clock, budget=300)
    assert sum(clock.pauses) <= 300
    assert sum(clock.pauses) >= 300 - max(clock.pauses) - 1
    message = caught.value.message
    assert message.startswith("Platform call 'list': 503 Service Unavailable; gave up after ")
    assert f" {len(clock.pauses) + 1} attempts" in message


def test_min_attempts_are_made_even_when_the_budget_is_used_up(clock: Clock) -> None:
    """A large download can break off for the first time when the budget is spent already."""
    slow = failing(2)

    def attempt() -> str:
        clock.pass_by(1000)
        return slow()

    with pytest.raises(UnavailableError):
        retried(attempt, clock)
    assert retried(attempt, clock, min_attempts=3) == "response"


def test_other_exceptions_pass_through(clock: Clock) -> None:
    def attempt() -> None:
        msg = "no"
        raise FatalError(msg, 400)

    with pytest.raises(FatalError):
        retried(attempt, clock)
    assert clock.pauses == []


def test_every_retry_is_logged(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    retried(failing(2, 5.0), clock)
    first, second = caplog.messages
    assert first == ("Platform call 'list': 503 Service Unavailable; attempt 1, trying again in 5.0 s (at 12:00:05Z)")
    assert "attempt 2" in second
