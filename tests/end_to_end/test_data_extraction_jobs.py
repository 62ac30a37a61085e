"""Data Extraction jobs: one at a time and spaced, shared with other integrations, after crashes and errors."""

from __future__ import annotations

import json
import signal
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tap_cxone.sandbox import Fault
from tests.conftest import Tap, wait_until
from tests.end_to_end.helpers import (
    QUESTIONS,
    RECORDINGS,
    SHUTDOWN_SECONDS,
    WORKFLOWS,
    assert_complete,
    assert_no_secrets,
    bookmark_of,
    catalog_for,
    expected_rows,
    extraction_config,
    kill_after_first_job,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartSandbox

# --- The one slot of the tenant ---------------------------------------------------------------------------------------


def test_a_job_of_another_integration_is_waited_for(start_extraction_sandbox: StartSandbox, tap: Tap) -> None:
    catalog = catalog_for(WORKFLOWS)
    sandbox = start_extraction_sandbox(foreign_extractions=1, foreign_seconds=10)
    run = tap(extraction_config(sandbox, end_date="2024-01-02"), catalog=catalog)
    assert run.code == 0
    assert_complete(run, sandbox, WORKFLOWS, 1, 2)
    assert sandbox.refused_creates == 0
    assert "waiting for a free slot: 1 exports are active" in run.log
    assert all(not job.downloads for job in sandbox.extractions if job.foreign)


def test_a_run_completes_beside_an_integration_that_creates_jobs(
    start_extraction_sandbox: StartSandbox, tap: Tap
) -> None:
    sandbox = start_extraction_sandbox(rival_every=3, foreign_seconds=1)
    run = tap(extraction_config(sandbox), catalog=catalog_for(WORKFLOWS))
    assert run.code == 0
    assert_complete(run, sandbox, WORKFLOWS)


def test_two_concurrent_runs_of_one_tenant_both_complete(
    start_extraction_sandbox: StartSandbox, tap: Tap, tmp_path: Path
) -> None:
    sandbox = start_extraction_sandbox(rows_per_day=5)
    other_folder = tmp_path / "other"
    other_folder.mkdir()
    config = extraction_config(sandbox, end_date="2024-01-05")
    other = Tap(other_folder).start(config, catalog=catalog_for(QUESTIONS))
    run = tap(config, catalog=catalog_for(WORKFLOWS))
    other_run = other.finish(120)
    assert (run.code, other_run.code) == (0, 0), run.errors
    assert_complete(run, sandbox, WORKFLOWS, 1, 5)
    assert len(other_run.records) == len(expected_rows(sandbox, QUESTIONS, date(2024, 1, 1), date(2024, 1, 5)))


def test_a_persistent_403_names_both_possible_causes(start_extraction_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_extraction_sandbox(forbidden_entities="qm-workflows", submit_seconds=0)
    run = tap(extraction_config(sandbox, submit_interval=0), catalog=catalog_for(WORKFLOWS))
    assert run.code == 3
    [error] = run.errors
    assert "403" in error
    assert "permission" in error
    assert "throttled" in error
    assert 2 < sandbox.refused_creates <= 10


# --- Time between creates ---------------------------------------------------------------------------------------------


def test_the_state_keeps_the_time_of_the_last_create(start_extraction_sandbox: StartSandbox, tap: Tap) -> None:
    # The state has the time of the request, which takes a moment to arrive: the sandbox counts a second less.
    sandbox = start_extraction_sandbox(submit_seconds=3)
    config = extraction_config(sandbox, submit_interval=4, end_date="2024-01-03")
    run = tap(config, catalog=catalog_for(WORKFLOWS), state=kill_after_first_job(tap, config))
    assert run.code == 0
    assert len(sandbox.extractions) == 2
    assert sandbox.refused_creates == 0


@pytest.mark.parametrize("kind", ["503", "429"])
def test_a_failed_create_is_repeated_after_the_submit_interval(
    start_extraction_sandbox: StartSandbox, tap: Tap, kind: str
) -> None:
    sandbox = start_extraction_sandbox(faults=(Fault("create", kind, times=1),), retry_after=1)
    run = tap(extraction_config(sandbox, submit_interval=3, end_date="2024-01-02"), catalog=catalog_for(WORKFLOWS))
    assert run.code == 0
    created_at = [request.at for request in sandbox.requests if request.call == "create"]
    assert len(created_at) == 2
    assert created_at[1] - created_at[0] >= 3


def test_a_signal_ends_a_wait_for_the_next_create(start_extraction_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_extraction_sandbox(submit_seconds=60)
    running = tap.start(extraction_config(sandbox, submit_interval=60), catalog=catalog_for(WORKFLOWS))
    running.read_until(lambda message: "replication_key_value" in json.dumps(message))
    running.process.send_signal(signal.SIGTERM)
    run = running.finish(SHUTDOWN_SECONDS)
    assert run.code == 143
    assert bookmark_of(run, WORKFLOWS) == "2024-01-02T00:00:00.000Z"
    assert run.messages[-1]["type"] == "STATE"


# --- Crashes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("store", ["state", "journal"])
def test_the_job_of_a_killed_run_is_used_instead_of_a_new_one(
    start_extraction_sandbox: StartSandbox, tap: Tap, tmp_path: Path, store: str
) -> None:
    sandbox = start_extraction_sandbox(job_seconds=2)
    journal = {"journal_path": str(tmp_path / "journal")} if store == "journal" else {}
    config = extraction_config(sandbox, **journal)
    state = kill_after_first_job(tap, config)
    run = tap(config, catalog=catalog_for(WORKFLOWS), state=state if store == "state" else None)
    assert run.code == 0
    assert_complete(run, sandbox, WORKFLOWS)
    assert len(sandbox.extractions) == 3
    assert sandbox.refused_creates == 0
    assert "of an earlier run is" in run.log


def test_an_expired_job_is_replaced(start_extraction_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_extraction_sandbox(extraction_expires_after=1)
    config = extraction_config(sandbox, end_date="2024-01-02")
    state = kill_after_first_job(tap, config)
    wait_until(lambda: sandbox.extractions[0].status == "expired", "the job has expired")
    run = tap(config, catalog=catalog_for(WORKFLOWS), state=state)
    assert run.code == 0
    assert_complete(run, sandbox, WORKFLOWS, 1, 2)
    assert len(sandbox.extractions) == 2


# --- Errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Fault("download", "403", times=2),
        Fault("download", "cut", times=1),
        Fault("download", "503", times=1),
        Fault("status", "403", times=2),
        Fault("list", "403", times=2),
        Fault("create", "403", times=1),
        Fault("create", "lost", times=1),
        Fault("token", "503", times=1),
        Fault("status", "401", times=1),
    ],
    ids=lambda fault: f"{fault.call}={fault.kind}",
)
def test_a_retriable_error_is_retried_without_leaking_secrets(
    start_extraction_sandbox: StartSandbox, tap: Tap, tmp_path: Path, fault: Fault
) -> None:
    sandbox = start_extraction_sandbox(faults=(fault,))
    run = tap(
        extraction_config(sandbox, end_date="2024-01-02"),
        catalog=catalog_for(RECORDINGS),
        environment={"TAP_CXONE_LOGLEVEL": "DEBUG"},
    )
    assert run.code == 0, run.errors
    assert_complete(run, sandbox, RECORDINGS, 1, 2)
    assert_no_secrets(run, sandbox, tmp_path)


def test_an_expired_signed_address_is_requested_again(start_extraction_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_extraction_sandbox(faults=(Fault("download", "403", times=2),))
    run = tap(extraction_config(sandbox, end_date="2024-01-02"), catalog=catalog_for(WORKFLOWS))
    downloads = [request for request in sandbox.requests if request.call == "download"]
    assert [request.status for request in downloads] == [403, 403, 200]
    calls = [request.call for request in sandbox.requests]
    assert [before for before, call in pairwise(calls) if call == "download"] == ["status"] * 3
    assert_complete(run, sandbox, WORKFLOWS, 1, 2)


def test_a_storage_that_rejects_every_address_is_named(start_extraction_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_extraction_sandbox(faults=(Fault("download", "403"),))
    run = tap(extraction_config(sandbox, submit_interval=0, end_date="2024-01-02"), catalog=catalog_for(WORKFLOWS))
    assert run.code == 5
    assert "The storage at" in run.errors[0]
    assert "a proxy, a firewall" in run.errors[0]
