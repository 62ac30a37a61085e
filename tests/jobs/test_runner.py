"""JobRunner: from a window to its files, with jobs that fail or already exist."""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.errors import ExportFailedError, FatalError, RunCancelledError
from tap_cxone.jobs.runner import MAX_JOBS_PER_WINDOW, JobRunner
from tap_cxone.windows import Window
from tests.conftest import january
from tests.jobs.fakes import (
    DAYS,
    FAILED,
    GONE,
    RUNNING,
    FakeApi,
    FakeVerified,
    RecordingListener,
    a_context,
    a_file_store,
    a_record,
    a_store,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tap_cxone.jobs.journal import JobRecord

WINDOW = DAYS[0]
MONTH = Window(january(1), january(31))


class Running:
    """A JobRunner with fakes for its dependencies."""

    def __init__(self, folder: Path, records: Sequence[JobRecord] = (), **limits: Any) -> None:
        self.api = FakeApi()
        self.listener = RecordingListener()
        self.announced: list[JobRecord] = []
        store = a_store(self.api, records, announce=self.announced.append)
        context = a_context(self.api, self.listener, **limits)
        self.runner: JobRunner[FakeVerified] = JobRunner(context, store, a_file_store(folder))

    def windows(self, window: Window = WINDOW) -> list[Window]:
        """Export a window; return the windows of its files."""
        return [file.job.window for file in self.runner.files(window)]


def test_a_window_is_exported_by_one_job(tmp_path: Path) -> None:
    running = Running(tmp_path)
    assert running.windows() == [WINDOW]
    assert [event[0] for event in running.listener.events] == [
        "waiting_for_slot",
        "created",
        "polling",
        "completed",
        "downloading",
        "downloaded",
    ]


@pytest.mark.parametrize("state", ["active", "completed"])
def test_a_job_of_an_earlier_run_is_used(tmp_path: Path, state: str) -> None:
    record = a_record("earlier", WINDOW)
    running = Running(tmp_path, [record])
    running.api.statuses["earlier"] = deque([RUNNING, RUNNING] if state == "active" else [])
    assert [file.job.job_id for file in running.runner.files(WINDOW)] == ["earlier"]
    assert running.api.calls["create"] == 0
    assert running.announced == [record], "it is recorded in the state again"


@pytest.mark.parametrize("status", [FAILED, GONE], ids=str)
def test_a_failed_or_purged_job_of_an_earlier_run_is_replaced(tmp_path: Path, status: Any) -> None:
    running = Running(tmp_path, [a_record("earlier", WINDOW)])
    running.api.statuses["earlier"] = deque([status])
    assert [file.job.job_id for file in running.runner.files(WINDOW)] == ["job-1"]


def test_a_failed_job_is_retried_once(tmp_path: Path) -> None:
    running = Running(tmp_path)
    running.api.statuses["job-1"] = deque([FAILED])
    assert running.windows() == [WINDOW]
    assert running.api.calls["create"] == 2
    assert [job for job, _ in running.listener.named("failed")] == ["job-1"]


def test_a_window_that_keeps_failing_is_split_without_gap_or_overlap(tmp_path: Path) -> None:
    running = Running(tmp_path)
    running.api.fail_longer_than = timedelta(days=4)
    windows = running.windows(MONTH)
    assert (windows[0].start, windows[-1].end) == (MONTH.start, MONTH.end)
    assert all(one.end == other.start for one, other in pairwise(windows))
    assert all(window.end - window.start <= timedelta(days=4) for window in windows)
    assert running.listener.named("left")[0] == (MONTH,)


def test_a_length_that_failed_is_not_tried_for_the_other_parts(tmp_path: Path) -> None:
    running = Running(tmp_path)
    running.api.fail_longer_than = timedelta(days=8)
    windows = running.windows(MONTH)
    # Two jobs each for 30 and 15 days, then one each for four parts.
    assert running.api.calls["create"] == 2 + 2 + len(windows)


def test_a_platform_on_which_every_job_fails_costs_a_bounded_number_of_jobs(tmp_path: Path) -> None:
    running = Running(tmp_path)
    running.api.fail_longer_than = timedelta(0)
    with pytest.raises(ExportFailedError) as caught:
        running.windows(MONTH)
    message = str(caught.value)
    assert f"Window {january(1):%Y-%m-%d}" in message
    assert f"job job-{len(running.api.created)}" in message
    assert len(running.api.created) <= 22


def test_no_window_costs_more_jobs_than_the_limit(tmp_path: Path) -> None:
    running = Running(tmp_path)
    running.api.fail_longer_than = timedelta(hours=3)
    with pytest.raises(ExportFailedError, match="64 jobs tried"):
        running.windows(MONTH)
    assert len(running.api.created) == MAX_JOBS_PER_WINDOW


def test_after_a_failed_window_no_later_one_creates_a_job(tmp_path: Path) -> None:
    running = Running(tmp_path)
    running.api.creates = deque([FatalError("the query is not valid", 400)])
    with pytest.raises(FatalError):
        running.windows(DAYS[1])
    assert running.listener.named("left") == [(DAYS[1],)]
    with pytest.raises(RunCancelledError):
        running.windows(DAYS[2])
    assert running.windows(DAYS[0]) == [DAYS[0]], "an earlier one is still exported"


def test_the_second_job_of_a_window_may_have_an_empty_file(tmp_path: Path) -> None:
    running = Running(tmp_path)
    for number in (1, 2):
        running.api.downloads[f"job-{number}"] = deque([b""] * 3)
    assert running.windows() == [WINDOW]
    assert running.api.calls == {"create": 2, "list": 2, "status": 2, "download": 6}
