"""Runs after a crash: a job that a killed run created is found again, in the state or in the journal, and used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.sandbox import Fault
from tests.conftest import by_id, config_for, read_lines, wait_until
from tests.end_to_end.helpers import expected_events, jobs_created

if TYPE_CHECKING:
    from pathlib import Path

    from tap_cxone.sandbox import Sandbox
    from tests.conftest import StartSandbox, Tap


def kill_after_jobs(tap: Tap, sandbox: Sandbox, config: dict[str, Any], jobs: int) -> dict[str, Any]:
    """Kill a run as soon as a state holds so many jobs; return that state."""
    running = tap.start(config)
    message = running.read_until(
        lambda message: (
            message["type"] == "STATE"
            and len(message["value"]["bookmarks"]["bot_conversations"].get("export_jobs", [])) >= jobs
        )
    )
    running.kill()
    assert jobs_created(sandbox) >= jobs
    state: dict[str, Any] = message["value"]
    return state


def test_a_state_with_job_and_window_is_written_before_the_first_poll(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(job_seconds=60)
    running = tap.start(config_for(sandbox))
    state = running.read_until(lambda message: message["type"] == "STATE")["value"]
    running.kill()
    [job] = state["bookmarks"]["bot_conversations"]["export_jobs"]
    assert job["job_id"] == sandbox.jobs[0].id
    assert (job["dateFrom"], job["dateTo"]) == ("2024-01-01T00:00:00.000Z", "2024-01-04T00:00:00.000Z")


@pytest.mark.parametrize("store", ["state", "journal", "both"])
@pytest.mark.parametrize("job_seconds", [0.3, 4.0], ids=["finished", "running"])
def test_jobs_of_a_killed_run_are_used_instead_of_new_ones(
    start_sandbox: StartSandbox, tap: Tap, store: str, job_seconds: float
) -> None:
    sandbox = start_sandbox(job_seconds=job_seconds)
    journal = {"journal_path": str(tap.folder / "jobs.jsonl")} if store != "state" else {}
    config = config_for(sandbox, **journal)
    state = kill_after_jobs(tap, sandbox, config, jobs=3)
    if job_seconds < 1:
        wait_until(lambda: not sandbox.active, "all jobs have finished")
    run = tap(config, state=None if store == "journal" else state)
    assert run.code == 0
    assert by_id(run.records) == expected_events(sandbox)
    assert jobs_created(sandbox) == 4
    assert "export_jobs" not in run.states[-1]["bookmarks"]["bot_conversations"]


def test_purged_and_failed_jobs_are_replaced(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(job_seconds=0.3, purge_after=0.2, fail_first=1)
    config = config_for(sandbox, journal_path=str(tap.folder / "jobs.jsonl"))
    kill_after_jobs(tap, sandbox, config, jobs=3)
    wait_until(lambda: all(job.status == "expired" for job in sandbox.jobs), "all jobs are purged")
    created_before = jobs_created(sandbox)
    run = tap(config)
    assert by_id(run.records) == expected_events(sandbox)
    assert jobs_created(sandbox) == created_before + 4


@pytest.mark.parametrize("change", [{"export_filter": "type eq 'bot' "}, {"export_format": "csv"}], ids=str)
def test_a_job_of_another_query_is_not_used(start_sandbox: StartSandbox, tap: Tap, change: dict[str, Any]) -> None:
    sandbox = start_sandbox(job_seconds=0.3)
    config = config_for(sandbox, journal_path=str(tap.folder / "jobs.jsonl"))
    state = kill_after_jobs(tap, sandbox, config, jobs=2)
    old_ids = {job.id for job in sandbox.jobs}
    run = tap(config | change, state=state)
    if run.code == 0:
        assert by_id(run.records) == expected_events(sandbox)
    assert not any(job.downloads for job in sandbox.jobs if job.id in old_ids)


@pytest.mark.parametrize(
    "export_jobs",
    [
        "text",
        [None, 1, {}, {"job_id": ""}, {"job_id": "a", "dateFrom": 1}],
        [{"job_id": "../../x?y#z", "dateFrom": "2024-01-01", "dateTo": "2024-01-02", "fingerprint": "", "at": "2024"}],
        {"job_id": 1},
    ],
    ids=str,
)
def test_malformed_jobs_in_state_and_journal_are_ignored(
    start_sandbox: StartSandbox, tap: Tap, export_jobs: Any
) -> None:
    sandbox = start_sandbox()
    journal = tap.folder / "jobs.jsonl"
    journal.write_text(json.dumps(export_jobs) + '\n{"event": "created"}\nhalf a li')
    state = {"bookmarks": {"bot_conversations": {"export_jobs": export_jobs}}}
    run = tap(config_for(sandbox, journal_path=str(journal)), state=state)
    assert run.code == 0
    assert by_id(run.records) == expected_events(sandbox)
    assert jobs_created(sandbox) == 4


def test_a_later_full_read_creates_new_jobs(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    config = config_for(sandbox, journal_path=str(tap.folder / "jobs.jsonl"))
    state = tap(config).states[-1]
    tap(config, state=state)
    full_read = tap(config)
    assert by_id(full_read.records) == expected_events(sandbox)
    assert jobs_created(sandbox) == 8


def test_each_run_creates_a_new_job_for_its_look_back(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox()
    config = config_for(sandbox, journal_path=str(tap.folder / "jobs.jsonl"), lookback_minutes=1440)
    state = tap(config).states[-1]
    for expected in (5, 6, 7):
        state = tap(config, state=state).states[-1]
        assert jobs_created(sandbox) == expected


@pytest.mark.parametrize("list_shows_query", [True, False])
def test_a_create_whose_response_is_lost_is_looked_up_in_the_list(
    start_sandbox: StartSandbox, tap: Tap, *, list_shows_query: bool
) -> None:
    fault = Fault("create", "lost", times=1, after=1)
    sandbox = start_sandbox(job_seconds=2, faults=(fault,), list_shows_query=list_shows_query)
    run = tap(config_for(sandbox))
    assert run.code == 0
    assert by_id(run.records) == expected_events(sandbox)
    assert jobs_created(sandbox) == (4 if list_shows_query else 5)
    assert sandbox.max_active <= 3


def test_after_a_kill_before_the_response_the_next_run_finds_the_job(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(job_seconds=12, faults=(Fault("create", "slow", times=1),), slow_seconds=30)
    config = config_for(sandbox, journal_path=str(tap.folder / "jobs.jsonl"), window_days=30)
    running = tap.start(config)
    wait_until(lambda: sandbox.jobs, "the first job is created")
    running.kill()
    run = tap(config)
    assert by_id(run.records) == expected_events(sandbox)
    assert jobs_created(sandbox) == 1


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(2))
def test_kills_at_any_moment_cost_neither_records_nor_jobs(
    start_sandbox: StartSandbox, tap: Tap, tmp_path: Path, seed: int
) -> None:
    """A target keeps the records that it has read and the last STATE that it echoed; then tap and target are killed."""
    sandbox = start_sandbox(job_seconds=0.3, events_per_day=48)
    journal = tmp_path / "jobs.jsonl"
    config = config_for(sandbox, window_days=1, journal_path=str(journal))
    loaded: dict[str, dict[str, Any]] = {}
    state: dict[str, Any] | None = None
    for attempt in range(40):
        running = tap.start(config, state=state)
        last_message = 3 + (attempt * 37 + seed * 61) % 150
        for number, message in enumerate(running.messages()):
            if message["type"] == "RECORD":
                loaded[message["record"]["id"]] = message["record"]
            elif message["type"] == "STATE" and attempt % 3:  # every third target dies before it echoes a state
                state = message["value"]
            if number >= last_message:
                running.kill()
                break
        else:
            if running.finish().code == 0:
                break
    else:
        pytest.fail("no run completed")
    assert loaded == expected_events(sandbox)
    events = [line["event"] for line in read_lines(journal)]
    killed_before_the_response = events.count("intended") - events.count("created")
    assert jobs_created(sandbox) <= 10 + killed_before_the_response
    assert sandbox.max_active <= 3
