"""JobCreator: when a job is created, what it waits for, and that no job is created twice."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.errors import FatalError, OutcomeUnknownError, RunCancelledError, UnavailableError
from tap_cxone.jobs.context import JobPolicy
from tap_cxone.jobs.creation import JobCreator
from tap_cxone.jobs.model import ActiveExport, BusyError
from tests.conftest import read_lines
from tests.jobs.fakes import DAYS, FakeApi, FakeClock, RecordingListener, a_context, a_record, a_store

if TYPE_CHECKING:
    from pathlib import Path

    from tap_cxone.jobs.store import JobStore

WINDOW = DAYS[0]
OTHERS = [ActiveExport("other-1"), ActiveExport("other-2"), ActiveExport("other-3")]


class Creation:
    """A JobCreator with fakes for its dependencies."""

    def __init__(self, store: JobStore | None = None, api: FakeApi | None = None, **limits: Any) -> None:
        self.api = api or FakeApi()
        self.clock = FakeClock()
        self.listener = RecordingListener()
        self.announced: list[Any] = []
        self.store = store or a_store(self.api, announce=self.announced.append)
        context = a_context(self.api, self.listener, self.clock, **limits)
        self.cancellation = context.cancellation
        self.creator = JobCreator(context, self.store)

    def create(self) -> str:
        return self.creator.create(WINDOW).job_id


def test_a_job_is_recorded_reported_and_announced_in_this_order(tmp_path: Path) -> None:
    api = FakeApi()
    order: list[str] = []
    journal = tmp_path / "journal"
    store = a_store(api, path=journal, announce=lambda _: order.append("announced"))
    creation = Creation(store, api)

    def reported(*_: object) -> None:
        order.append(" ".join(line["event"] for line in read_lines(journal)))

    creation.listener.job_created = reported  # type: ignore[assignment]
    assert creation.create() == "job-1"
    assert order == ["intended created", "announced"]


def test_a_create_waits_while_all_slots_are_occupied() -> None:
    creation = Creation()
    creation.api.active = deque([OTHERS, OTHERS, []])
    assert creation.create() == "job-1"
    reasons = [reason for _, reason in creation.listener.named("waiting")]
    assert reasons == ["waiting for a free slot: 3 exports are active"] * 2
    assert creation.api.calls == {"list": 3, "create": 1}


def test_our_own_jobs_count_towards_our_own_limit() -> None:
    creation = Creation(max_jobs=1)
    ours = creation.create()
    creation.api.active = deque([[ActiveExport(ours)], []])
    assert creation.create() == "job-2"
    assert creation.api.calls["list"] == 3


@pytest.mark.parametrize(("active", "whose"), [(OTHERS, "other integrations"), (None, "a job of ours")])
def test_no_free_slot_within_the_timeout_ends_the_run(active: list[ActiveExport] | None, whose: str) -> None:
    creation = Creation(max_jobs=1, timeout_seconds=600)
    ours = creation.create()
    creation.api.active = deque([active or [ActiveExport(ours)]])
    started = creation.clock.seconds
    with pytest.raises(UnavailableError, match=rf"{WINDOW} of events .* 600 s \(export_timeout\).*{whose}"):
        creation.create()
    assert creation.clock.seconds - started == pytest.approx(600, abs=1)
    assert creation.api.calls["create"] == 1


def test_a_busy_platform_is_retried_until_it_accepts() -> None:
    creation = Creation(timeout_seconds=3600)
    creation.api.creates = deque([BusyError()] * 20)
    assert creation.create() == "job-1"
    assert creation.api.calls["create"] == 21


def test_a_persistent_refusal_is_raised() -> None:
    creation = Creation(timeout_seconds=3600)
    creation.api.creates = deque([BusyError(FatalError("no permission", 403))] * 99)
    with pytest.raises(FatalError, match="no permission"):
        creation.create()
    assert creation.api.calls["create"] == JobPolicy.max_failed_creates


def test_refusals_count_only_while_the_platform_has_a_slot() -> None:
    creation = Creation(timeout_seconds=3600)
    refusals = [BusyError(FatalError("no", 403))] * (JobPolicy.max_failed_creates - 1)
    creation.api.creates = deque([*refusals, *refusals])
    creation.api.active = deque([*[[]] * (JobPolicy.max_failed_creates - 1), OTHERS, []])
    assert creation.create() == "job-1"


@pytest.mark.parametrize("shown", [True, False])
def test_a_lost_response_is_looked_up_before_a_second_create(*, shown: bool) -> None:
    creation = Creation()
    creation.api.creates = deque([OutcomeUnknownError("the connection was lost")])
    creation.api.active = deque([[OTHERS[0]], [OTHERS[0], ActiveExport("lost")]])
    creation.api.matching = {"lost", OTHERS[0].job_id} if shown else set()
    assert creation.create() == ("lost" if shown else "job-1")
    assert creation.api.calls["create"] == (1 if shown else 2)
    assert creation.listener.named("created")[0][0] == ("lost" if shown else "job-1")


def test_an_earlier_run_that_died_before_the_response_is_looked_up() -> None:
    api = FakeApi()
    intention = a_record(None, WINDOW, active_before=("other-1",))
    creation = Creation(a_store(api, [intention]), api)
    api.active = deque([[OTHERS[0], ActiveExport("lost")]])
    api.matching = {"lost", "other-1"}
    job = creation.creator.create(WINDOW)
    assert (job.job_id, job.requested_at) == ("lost", intention.requested_at)
    assert api.calls["create"] == 0


def test_too_many_unknown_outcomes_end_the_run() -> None:
    creation = Creation(timeout_seconds=3600)
    creation.api.creates = deque([OutcomeUnknownError("lost", "check")] * 99)
    with pytest.raises(OutcomeUnknownError, match=r"^Window .* had no usable response; the last error: lost: check\.$"):
        creation.create()
    assert creation.api.calls["create"] == JobPolicy.max_failed_creates


def test_each_request_waits_for_the_throttle() -> None:
    creation = Creation()
    creation.api.throttle_seconds = deque([30.0])
    started = creation.clock.seconds
    creation.create()
    assert creation.clock.seconds - started == pytest.approx(30)
    [(_, reason)] = creation.listener.named("waiting")
    assert reason.startswith("waiting for submit_interval until ")


def test_no_job_is_created_for_a_window_after_a_failed_one() -> None:
    creation = Creation()
    creation.creator.close_from(DAYS[1])
    creation.create()
    with pytest.raises(RunCancelledError):
        creation.creator.create(DAYS[2])
    assert creation.api.created == [WINDOW]


def test_a_cancelled_run_ends_the_wait_for_a_slot() -> None:
    creation = Creation(timeout_seconds=3600)
    creation.api.active = deque([OTHERS])
    cancel_at = creation.clock.seconds + 5
    sleep = creation.clock.sleep

    def sleep_and_cancel(seconds: float, /) -> None:
        sleep(seconds)
        if creation.clock.seconds > cancel_at:
            creation.cancellation.cancel()

    creation.clock.sleep = sleep_and_cancel  # type: ignore[method-assign]
    with pytest.raises(RunCancelledError):
        creation.create()
    assert creation.clock.seconds < cancel_at + 1
