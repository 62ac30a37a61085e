"""Export jobs of whole runs: how many run at once, what happens when they fail, and which errors are retried."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tap_cxone.jobs.runner import MAX_JOBS_PER_WINDOW
from tap_cxone.sandbox import Fault, Sandbox, SandboxOptions
from tests.conftest import Tap, by_id, config_for, wait_until
from tests.end_to_end.helpers import expected_events, jobs_created
from tests.http_server import HttpServer, json_response

if TYPE_CHECKING:
    from tests.conftest import StartSandbox
    from tests.http_server import Request, Response


# --- Concurrency ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_as_many_jobs_run_at_once_as_allowed_and_no_more(start_sandbox: StartSandbox, tap: Tap, limit: int) -> None:
    sandbox = start_sandbox(job_seconds=0.4)
    run = tap(config_for(sandbox, window_days=1, max_concurrent_exports=limit))
    assert by_id(run.records) == expected_events(sandbox)
    assert sandbox.max_active == limit
    assert jobs_created(sandbox) == 10
    starts = [record["dateFrom"] for record in run.records]
    assert starts == sorted(starts), "windows are emitted in order"


def test_jobs_of_another_integration_count_and_are_waited_for(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(foreign_jobs=3, foreign_seconds=10)
    run = tap(config_for(sandbox))
    assert run.code == 0
    assert by_id(run.records) == expected_events(sandbox)
    assert sandbox.max_active_total == 3
    assert "waiting for a free slot: 3 exports are active" in run.log
    assert all(not job.downloads for job in sandbox.jobs if job.foreign), "only our own jobs are downloaded"


def test_without_a_free_slot_the_run_fails_after_the_export_timeout(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(foreign_jobs=3, foreign_seconds=60)
    run = tap(config_for(sandbox, export_timeout=2))
    assert run.code == 4
    assert "export_timeout" in run.errors[0]


def test_files_do_not_pile_up_while_the_target_is_slow(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(job_seconds=0.01, events_per_day=2400)
    running = tap.start(config_for(sandbox, window_days=1, start_date="2024-01-01", end_date="2024-01-31"))
    running.read_until(lambda message: message["type"] == "SCHEMA")
    wait_until(
        lambda: jobs_created(sandbox) and time.monotonic() - sandbox.requests[-1].at > 2,
        "the tap has sent no request for two seconds",
    )
    created_while_blocked = jobs_created(sandbox)
    run = running.finish()
    assert created_while_blocked <= 2 * 3 + 1
    assert len(run.records) == 30 * 2400


def test_a_running_job_is_polled_at_a_moderate_rate(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(job_seconds=3)
    tap(config_for(sandbox, window_days=30, poll_interval=1))
    polled_at = [request.at for request in sandbox.requests if request.call == "status"]
    assert 3 <= len(polled_at) <= 12
    assert min(later - earlier for earlier, later in pairwise(polled_at)) >= 0.15


# --- Jobs that fail ---------------------------------------------------------------------------------------------------


def test_a_failed_job_is_created_once_more(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(fail_first=1)
    run = tap(config_for(sandbox))
    assert by_id(run.records) == expected_events(sandbox)
    assert jobs_created(sandbox) == 5


def test_windows_that_are_too_long_for_the_platform_are_halved(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(fail_longer_than_hours=20)
    run = tap(config_for(sandbox))
    assert run.code == 0
    assert by_id(run.records) == expected_events(sandbox)
    assert run.bookmarks == sorted(run.bookmarks)
    # In each three-day window, the jobs for 72 and 36 hours fail twice each; then four jobs for 18 hours succeed.
    assert jobs_created(sandbox) <= 3 * (4 + 4) + (2 + 2)


def test_a_job_that_never_finishes_is_replaced_after_the_timeout(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(stuck_first=1)
    run = tap(config_for(sandbox, export_timeout=2))
    assert run.code == 0
    assert by_id(run.records) == expected_events(sandbox)
    assert sandbox.max_active <= 3


def test_the_run_fails_when_every_job_of_a_window_fails(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(fail_all=True, job_seconds=0.01)
    run = tap(config_for(sandbox, window_days=30, end_date="2024-01-31", max_concurrent_exports=1))
    assert run.code == 5
    assert jobs_created(sandbox) <= MAX_JOBS_PER_WINDOW
    [error] = run.errors
    assert "2024-01-01T00:00:00.000Z/2024-01-01T00:" in error
    assert sandbox.jobs[-1].id in error


def test_windows_before_a_failed_one_are_kept(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(faults=(Fault("create", "400", after=2),))
    run = tap(config_for(sandbox, max_concurrent_exports=2))
    assert run.code == 2
    assert by_id(run.records) == expected_events(sandbox, 1, 7)
    assert run.bookmarks[-1] == "2024-01-07T00:00:00.000Z"


class EmptyDownloads:
    """A platform whose first downloads are empty, as if something between it and the tap had lost the file.

    Args:
        times: number of empty downloads; the next ones are an export without records.
    """

    def __init__(self, times: int) -> None:
        self.jobs: list[str] = []
        self._empty_downloads = iter(range(times))
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Response:
        with self._lock:
            if request.path.endswith("/token"):
                return json_response({"access_token": "t", "expires_in": 1200})
            if request.method == "POST":
                self.jobs.append(f"job-{len(self.jobs)}")
                return json_response({"id": self.jobs[-1]})
            if request.path.endswith("/download"):
                return (200, {}, b"") if next(self._empty_downloads, None) is not None else json_response([])
            if "status=" in request.query:
                return json_response({"entities": []})
            return json_response({"id": "x", "status": "completed"})


@pytest.mark.parametrize(("times", "jobs", "warned"), [(2, 1, False), (4, 2, False), (99, 2, True)])
def test_an_empty_file_is_accepted_only_if_a_second_job_has_one_too(
    tap: Tap, times: int, jobs: int, *, warned: bool
) -> None:
    platform = EmptyDownloads(times)
    server = HttpServer(platform)
    run = tap(
        {
            "api_url": server.url,
            "client_id": "a",
            "client_secret": "b",
            "start_date": "2024-01-01",
            "end_date": "2024-01-02",
        }
    )
    server.stop()
    assert run.code == 0
    assert len(platform.jobs) == jobs
    assert ("stays empty" in run.log) == warned


# --- Errors that are retried, and errors that are not -----------------------------------------------------------------

RETRIABLE = ["500", "502", "503", "429", "429-date", "429-bare", "html", "cut", "reset", "lost", "slow"]
FAULT_AFTER = {"token": 0, "list": 1, "create": 0, "status": 1, "download": 0}


@pytest.mark.parametrize("kind", RETRIABLE)
def test_a_retriable_error_is_retried_at_every_call(start_sandbox: StartSandbox, tap: Tap, kind: str) -> None:
    faults = tuple(Fault(call, kind, times=1, after=after) for call, after in FAULT_AFTER.items())
    sandbox = start_sandbox(faults=faults, slow_seconds=0.5, job_seconds=1.5)
    run = tap(config_for(sandbox, window_days=5))
    assert run.code == 0, run.log
    assert by_id(run.records) == expected_events(sandbox)
    assert run.bookmarks == sorted(run.bookmarks)
    unknown_outcomes = 1 if kind in {"html", "cut", "lost"} else 0  # the platform may have created the job
    assert jobs_created(sandbox) <= 2 + unknown_outcomes
    assert sandbox.max_active <= 3


@pytest.mark.parametrize(("call", "kind"), [("create", "400"), ("create", "403"), ("create", "404"), ("list", "403")])
def test_a_fatal_error_is_not_retried_and_has_a_hint(
    start_sandbox: StartSandbox, tap: Tap, call: str, kind: str
) -> None:
    sandbox = start_sandbox(faults=(Fault(call, kind),))
    run = tap(config_for(sandbox, max_concurrent_exports=1))
    assert run.code == (3 if kind == "403" else 2)
    [error] = run.errors
    assert "check" in error
    assert sum(request.call == call for request in sandbox.requests) == 1


any_fault = st.builds(
    Fault,
    call=st.sampled_from(["token", "list", "create", "status", "download", "any"]),
    kind=st.sampled_from(["500", "503", "429", "html", "cut", "reset", "lost", "401"]),
    times=st.integers(1, 2),
    after=st.integers(0, 6),
)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    faults=st.lists(any_fault, min_size=2, max_size=5),
    records=st.fixed_dictionaries(
        {
            "bad_records": st.sampled_from([0.0, 0.1]),
            "repeated_records": st.sampled_from([0.0, 0.2]),
            "invalid_first": st.sampled_from([0.0, 0.2]),
            "fail_first": st.integers(0, 2),
        }
    ),
)
def test_any_mixture_of_faults_gives_the_same_records(
    tmp_path_factory: pytest.TempPathFactory, faults: list[Fault], records: dict[str, Any]
) -> None:
    # A second 401 right after a new token is fatal, so a mixture has at most one of them.
    unauthorized = [Fault(fault.call, "401", 1, fault.after) for fault in faults if fault.kind == "401"]
    mixture = (*(fault for fault in faults if fault.kind != "401"), *unauthorized[:1])
    options = SandboxOptions(events_per_day=24, job_seconds=0.2, faults=mixture, retry_after=1, **records)
    with Sandbox(options) as sandbox:
        run = Tap(tmp_path_factory.mktemp("mixture"))(config_for(sandbox))
        assert run.code == 0, run.log
        assert by_id(run.records) == expected_events(sandbox)
        assert run.bookmarks == sorted(run.bookmarks)
        assert sandbox.max_active <= 3
