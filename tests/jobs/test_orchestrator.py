"""JobOrchestrator: order, how far ahead it works, errors, and how it ends. Runners are fakes; no HTTP."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tap_cxone.cancellation import CancellationToken
from tap_cxone.dates import utc_now
from tap_cxone.errors import CxoneError, RunCancelledError
from tap_cxone.jobs.model import ExportFile, ExportJob
from tap_cxone.jobs.orchestrator import WINDOWS_AHEAD, JobOrchestrator
from tests.conftest import wait_until
from tests.jobs.fakes import DAYS, FakeVerified, a_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_cxone.jobs.journal import JobRecord
    from tap_cxone.windows import Window


class FakeRunner:
    """Yields one file a window; windows may be made to fail, to wait, or to announce a job first."""

    def __init__(self, *, fails: Window | None = None, parts: int = 1) -> None:
        self._fails = fails
        self._parts = parts
        self.started: list[Window] = []
        self.files_made: list[ExportFile[FakeVerified]] = []
        self.before: Callable[[Window], None] = lambda _: None

    def files(self, window: Window) -> Iterator[ExportFile[FakeVerified]]:
        self.started.append(window)
        self.before(window)
        for part in range(self._parts):
            if window == self._fails and part == self._parts - 1:
                msg = f"Window {window} failed"
                raise CxoneError(msg)
            job = ExportJob(f"{window.start:%d}-{part}", window, utc_now())
            file = ExportFile(job, 2, 0.0, FakeVerified(b"[]"))
            self.files_made.append(file)
            yield file


def an_orchestrator(
    *, max_jobs: int = 2, check: Callable[[], None] = lambda: None, on_job: Callable[[JobRecord], None] = lambda _: None
) -> JobOrchestrator[FakeVerified]:
    return JobOrchestrator(max_jobs=max_jobs, on_job=on_job, check=check, cancellation=CancellationToken())


def names(files: Iterator[ExportFile[FakeVerified]]) -> list[str]:
    return [file.job.job_id for file in files]


def test_files_come_in_the_order_of_the_windows_and_their_parts() -> None:
    runner = FakeRunner(parts=2)
    found = names(an_orchestrator().exports(DAYS, runner))
    assert found == [f"{window.start:%d}-{part}" for window in DAYS for part in range(2)]


def test_a_file_is_open_until_the_next_one_is_requested() -> None:
    runner = FakeRunner()
    for file in an_orchestrator().exports(DAYS[:3], runner):
        assert not file.verified.closed
        assert all(other.verified.closed for other in runner.files_made if other.job.window < file.job.window)
    assert all(file.verified.closed for file in runner.files_made)


def test_a_slow_consumer_bounds_how_many_windows_are_started() -> None:
    runner = FakeRunner()
    files = an_orchestrator(max_jobs=2).exports(DAYS, runner)
    ahead = WINDOWS_AHEAD * 2
    for consumed in range(1, 4):
        next(files)
        expected = min(len(DAYS), consumed - 1 + ahead)
        wait_until(lambda: len(runner.started) >= expected, "as many windows are started as are allowed")  # noqa: B023
        assert len(runner.started) == expected
    files.close()  # type: ignore[attr-defined]


def test_an_error_is_raised_after_the_files_of_all_earlier_windows() -> None:
    runner = FakeRunner(fails=DAYS[2])
    files = an_orchestrator().exports(DAYS, runner)
    assert [next(files).job.job_id for _ in range(2)] == ["01-0", "02-0"]
    with pytest.raises(CxoneError, match="failed"):
        next(files)


def test_the_files_of_a_window_that_fails_later_are_still_yielded() -> None:
    files = an_orchestrator().exports(DAYS, FakeRunner(fails=DAYS[0], parts=2))
    assert next(files).job.job_id == "01-0"
    with pytest.raises(CxoneError, match="failed"):
        next(files)


def test_verified_files_that_are_not_consumed_are_closed() -> None:
    runner = FakeRunner(fails=DAYS[0])
    orchestrator = an_orchestrator()

    def wait_for_another_file(window: Window) -> None:
        if window == DAYS[0]:
            wait_until(lambda: runner.files_made, "another window has a file")

    runner.before = wait_for_another_file
    with pytest.raises(CxoneError, match="failed"):
        names(orchestrator.exports(DAYS, runner))
    wait_until(lambda: all(file.verified.closed for file in runner.files_made), "every file is closed")


def test_a_job_is_handled_in_the_callers_thread_before_its_window_continues() -> None:
    handled: list[tuple[str | None, int]] = []
    orchestrator = an_orchestrator(on_job=lambda job: handled.append((job.job_id, threading.get_ident())))
    runner = FakeRunner()

    def announce(window: Window) -> None:
        job_id = f"{window.start:%d}"
        orchestrator.announce(a_record(job_id, window))
        assert job_id in [handled_id for handled_id, _ in handled], "it waited for the caller's thread"

    runner.before = announce
    assert len(names(orchestrator.exports(DAYS, runner))) == len(DAYS)
    assert {thread for _, thread in handled} == {threading.get_ident()}
    assert sorted(str(job_id) for job_id, _ in handled) == sorted(f"{window.start:%d}" for window in DAYS)


def test_a_check_that_raises_ends_the_exports() -> None:
    checks = 0

    def check() -> None:
        nonlocal checks
        checks += 1
        if checks > 3:
            msg = "the target has ended"
            raise RunCancelledError(msg)

    with pytest.raises(RunCancelledError, match="the target has ended"):
        names(an_orchestrator(check=check).exports(DAYS, FakeRunner()))


def test_closing_the_exports_cancels_waiting_windows() -> None:
    cancellation = CancellationToken()
    orchestrator: JobOrchestrator[FakeVerified] = JobOrchestrator(
        max_jobs=2, on_job=lambda _: None, check=lambda: None, cancellation=cancellation
    )
    runner = FakeRunner()
    ended = threading.Event()

    def wait(window: Window) -> None:
        if window == DAYS[1]:
            try:
                cancellation.sleep(60)
            finally:
                ended.set()

    runner.before = wait
    files = orchestrator.exports(DAYS, runner)
    next(files)
    files.close()  # type: ignore[attr-defined]
    assert ended.wait(10)


def test_without_windows_there_is_nothing_to_do() -> None:
    assert names(an_orchestrator().exports([], FakeRunner())) == []
