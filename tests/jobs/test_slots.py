"""JobSlots: how many windows have a slot at once, and who gets the next one."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tap_cxone.cancellation import CancellationToken
from tap_cxone.errors import RunCancelledError
from tap_cxone.jobs.slots import JobSlots
from tests.conftest import wait_until
from tests.jobs.fakes import DAYS


def test_never_more_windows_at_once_than_there_are_slots() -> None:
    slots = JobSlots(3, CancellationToken())
    lock = threading.Lock()
    active = most = 0

    def use(number: int) -> None:
        nonlocal active, most
        with slots.acquire(DAYS[number % len(DAYS)]):
            with lock:
                active += 1
                most = max(most, active)
            time.sleep(0)  # let other threads run
            with lock:
                active -= 1

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(use, range(400)))
    assert 1 <= most <= 3
    assert active == 0


def test_the_earliest_waiting_window_goes_first() -> None:
    slots = JobSlots(1, CancellationToken())
    order: list[int] = []

    def use(number: int) -> None:
        with slots.acquire(DAYS[number]):
            order.append(number)

    with slots.acquire(DAYS[0]):
        threads = [threading.Thread(target=use, args=(number,)) for number in (3, 1, 4, 2)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(slots._waiting) == 4, "all windows wait")
    for thread in threads:
        thread.join()
    assert order == [1, 2, 3, 4]


def test_a_cancelled_run_ends_the_wait_and_leaves_the_queue() -> None:
    cancellation = CancellationToken()
    slots = JobSlots(0, cancellation)
    cancellation.cancel()
    with pytest.raises(RunCancelledError), slots.acquire(DAYS[0]):
        pass
    assert slots._waiting == []


def test_a_slot_is_released_when_its_owner_fails() -> None:
    slots = JobSlots(1, CancellationToken())
    with pytest.raises(ZeroDivisionError), slots.acquire(DAYS[0]):
        _ = 1 / 0
    with slots.acquire(DAYS[1]):
        pass


def test_closed_slots_refuse_the_failed_window_and_later_ones_only() -> None:
    slots = JobSlots(1, CancellationToken())
    slots.close_from(DAYS[3])
    slots.close_from(DAYS[5])
    slots.check(DAYS[2])
    for later in DAYS[3:6]:
        with pytest.raises(RunCancelledError, match=str(DAYS[3])):
            slots.check(later)
