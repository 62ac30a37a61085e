"""PollSchedule, CreateThrottle and growing pauses, with a clock that only the test moves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest

from tap_cxone.jobs.polling import CreateThrottle, PollSchedule, growing_pauses
from tests.jobs.fakes import FakeClock


def test_pauses_grow_with_the_time_spent_up_to_the_longest() -> None:
    schedule = PollSchedule(5.0)
    assert [schedule.pause(elapsed) for elapsed in (0, 0.4, 4, 8, 100)] == [0.2, 0.2, 1.0, 2.0, 5.0]


def test_a_schedule_waits_for_the_usual_duration_and_then_polls_often() -> None:
    schedule = PollSchedule(60.0)
    for seconds in (10, 20, 30):
        schedule.record_duration(seconds)
    assert schedule.pause(0) == pytest.approx(18)
    assert schedule.pause(10) == pytest.approx(8)
    assert schedule.pause(18) == pytest.approx(0.2)
    assert schedule.pause(58) == pytest.approx(10)


def test_the_shortest_pause_is_never_longer_than_the_longest() -> None:
    assert PollSchedule(1.0, shortest=5.0).pause(0) == 1.0


def test_a_schedule_can_be_used_by_many_threads() -> None:
    schedule = PollSchedule(5.0)

    def use(number: int) -> float:
        schedule.record_duration(number % 7)
        return schedule.pause(number % 11)

    with ThreadPoolExecutor(16) as threads:
        assert all(0.2 <= pause <= 5 for pause in threads.map(use, range(5000)))


def test_the_interval_between_creates_begins_with_the_response() -> None:
    clock = FakeClock()
    throttle = CreateThrottle(30, clock.monotonic)
    assert throttle.remaining() == 0
    throttle.restart()
    clock.sleep(10)
    assert throttle.remaining() == 20
    clock.sleep(25)
    assert throttle.remaining() == 0


def test_a_request_of_an_earlier_run_leaves_the_rest_of_the_interval() -> None:
    clock = FakeClock()
    throttle = CreateThrottle(30, clock.monotonic)
    throttle.restart(ago=12)
    assert throttle.remaining() == 18
    throttle.restart(ago=25)
    assert throttle.remaining() == 18, "an older request does not shorten the wait"


@pytest.mark.parametrize("share", [False, True])
def test_a_request_in_the_future_is_waited_for_no_longer_than_twice_the_interval(*, share: bool) -> None:
    clock = FakeClock()
    throttle = CreateThrottle(30, clock.monotonic)
    if share:
        throttle.share()
    throttle.restart(ago=-(10.0**11))
    assert 30 <= throttle.remaining() <= 60
    clock.sleep(60)
    assert throttle.remaining() == 0


def test_other_integrations_get_a_gap_for_a_few_creates() -> None:
    clock = FakeClock()
    throttle = CreateThrottle(30, clock.monotonic)
    throttle.share()
    gaps = []
    for _ in range(50):
        throttle.restart()
        gaps.append(throttle.remaining())
        clock.sleep(gaps[-1])
    assert all(30 <= round(gap, 6) <= 60 for gap in gaps[:5])
    assert any(gap > 30.1 for gap in gaps[:5])
    assert gaps[5:] == pytest.approx([30] * 45)


def test_a_throttle_can_be_used_by_many_threads() -> None:
    clock = FakeClock()
    throttle = CreateThrottle(30, clock.monotonic)

    def use(number: int) -> float:
        throttle.restart(ago=number % 30)
        return throttle.remaining()

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(use, range(2000)))
    assert throttle.remaining() == 30


def test_growing_pauses_double_up_to_the_longest_with_jitter() -> None:
    pauses = list(islice(growing_pauses(0.5, 30.0), 10))
    grown = [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30]
    assert all(0.8 * full <= pause <= full for full, pause in zip(grown, pauses, strict=True))
