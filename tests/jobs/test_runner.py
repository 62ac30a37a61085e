"""JobRunner: from a window to its files, with jobs that fail or already exist."""

from __future__ import annotations

import weakref
from collections import deque
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.errors import (
    CorruptExportError,
    CxoneError,
    ExportFailedError,
    FatalError,
    NoExportError,
    RunCancelledError,
    UnfitExportError,
)
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
from tests.scripted_platform import chain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tap_cxone.jobs.journal import JobRecord

WINDOW = DAYS[0]
MONTH = Window(january(1), january(31))


class Running:
    """A JobRunner with fakes for its dependencies."""

    def __init__(
        self,
        folder: Path,
        records: Sequence[JobRecord] = (),
        *,
        verify: Callable[[Path], FakeVerified] | None = None,
        **limits: Any,
    ) -> None:
        self.api = FakeApi()
        self.listener = RecordingListener()
        self.announced: list[JobRecord] = []
        store = a_store(self.api, records, announce=self.announced.append)
        context = a_context(self.api, self.listener, **limits)
        files = a_file_store(folder)
        files = replace(files, verify=verify or files.verify)
        self.runner: JobRunner[FakeVerified] = JobRunner(context, store, files)

    def windows(self, window: Window = WINDOW) -> list[Window]:
        """Export a window; return the windows of its files."""
        return [file.job.window for file in self.runner.files(window)]


def raising(error: CxoneError) -> Callable[[Path], FakeVerified]:
    def verify(_: Path) -> FakeVerified:
        raise error

    return verify


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


@pytest.mark.parametrize("window", [MONTH, Window(january(1), january(1) + timedelta(hours=1))], ids=["month", "hour"])
def test_what_is_no_export_costs_two_jobs_however_long_the_window_is(tmp_path: Path, window: Window) -> None:
    running = Running(tmp_path, verify=raising(NoExportError("the file is not an export")))
    with pytest.raises(ExportFailedError, match=r"2 jobs tried .* not an export"):
        running.windows(window)
    assert running.api.calls == {"create": 2, "list": 2, "status": 2, "download": 6}


def test_another_layout_costs_one_job(tmp_path: Path) -> None:
    running = Running(tmp_path, verify=raising(UnfitExportError("the file is UTF-16")))
    with pytest.raises(ExportFailedError, match=r"could not be read .*UTF-16"):
        running.windows(MONTH)
    assert running.api.calls["create"] == 1


@pytest.mark.parametrize("error", [CorruptExportError, NoExportError, UnfitExportError])
@pytest.mark.parametrize("has_cause", [False, True])
def test_what_a_failed_download_needed_is_not_kept(
    tmp_path: Path, error: type[CorruptExportError], *, has_cause: bool
) -> None:
    """A failed download may have needed several buffers of the length of a record, and a window may cost 64 jobs."""
    buffers: list[weakref.ref[Any]] = []

    def verify(path: Path) -> FakeVerified:
        buffer = {path}
        assert [ref for ref in buffers if ref()] == [], "those of earlier downloads are free"
        buffers.append(weakref.ref(buffer))
        msg = "the file is unusable"
        try:
            raise EOFError if has_cause else error(msg)
        except EOFError:
            raise error(msg) from None

    running = Running(tmp_path, verify=verify)
    with pytest.raises(ExportFailedError) as caught:
        running.windows(MONTH)
    assert len(buffers) >= 3
    assert [ref for ref in buffers if ref()] == [], "the error that ends the run has none, either"
    assert [str(cause) for cause in chain(caught.value)] == [str(caught.value)]


def test_the_second_job_of_a_window_may_have_an_empty_file(tmp_path: Path) -> None:
    running = Running(tmp_path)
    for number in (1, 2):
        running.api.downloads[f"job-{number}"] = deque([b""] * 3)
    assert running.windows() == [WINDOW]
    assert running.api.calls == {"create": 2, "list": 2, "status": 2, "download": 6}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([b"damaged"] * 3, [b""] * 3),
        ([b"damaged", b"", b""], [b""] * 3),
        ([b""] * 3, [b"", b"damaged", b""]),
        ([b""] * 3, [b"damaged", b"", b""]),
    ],
    ids=["after damage", "after damage and blanks", "damage between", "damage first"],
)
def test_an_empty_file_is_not_accepted_if_any_download_was_not(
    tmp_path: Path, first: list[bytes], second: list[bytes]
) -> None:
    def verify(path: Path) -> FakeVerified:
        if path.read_bytes() == b"damaged":
            msg = "the file is cut off"
            raise CorruptExportError(msg)
        return FakeVerified(path.read_bytes())

    running = Running(tmp_path, verify=verify)
    running.api.downloads = {"job-1": deque(first), "job-2": deque(second)}
    running.api.fail_longer_than = timedelta(hours=1)
    with pytest.raises(ExportFailedError, match="2 jobs tried"):
        running.windows(Window(january(1), january(1) + timedelta(hours=1)))


def test_a_job_that_failed_does_not_make_an_empty_file_credible(tmp_path: Path) -> None:
    running = Running(tmp_path)
    running.api.statuses["job-1"] = deque([FAILED])
    running.api.downloads["job-2"] = deque([b""] * 3)
    with pytest.raises(ExportFailedError, match=r"2 jobs tried .* is empty"):
        running.windows(Window(january(1), january(1) + timedelta(hours=1)))
