"""Retries: how long the pauses are, and when it is enough."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from tap_cxone.api.retry import RetriableError, call_with_retry, retry_after_seconds
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
def test_retry_after_is_read_as_seconds_and_as_a_date_with_a_cap(header: str, seconds: float) -> None:
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
def test_a_retry_after_that_says_nothing_usable_is_as_good_as_none(header: str | None) -> None:
    assert retry_after_seconds(header, NOW) is None


@given(st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d{1,22} [A-Z][a-z]{2} \d{1,6} \d+:\d+:\d+ [+-]?\d*"))
def test_no_retry_after_fails_or_asks_for_more_than_the_cap(header: str) -> None:
    seconds = retry_after_seconds(header, NOW)
    assert seconds is None or 0 <= seconds <= 120


# --- The loop ---------------------------------------------------------------------------------------------------------


class Clock:
    """A clock that only pauses move, and that remembers them."""

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
    """Return a call that fails so many times and then answers."""
    left = iter(range(times))

    def attempt() -> str:
        if next(left, None) is not None:
            msg = "503 Service Unavailable"
            raise RetriableError(msg, retry_after)
        return "answer"

    return attempt


def test_what_does_not_fail_is_not_waited_for(clock: Clock) -> None:
    assert call_with_retry(failing(0), what="call", sleep=clock.sleep) == "answer"
    assert clock.pauses == []


def test_pauses_grow_to_a_longest_one(clock: Clock) -> None:
    assert call_with_retry(failing(9), what="call", sleep=clock.sleep, budget=1000) == "answer"
    grown = [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert all(least <= pause <= least + 0.5 for least, pause in zip(grown, clock.pauses, strict=True))


def test_the_pause_that_was_asked_for_is_made(clock: Clock) -> None:
    call_with_retry(failing(3, 7.0), what="call", sleep=clock.sleep)
    assert clock.pauses == [7.0, 7.0, 7.0]


def test_a_pause_of_nothing_is_no_hot_loop(clock: Clock) -> None:
    with pytest.raises(UnavailableError):
        call_with_retry(failing(10**6, 0.0), what="call", sleep=clock.sleep, budget=60)
    assert min(clock.pauses) >= 0.5
    assert len(clock.pauses) <= 120


@pytest.mark.parametrize("retry_after", [None, 7.0, 120.0])
def test_it_gives_up_within_its_budget_and_says_why(clock: Clock, retry_after: float | None) -> None:
    with pytest.raises(UnavailableError) as caught:
        call_with_retry(failing(10**6, retry_after), what="Platform call 'list'", sleep=clock.sleep, budget=300)
    assert sum(clock.pauses) <= 300
    assert sum(clock.pauses) >= 300 - max(clock.pauses) - 1
    message = caught.value.message
    assert message.startswith("Platform call 'list': 503 Service Unavailable; gave up after ")
    assert f" {len(clock.pauses) + 1} attempts" in message


def test_attempts_that_outlast_the_budget_are_repeated_where_that_is_asked_for(clock: Clock) -> None:
    """A large download can break off for the first time when the budget is spent already."""
    slow = failing(2)

    def attempt() -> str:
        clock.pass_by(1000)
        return slow()

    with pytest.raises(UnavailableError):
        call_with_retry(attempt, what="call", sleep=clock.sleep)
    assert call_with_retry(attempt, what="call", sleep=clock.sleep, least_attempts=3) == "answer"


def test_what_does_not_pass_goes_straight_through(clock: Clock) -> None:
    def attempt() -> None:
        msg = "no"
        raise FatalError(msg, 400)

    with pytest.raises(FatalError):
        call_with_retry(attempt, what="call", sleep=clock.sleep)
    assert clock.pauses == []


def test_every_attempt_is_announced(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    call_with_retry(failing(2, 5.0), what="Platform call 'list'", sleep=clock.sleep)
    first, second = caplog.messages
    assert first == ("Platform call 'list': 503 Service Unavailable; attempt 1, trying again in 5.0 s (at 12:00:05Z)")
    assert "attempt 2" in second
