"""Progress of a run: stages, figures, estimates and pauses, with a clock that only the test moves."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tap_cxone.observability.labels import RunLabels
from tap_cxone.observability.progress import Progress, Requests, Stage, Tally
from tap_cxone.observability.reporter import Reporter
from tap_cxone.observability.summary import stage_seconds, status, status_fields, summary, summary_fields
from tap_cxone.windows import Window, halves
from tests.conftest import january, wait_until


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


PLANNED = [Window(january(day), january(day + 1)) for day in (1, 2, 3, 4)]
FIRST, SECOND, THIRD, _ = PLANNED


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> Progress:
    return Progress(clock)


def test_the_time_of_a_window_counts_for_its_stage(progress: Progress, clock: Clock) -> None:
    stream = progress.stream("a")
    for stage, seconds in zip(Stage, (1, 2, 4, 8, 16, 32, 64), strict=True):
        stream.enter(FIRST, stage)
        clock.seconds += seconds
    assert stage_seconds(stream.counts()) == {
        "place": 1,
        "queue_or_running": 2,
        "queue": 4,
        "running": 8,
        "download": 16,
        "emit": 64,
    }
    stream.leave(FIRST)
    clock.seconds += 100
    assert stage_seconds(stream.counts())["emit"] == 64
    assert not stream.active()


def test_the_times_of_concurrent_windows_add_up(progress: Progress, clock: Clock) -> None:
    stream = progress.stream("a")
    stream.enter(SECOND, Stage.RUNNING)
    stream.enter(FIRST, Stage.RUNNING)
    clock.seconds += 5
    assert stream.counts().seconds[Stage.RUNNING] == 10
    assert [item.window for item in stream.active()] == [FIRST, SECOND]
    stream.end()
    clock.seconds += 5
    assert stream.counts().seconds[Stage.RUNNING] == 10
    assert stream.seconds() == 5


def test_the_time_left_is_estimated_from_finished_windows(progress: Progress, clock: Clock) -> None:
    stream = progress.stream("a")
    stream.plan(PLANNED)
    clock.seconds += 30
    assert stream.seconds_left() is None
    stream.count(windows_done=1)
    assert stream.seconds_left() == 90
    clock.seconds += 10
    assert stream.seconds_left() == 80, "the estimate does not rise while time passes"
    clock.seconds += 100
    assert stream.seconds_left() == 0
    stream.end()
    assert stream.seconds_left() is None


def test_a_first_window_that_was_quick_does_not_shorten_the_estimate(progress: Progress, clock: Clock) -> None:
    stream = progress.stream("a")
    stream.plan(PLANNED)
    clock.seconds += 5
    stream.count(windows_done=1)
    clock.seconds += 30
    stream.count(windows_done=1)
    assert stream.seconds_left() == 60


def test_the_figures_of_streams_add_up(progress: Progress) -> None:
    for name in ("a", "b"):
        progress.stream(name).plan(PLANNED[:2])
        progress.stream(name).count(records=3, bytes=5, duplicates=1, refused=2, windows_done=1, jobs=1)
    counts = progress.counts()
    assert (counts.windows, counts.windows_done, counts.records, counts.bytes) == (4, 2, 6, 10)
    assert (counts.duplicates, counts.refused, counts.jobs) == (2, 4, 2)


def test_pauses_before_retries_are_counted_and_shown_while_they_last(progress: Progress, clock: Clock) -> None:
    progress.requested()
    progress.retrying("status", "429 Too Many Requests", 20, rate_limited=True)
    other_thread = threading.Thread(
        target=progress.retrying, args=("list", "502 Bad Gateway", 1), kwargs={"rate_limited": False}
    )
    other_thread.start()
    other_thread.join()
    assert [wait.call for wait in progress.retries()] == ["list", "status"]
    text = status(progress.stream("a"), progress)
    assert "call 'status' waits until" in text
    assert "429 Too Many Requests" in text
    clock.seconds += 2
    assert [wait.call for wait in progress.retries()] == ["status"]
    progress.requested()
    assert not progress.retries()
    result = summary_fields(progress)
    assert (result["requests"], result["retries"], result["rate_limit_waits"]) == (2, 2, 1)
    assert result["rate_limit_seconds"] == 20


def test_the_status_line_has_the_figures_of_a_stream(progress: Progress, clock: Clock) -> None:
    stream = progress.stream("a")
    stream.plan(PLANNED)
    stream.enter(SECOND, Stage.QUEUED)
    stream.enter(THIRD, Stage.WAITING)
    clock.seconds += 10
    stream.count(windows_done=1, records=600, bytes=2048)
    assert status(stream, progress) == (
        "windows: 1 done, 1 running, 2 waiting; 600 records so far, 60/s; 2.0 KiB downloaded; about 30.0 s left; "
        "2024-01-02T00:00:00.000Z/2024-01-03T00:00:00.000Z queued for 10.0 s"
    )


def test_the_summary_line_has_the_figures_of_the_run(progress: Progress, clock: Clock) -> None:
    stream = progress.stream("a")
    stream.plan(PLANNED[:2])
    stream.enter(FIRST, Stage.RUNNING)
    clock.seconds += 100
    stream.count(windows_done=2, records=600, duplicates=3, refused=1, bytes=3 << 20, jobs=3, jobs_failed=1)
    stream.set_bookmark("2024-01-03T00:00:00.000Z")
    stream.end()
    text = summary(progress)
    for part in (
        "2 of 2 windows, 600 records, 3 duplicates, 1 rejected, 3.0 MiB in 1 min 40 s (6/s)",
        "queue 0 ms; queue or running 0 ms; running 1 min 40 s; download 0 ms; emit 0 ms",
        "3 jobs, 1 failed",
        "0 requests, 0 retries, 0 waits for rate limits (0 ms)",
        "bookmarks: a 2024-01-03T00:00:00.000Z",
    ):
        assert part in text


def test_the_reporter_logs_the_status_regularly_and_one_summary(
    progress: Progress, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "tap-cxone")
    stream = progress.stream("a")
    log_reporter = Reporter(progress, RunLabels("tenant-7", "a.example"), report_seconds=0.01)
    log_reporter.start()
    log_reporter.start()
    wait_until(lambda: any("windows: 0 done" in line for line in caplog.messages), "the status is logged")
    stream.end()
    log_reporter.close()
    log_reporter.close()
    assert sum("Summary:" in line for line in caplog.messages) == 1
    labels = {(getattr(line, "tenant", None), getattr(line, "host", None)) for line in caplog.records}
    assert labels == {("tenant-7", "a.example")}


def test_parts_of_a_window_count_as_that_window(progress: Progress) -> None:
    stream = progress.stream("a")
    stream.plan(PLANNED)
    for part in halves(FIRST, timedelta(hours=1)):
        stream.enter(part, Stage.RUNNING)
    stream.enter(SECOND, Stage.WAITING)
    stream.note(SECOND, "3 exports are active")
    assert stream.tally() == Tally(done=0, running=1, waiting=3)
    assert [item.note for item in stream.active()][-1] == "3 exports are active"
    stream.enter(SECOND, Stage.CREATED)
    assert [item.note for item in stream.active()][-1] == ""
    assert stream.tally() == Tally(done=0, running=2, waiting=2)


def test_request_figures_can_be_compared_with_earlier_ones(progress: Progress) -> None:
    progress.requested()
    before = progress.requests()
    progress.requested()
    progress.retrying("status", "429", 3, rate_limited=True)
    assert progress.requests().since(before) == Requests(1, 1, 1, 3)


def test_the_status_fields_equal_the_status_line(progress: Progress, clock: Clock) -> None:
    stream = progress.stream("a")
    stream.plan(PLANNED)
    stream.enter(FIRST, Stage.RUNNING)
    stream.count(windows_done=1, records=5)
    clock.seconds += 10
    fields = status_fields(stream, progress)
    assert (fields["stream"], fields["done"], fields["running"], fields["waiting"]) == ("a", 1, 1, 2)
    assert (fields["records"], fields["seconds"]) == (5, 10)
    assert fields["active"][0]["stage"] == "running"


def test_many_threads_lose_no_count_and_end_a_stream_once(progress: Progress) -> None:
    stream = progress.stream("a")
    stream.plan(PLANNED)

    def work(number: int) -> bool:
        window = PLANNED[number % len(PLANNED)]
        stream.enter(window, Stage.RUNNING)
        stream.note(window, "a note")
        stream.count(records=1, bytes=2)
        progress.requested()
        status_fields(stream, progress)
        stream.leave(window)
        return stream.end() if number >= 1000 else False

    with ThreadPoolExecutor(16) as threads:
        ended = list(threads.map(work, range(1016)))
    assert sum(ended) == 1
    counts = stream.counts()
    assert (counts.records, counts.bytes, progress.requests().requests) == (1016, 2032, 1016)
    assert not stream.active()
