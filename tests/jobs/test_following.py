"""JobFollower: a job is polled until it is completed, fails or times out."""

from __future__ import annotations

from collections import deque

import pytest

from tap_cxone.dates import utc_now
from tap_cxone.jobs.following import JobFollower
from tap_cxone.jobs.model import ExportJob, JobFailedError, JobState, JobStatus
from tap_cxone.jobs.polling import PollSchedule
from tests.jobs.fakes import (
    COMPLETED,
    DAYS,
    FAILED,
    GONE,
    QUEUED,
    RUNNING,
    FakeApi,
    FakeClock,
    RecordingListener,
    a_context,
)

JOB = ExportJob("job", DAYS[0], utc_now())


class Following:
    """A JobFollower with fakes for its dependencies."""

    def __init__(self, *statuses: JobStatus, poll_seconds: float = 1.0, timeout_seconds: float = 60.0) -> None:
        self.api = FakeApi()
        self.api.statuses["job"] = deque(statuses)
        self.clock = FakeClock()
        self.listener = RecordingListener()
        self.schedule = PollSchedule(poll_seconds)
        context = a_context(self.api, self.listener, self.clock, timeout_seconds=timeout_seconds)
        self.follower = JobFollower(context, self.schedule)

    def follow(self) -> None:
        self.follower.follow(JOB)


def test_every_change_of_state_is_reported_once() -> None:
    following = Following(QUEUED, QUEUED, RUNNING, RUNNING, COMPLETED)
    following.follow()
    states = [state for _, state in following.listener.named("polling")]
    assert states == [None, JobState.QUEUED, JobState.RUNNING]
    [(_, seconds, queue_seconds)] = following.listener.named("completed")
    assert 0 < queue_seconds < seconds


def test_a_queue_time_is_only_given_if_the_job_was_seen_in_the_queue() -> None:
    following = Following(RUNNING, COMPLETED)
    following.follow()
    [(_, _, queue_seconds)] = following.listener.named("completed")
    assert queue_seconds is None


@pytest.mark.parametrize("status", [FAILED, GONE, JobStatus(JobState.FAILED, "out of memory")], ids=str)
def test_a_job_that_fails_or_is_gone_is_a_failed_job(status: JobStatus) -> None:
    with pytest.raises(JobFailedError) as caught:
        Following(RUNNING, status).follow()
    assert caught.value.job is JOB
    assert caught.value.reason == (status.reason or "the platform gave no reason")


def test_a_job_that_does_not_finish_fails_after_the_timeout() -> None:
    following = Following(*[RUNNING] * 1000, timeout_seconds=120)
    started = following.clock.seconds
    with pytest.raises(JobFailedError, match=r"not finished after 120 s \(export_timeout\)"):
        following.follow()
    assert following.clock.seconds - started == pytest.approx(120)
    assert following.api.calls["status"] <= 130


def test_the_duration_of_a_job_shapes_the_polling_of_the_next() -> None:
    following = Following(*[RUNNING] * 30, poll_seconds=60, timeout_seconds=100_000)
    following.follow()
    first = following.api.calls["status"]
    following.api.statuses["job"] = deque([RUNNING])
    following.follow()
    assert following.api.calls["status"] - first == 2
