"""The export engine seen from outside: jobs at once, memory across runs, what it gets around, how it ends."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tap_cxone.jobs.runner import MAX_JOBS_PER_WINDOW
from tap_cxone.sandbox import Fault, Sandbox, SandboxOptions
from tests.conftest import Run, Tap, by_id, config_for, january, read_lines
from tests.http_server import HttpServer, json_response

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import StartSandbox
    from tests.http_server import Request, Response


def held(sandbox: Sandbox, first: int = 1, last: int = 11) -> dict[str, dict[str, Any]]:
    return by_id(sandbox.valid_events(january(first), january(last)))


def creates(sandbox: Sandbox) -> int:
    return sum(not job.foreign for job in sandbox.jobs)


# --- As many as allowed at once ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 2, 3])
def test_no_more_jobs_at_once_than_allowed_and_all_of_them(start_sandbox: StartSandbox, tap: Tap, most: int) -> None:
    sandbox = start_sandbox(job_seconds=0.4)
    run = tap(config_for(sandbox, window_days=1, max_concurrent_exports=most))
    assert by_id(run.records) == held(sandbox)
    assert sandbox.max_active == most
    assert creates(sandbox) == 10
    starts = [record["dateFrom"] for record in run.records]
    assert starts == sorted(starts), "windows are emitted in order"


def test_jobs_of_others_count_and_are_waited_for(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(foreign_jobs=3, foreign_seconds=10)
    run = tap(config_for(sandbox))
    assert run.code == 0
    assert by_id(run.records) == held(sandbox)
    assert sandbox.max_active_total == 3
    assert "waits for a place: 3 exports are active" in run.log
    assert all(not job.downloads for job in sandbox.jobs if job.foreign), "jobs that are not ours are not touched"


def test_a_busy_platform_fails_the_run_only_after_the_export_timeout(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(foreign_jobs=3, foreign_seconds=60)
    run = tap(config_for(sandbox, export_timeout=2))
    assert run.code == 1
    assert "export_timeout" in run.errors[0]


def test_a_slow_reader_does_not_let_files_pile_up(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(job_seconds=0.01, events_per_day=2400)
    config = config_for(sandbox, window_days=1, start_date="2024-01-01", end_date="2024-01-31")
    process = subprocess.Popen(tap.command(config), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=tap.folder)
    assert process.stdout
    process.stdout.readline()
    time.sleep(4)
    begun = creates(sandbox)
    out, _ = process.communicate(timeout=60)
    assert begun <= 2 * 3 + 1
    assert out.count(b'"type":"RECORD"') == 30 * 2400


def test_no_poll_storm(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(job_seconds=3)
    tap(config_for(sandbox, window_days=30, poll_interval=1))
    looks = [request.at for request in sandbox.requests if request.call == "status"]
    assert 3 <= len(looks) <= 12
    assert min(later - earlier for earlier, later in pairwise(looks)) >= 0.15


# --- A job is never forgotten -----------------------------------------------------------------------------------------


def test_a_state_with_job_and_window_goes_out_before_the_first_look(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(job_seconds=60)
    process = subprocess.Popen(
        tap.command(config_for(sandbox)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=tap.folder
    )
    assert process.stdout
    lines = (json.loads(line) for line in process.stdout)
    state = next(message for message in lines if message["type"] == "STATE")["value"]
    process.kill()
    process.communicate()
    [job] = state["bookmarks"]["bot_conversations"]["export_jobs"]
    assert job["job_id"] == sandbox.jobs[0].id
    assert (job["dateFrom"], job["dateTo"]) == ("2024-01-01T00:00:00.000Z", "2024-01-04T00:00:00.000Z")


def interrupted(tap: Tap, sandbox: Sandbox, config: dict[str, Any], jobs: int) -> dict[str, Any]:
    """Kill a run when so many jobs were announced; return the last state."""
    process = subprocess.Popen(
        tap.command(config), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=tap.folder
    )
    assert process.stdout
    state: dict[str, Any] = {}
    for line in process.stdout:
        message = json.loads(line)
        if message["type"] == "STATE":
            state = message["value"]
            if len(state["bookmarks"]["bot_conversations"].get("export_jobs", [])) >= jobs:
                break
    process.kill()
    process.communicate()
    assert creates(sandbox) >= jobs
    return state


@pytest.mark.parametrize("memory", ["state", "journal", "both"])
@pytest.mark.parametrize("job_seconds", [0.3, 4.0], ids=["finished", "running"])
def test_a_killed_run_is_taken_up_without_a_further_job(
    start_sandbox: StartSandbox, tap: Tap, memory: str, job_seconds: float
) -> None:
    sandbox = start_sandbox(job_seconds=job_seconds)
    journal = {"journal_path": str(tap.folder / "jobs.jsonl")} if memory != "state" else {}
    config = config_for(sandbox, **journal)
    state = interrupted(tap, sandbox, config, jobs=3)
    if job_seconds < 1:
        time.sleep(job_seconds)
    run = tap(config, state=None if memory == "journal" else state)
    assert run.code == 0
    assert by_id(run.records) == held(sandbox)
    assert creates(sandbox) == 4
    assert "export_jobs" not in run.states[-1]["bookmarks"]["bot_conversations"]


def test_purged_and_failed_jobs_are_created_anew(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(job_seconds=0.3, purge_after=0.2, fail_first=1)
    config = config_for(sandbox, journal_path=str(tap.folder / "jobs.jsonl"))
    interrupted(tap, sandbox, config, jobs=3)
    time.sleep(0.8)
    before = creates(sandbox)
    run = tap(config)
    assert by_id(run.records) == held(sandbox)
    assert creates(sandbox) == before + 4


@pytest.mark.parametrize("change", [{"export_filter": "type eq 'bot' "}, {"export_format": "csv"}], ids=str)
def test_a_job_of_another_query_is_not_used(start_sandbox: StartSandbox, tap: Tap, change: dict[str, Any]) -> None:
    sandbox = start_sandbox(job_seconds=0.3)
    config = config_for(sandbox, journal_path=str(tap.folder / "jobs.jsonl"))
    state = interrupted(tap, sandbox, config, jobs=2)
    old = {job.id for job in sandbox.jobs}
    run = tap(config | change, state=state)
    if run.code == 0:
        assert by_id(run.records) == held(sandbox)
    assert not any(job.downloads for job in sandbox.jobs if job.id in old)


@pytest.mark.parametrize(
    "nonsense",
    [
        "text",
        [None, 1, {}, {"job_id": ""}, {"job_id": "a", "dateFrom": 1}],
        [{"job_id": "../../x?y#z", "dateFrom": "2024-01-01", "dateTo": "2024-01-02", "fingerprint": "", "at": "2024"}],
        {"job_id": 1},
    ],
    ids=str,
)
def test_memories_that_make_no_sense_are_harmless(start_sandbox: StartSandbox, tap: Tap, nonsense: Any) -> None:
    sandbox = start_sandbox()
    journal = tap.folder / "jobs.jsonl"
    journal.write_text(json.dumps(nonsense) + '\n{"event": "created"}\nhalf a li')
    state = {"bookmarks": {"bot_conversations": {"export_jobs": nonsense}}}
    run = tap(config_for(sandbox, journal_path=str(journal)), state=state)
    assert run.code == 0
    assert by_id(run.records) == held(sandbox)
    assert creates(sandbox) == 4


def test_a_full_read_of_a_later_run_is_exported_anew(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    config = config_for(sandbox, journal_path=str(tap.folder / "jobs.jsonl"))
    state = tap(config).states[-1]
    tap(config, state=state)
    again = tap(config)
    assert by_id(again.records) == held(sandbox)
    assert creates(sandbox) == 8


def test_a_look_back_is_exported_anew_by_each_run(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    config = config_for(sandbox, journal_path=str(tap.folder / "jobs.jsonl"), lookback_minutes=1440)
    state = tap(config).states[-1]
    for expected in (5, 6, 7):
        state = tap(config, state=state).states[-1]
        assert creates(sandbox) == expected


@pytest.mark.parametrize("shows", [True, False])
def test_a_create_whose_answer_was_lost(start_sandbox: StartSandbox, tap: Tap, *, shows: bool) -> None:
    fault = Fault("create", "lost", times=1, after=1)
    sandbox = start_sandbox(job_seconds=2, faults=(fault,), list_shows_query=shows)
    run = tap(config_for(sandbox))
    assert run.code == 0
    assert by_id(run.records) == held(sandbox)
    assert creates(sandbox) == (4 if shows else 5)
    assert sandbox.max_active <= 3


def test_a_kill_between_request_and_answer_is_looked_up_by_the_next_run(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(job_seconds=12, faults=(Fault("create", "slow", times=1),), slow_seconds=30)
    config = config_for(sandbox, journal_path=str(tap.folder / "jobs.jsonl"), window_days=30)
    process = subprocess.Popen(tap.command(config), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not sandbox.jobs:
        time.sleep(0.05)
    process.kill()
    process.wait()
    run = tap(config)
    assert by_id(run.records) == held(sandbox)
    assert creates(sandbox) == 1


# --- It gets around what fails ----------------------------------------------------------------------------------------


def test_a_failed_job_is_tried_once_more(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(fail_first=1)
    run = tap(config_for(sandbox))
    assert by_id(run.records) == held(sandbox)
    assert creates(sandbox) == 5


def test_windows_that_are_too_long_for_the_platform_are_cut_in_halves(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(fail_longer_than_hours=20)
    run = tap(config_for(sandbox))
    assert run.code == 0
    assert by_id(run.records) == held(sandbox)
    assert run.bookmarks == sorted(run.bookmarks)
    # 72 and 36 hours fail twice each, the first time; then four parts of 18 hours.
    assert creates(sandbox) <= 3 * (4 + 4) + (2 + 2)


def test_a_job_that_never_finishes_is_given_up(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(stuck_first=1)
    run = tap(config_for(sandbox, export_timeout=2))
    assert run.code == 0
    assert by_id(run.records) == held(sandbox)
    assert sandbox.max_active <= 3


def test_a_platform_that_fails_everything_ends_the_run(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(fail_all=True, job_seconds=0.01)
    run = tap(config_for(sandbox, window_days=30, end_date="2024-01-31", max_concurrent_exports=1))
    assert run.code == 1
    assert creates(sandbox) <= MAX_JOBS_PER_WINDOW
    [error] = run.errors
    assert "2024-01-01T00:00:00.000Z/2024-01-01T00:" in error
    assert sandbox.jobs[-1].id in error


def test_what_lies_before_a_failure_is_kept_and_what_lies_behind_it_is_remembered(
    start_sandbox: StartSandbox, tap: Tap
) -> None:
    sandbox = start_sandbox(faults=(Fault("create", "400", after=2),))
    run = tap(config_for(sandbox, max_concurrent_exports=2))
    assert run.code == 1
    assert by_id(run.records) == held(sandbox, 1, 7)
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


# --- Everything passing is retried ------------------------------------------------------------------------------------

PASSING = ["500", "502", "503", "429", "429-date", "429-bare", "html", "cut", "reset", "lost", "slow"]


@pytest.mark.parametrize("kind", PASSING)
def test_what_passes_is_retried_at_every_call(start_sandbox: StartSandbox, tap: Tap, kind: str) -> None:
    faults = tuple(Fault(call, kind, times=1, after=after) for call, after in CALLS.items())
    sandbox = start_sandbox(faults=faults, slow_seconds=0.5, job_seconds=1.5)
    run = tap(config_for(sandbox, window_days=5))
    assert run.code == 0, run.log
    assert by_id(run.records) == held(sandbox)
    assert run.bookmarks == sorted(run.bookmarks)
    stray = 1 if kind in {"html", "cut", "lost"} else 0  # the request was carried out, or may have been
    assert creates(sandbox) <= 2 + stray
    assert sandbox.max_active <= 3


CALLS = {"token": 0, "list": 1, "create": 0, "status": 1, "download": 0}


@pytest.mark.parametrize(("call", "kind"), [("create", "400"), ("create", "403"), ("create", "404"), ("list", "403")])
def test_what_does_not_pass_fails_at_once_with_what_to_fix(
    start_sandbox: StartSandbox, tap: Tap, call: str, kind: str
) -> None:
    sandbox = start_sandbox(faults=(Fault(call, kind),))
    run = tap(config_for(sandbox, max_concurrent_exports=1))
    assert run.code == 1
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
    # A 401 that a fresh token gets as well does not pass: two of them in a row may meet one request.
    once = [fault if fault.kind != "401" else Fault(fault.call, "401", 1, fault.after) for fault in faults]
    refused = [fault for fault in once if fault.kind == "401"]
    mixture = tuple(fault for fault in once if fault.kind != "401") + tuple(refused[:1])
    options = SandboxOptions(events_per_day=24, job_seconds=0.2, faults=mixture, retry_after=1, **records)
    with Sandbox(options) as sandbox:
        run = Tap(tmp_path_factory.mktemp("mixture"))(config_for(sandbox))
        assert run.code == 0, run.log
        assert by_id(run.records) == held(sandbox)
        assert run.bookmarks == sorted(run.bookmarks)
        assert sandbox.max_active <= 3


# --- It ends well -----------------------------------------------------------------------------------------------------


def started(command: list[str], folder: Path) -> subprocess.Popen[str]:
    with (folder / "log").open("w") as log:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=folder)


def ended(process: subprocess.Popen[str], folder: Path) -> tuple[Run, float]:
    """Read on to the end; not by ``communicate``, which would pass over what was read ahead."""
    begun = time.monotonic()
    assert process.stdout
    with process.stdout:
        out = process.stdout.read()
    code = process.wait(timeout=20)
    return Run(code, out, (folder / "log").read_text()), time.monotonic() - begun


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    assert list(folder.iterdir()) == [], "temporary files are removed"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("moment", ["polling", "emitting"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_signal_ends_the_run_at_a_clean_point(
    start_sandbox: StartSandbox,
    tap: Tap,
    spool: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    code: int,
    moment: str,
    unbuffered: str,
) -> None:
    """Without a buffer, a signal cuts a write short that the reader keeps waiting."""
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    sandbox = start_sandbox(job_seconds=60 if moment == "polling" else 0.05, events_per_day=20_000)
    process = started(tap.command(config_for(sandbox)), tap.folder)
    assert process.stdout
    wanted = "STATE" if moment == "polling" else "RECORD"
    for line in process.stdout:
        if json.loads(line)["type"] == wanted:
            break
    time.sleep(0.3)
    process.send_signal(number)
    run, seconds = ended(process, tap.folder)
    assert run.code == code
    assert seconds < 4, "two seconds, and some for a busy machine"
    assert run.messages[-1]["type"] == "STATE"
    assert "Traceback" not in run.log
    jobs = run.states[-1]["bookmarks"]["bot_conversations"]["export_jobs"]
    assert {job["job_id"] for job in jobs} <= {job.id for job in sandbox.jobs}
    assert jobs


def test_a_signal_ends_a_run_whose_target_does_not_read(start_sandbox: StartSandbox, tap: Tap, spool: Path) -> None:
    sandbox = start_sandbox(events_per_day=20_000)
    process = started(tap.command(config_for(sandbox)), tap.folder)
    assert process.stdout
    with process.stdout:
        next(line for line in process.stdout if "RECORD" in line)
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 143


@pytest.mark.parametrize("moment", ["polling", "emitting"])
def test_a_closed_output_ends_the_run(start_sandbox: StartSandbox, tap: Tap, spool: Path, moment: str) -> None:
    sandbox = start_sandbox(job_seconds=60 if moment == "polling" else 0.05, events_per_day=20_000)
    process = subprocess.Popen(
        tap.command(config_for(sandbox)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tap.folder
    )
    assert process.stdout
    assert process.stderr
    for line in process.stdout:
        if json.loads(line)["type"] == ("STATE" if moment == "polling" else "RECORD"):
            break
    process.stdout.close()
    log = process.stderr.read()
    assert process.wait(timeout=5) == 1
    process.stderr.close()
    assert "The target has ended" in log
    assert "Traceback" not in log


def test_what_a_killed_run_left_behind_is_removed_by_the_next_one(
    start_sandbox: StartSandbox, tap: Tap, spool: Path
) -> None:
    sandbox = start_sandbox(job_seconds=60)
    process = started(tap.command(config_for(sandbox)), tap.folder)
    assert process.stdout
    with process.stdout:
        next(line for line in process.stdout if "export_jobs" in line)
        [left] = spool.iterdir()
        with started(tap.command(config_for(start_sandbox())), tap.folder) as other:
            other.communicate()
        assert left.exists(), "a run that lives keeps its folder"
        process.kill()
        process.wait()
    assert left.exists()
    assert tap(config_for(start_sandbox())).code == 0


@pytest.mark.parametrize("setting", ["quarantine_path", "audit_log_path", "journal_path"])
def test_a_path_that_does_not_work_is_found_before_anything_is_requested(
    start_sandbox: StartSandbox, tap: Tap, setting: str
) -> None:
    sandbox = start_sandbox()
    run = tap(config_for(sandbox) | {setting: "/proc/nowhere/file"})
    assert run.code == 1
    [error] = run.errors
    assert f"'{setting}'" in error
    assert sandbox.requests == []


# --- Kills at random moments ------------------------------------------------------------------------------------------


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(2))
def test_kills_at_any_moment_cost_neither_records_nor_jobs(
    start_sandbox: StartSandbox, tap: Tap, tmp_path: Path, seed: int
) -> None:
    """A target keeps what it has read up to the last STATE that it echoed; then tap and target are killed."""
    sandbox = start_sandbox(job_seconds=0.3, events_per_day=48)
    journal = tmp_path / "jobs.jsonl"
    config = config_for(sandbox, window_days=1, journal_path=str(journal))
    loaded: dict[str, dict[str, Any]] = {}
    state: dict[str, Any] | None = None
    for attempt in range(40):
        process = subprocess.Popen(
            tap.command(config, state=state), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert process.stdout
        # Every other time the kill falls into the start; later and later lines otherwise.
        patience = 3 + (attempt * 37 + seed * 61) % 150
        code = None
        for number, line in enumerate(process.stdout):
            with contextlib.suppress(ValueError):
                message = json.loads(line)
                if message["type"] == "RECORD":
                    loaded[message["record"]["id"]] = message["record"]
                elif message["type"] == "STATE" and attempt % 3:
                    state = message["value"]  # every third target dies before it has echoed anything
            if number >= patience:
                process.kill()
                break
        else:
            code = process.wait()
        process.communicate()
        if code == 0:
            break
    else:
        pytest.fail("never came to its end")
    assert loaded == held(sandbox)
    events = [line["event"] for line in read_lines(journal)]
    killed_before_the_answer = events.count("intended") - events.count("created")
    assert creates(sandbox) <= 10 + killed_before_the_answer
    assert sandbox.max_active <= 3
