"""The Dagster example with real Meltano and PostgreSQL: complete after a kill, retried only where that helps."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from tests.conftest import read_lines, skip_or_fail, wait_until
from tests.end_to_end.helpers import ENTITIES, QUESTIONS, RECORDINGS, SUBMIT_INTERVAL, WORKFLOWS
from tests.environments import InstallError
from tests.fleet.example import EXAMPLE, Fleet, install_example
from tests.fleet.processes import kill_tap
from tests.postgresql import NotInstalledError, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_cxone.sandbox import Sandbox
    from tests.conftest import StartSandbox
    from tests.postgresql import Server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("fleet"),
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

FIRST, SECOND = "2024-01-01", "2024-01-31"
STATE = "prod:tap-cxone-to-target-postgres"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    try:
        with running_server() as server:
            yield server
    except NotInstalledError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def installed(server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    try:
        return install_example(tmp_path_factory.mktemp("fleet") / "project")
    except InstallError as error:
        skip_or_fail(f"the Dagster example cannot be installed: {error}")


@pytest.fixture
def fleet(installed: tuple[Path, Path], server: Server, tmp_path: Path) -> Fleet:
    fleet = Fleet(*installed, tmp_path, server.new_database(), server.new_database())
    fleet.migrate()
    return fleet


def expected_ids(sandbox: Sandbox, start: str, end: str) -> list[str]:
    bounds = (datetime.fromisoformat(date).replace(tzinfo=UTC) for date in (start, end))
    return sorted(event["id"] for event in sandbox.valid_events(*bounds))


def test_two_tenants_with_two_ranges_each_are_loaded_completely(fleet: Fleet, start_sandbox: StartSandbox) -> None:
    sandboxes = {"north": start_sandbox(), "south": start_sandbox(events_per_day=60)}
    fleet.write_tenants("2024-01-01", "2024-02-10", **sandboxes)
    ended = fleet.materialize(*(word for tenant in sandboxes for key in (FIRST, SECOND) for word in (tenant, key)))
    assert [run["success"] for run in ended] == [True] * 4
    assert [run["checks"] for run in ended] == [[True]] * 4
    assert [run["metadata"]["orchestrator_run_id"] for run in ended] == [run["run_id"] for run in ended]
    for tenant, sandbox in sandboxes.items():
        assert fleet.ids(tenant) == expected_ids(sandbox, "2024-01-01", "2024-02-10")
    assert not list(fleet.home.glob("meltano-*")), "the folders of the runs are removed"


def test_a_killed_tap_is_retried_and_its_job_is_used_again(fleet: Fleet, start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(job_seconds=5)
    fleet.write_tenants("2024-01-01", "2024-01-11", north=sandbox, south=sandbox)
    fleet.variables["SOUTH_SECRET"] = "of another tenant"
    process = fleet.start("north", FIRST)
    wait_until(lambda: sandbox.jobs or process.poll() is not None, "a job is created", 120)
    assert b"of another tenant" not in kill_tap("FLEET_HOME", fleet.home)
    [ended] = fleet.finish(process)
    assert (ended["success"], ended["retries"], ended["checks"]) == (True, 1, [True])
    assert fleet.ids("north") == expected_ids(sandbox, "2024-01-01", "2024-01-11")
    assert len(sandbox.jobs) <= 2, "one more job at most, if the response to the create was lost"


def test_data_extraction_is_loaded_completely(fleet: Fleet, start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(submit_seconds=SUBMIT_INTERVAL, rows_per_day=12)
    fleet.write_tenants("2024-01-01", "2024-01-15", north=sandbox)
    [ended] = fleet.materialize("north", FIRST, asset="data_extraction")
    assert (ended["success"], ended["checks"]) == (True, [True])
    for table in (RECORDINGS, WORKFLOWS, QUESTIONS):
        entity, version, _ = ENTITIES[table]
        rows = sandbox.extraction_rows(entity, version, date(2024, 1, 1), date(2024, 1, 15))
        [found] = fleet.warehouse.query(f"SELECT count(*) AS rows FROM north.{table}")
        assert found["rows"] == len(list(rows))


def test_an_interrupted_worker_ends_the_tap_and_leaves_no_process(fleet: Fleet, start_sandbox: StartSandbox) -> None:
    """Dagster ends a run that somebody terminates with SIGINT to its worker."""
    sandbox = start_sandbox(job_seconds=60)
    fleet.write_tenants("2024-01-01", "2024-01-11", north=sandbox)
    process = fleet.start("north", FIRST)
    wait_until(lambda: sandbox.jobs or process.poll() is not None, "a job is created", 120)
    process.send_signal(signal.SIGINT)
    [ended] = fleet.finish(process)
    assert (ended["success"], ended["retries"]) == (False, 0)
    events = read_lines(fleet.home / "audit_log" / f"north.{FIRST}.bot_conversations.jsonl")
    assert (events[-1]["event"], events[-1]["exit_code"]) == ("run_ended", 143)
    assert not list(fleet.home.glob("meltano-*")), "the folder of the run is removed"


def test_refused_credentials_are_not_retried(fleet: Fleet, start_sandbox: StartSandbox) -> None:
    fleet.write_tenants("2024-01-01", "2024-01-11", north=start_sandbox())
    fleet.variables["NORTH_SECRET"] = "not-the-secret"
    [ended] = fleet.materialize("north", FIRST)
    assert (ended["success"], ended["retries"]) == (False, 0)


def test_a_range_leaves_the_state_of_the_increment_alone(fleet: Fleet, start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    fleet.write_tenants("2024-01-01", "2024-01-11", north=sandbox)
    fleet.variables["TAP_CXONE_END_DATE"] = "2024-01-21"  # where the increment ends; a range has its own
    [increment] = fleet.materialize("north", "increment")
    query = f"SELECT * FROM state WHERE state_id = '{STATE}:north.increment'"
    [before] = fleet.state.query(query)
    [ended] = fleet.materialize("north", FIRST)
    assert increment["success"]
    assert ended["success"]
    assert fleet.state.query(query) == [before]
    assert fleet.states() == [f"{STATE}:north.{FIRST}", f"{STATE}:north.increment"]
    assert fleet.ids("north") == expected_ids(sandbox, "2024-01-01", "2024-01-21"), "no gap between the two"


TICKS = """
import json, runpy, sys
from datetime import datetime, timezone
import dagster as dg
definitions = runpy.run_path(sys.argv[1])["definitions"]
repository = definitions.get_repository_def()
requests = []
for name in ("bot_conversations_daily", "data_extraction_daily"):
    for day in (1, 2):
        time = datetime(2024, 3, day, 2, tzinfo=timezone.utc)
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_schedule_context(instance, scheduled_execution_time=time, repository_def=repository)
            tick = definitions.resolve_schedule_def(name).evaluate_tick(context)
        requests += [[request.run_key, request.tags["dagster/partition"]] for request in tick.run_requests]
print(json.dumps(requests))
"""


def test_the_schedules_start_the_increment_of_each_tenant_once_a_day(fleet: Fleet, start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    fleet.write_tenants("2024-01-01", "2024-01-11", north=sandbox, south=sandbox)
    command: list[str | Path] = [fleet.programs / "python", "-c", TICKS, EXAMPLE / "fleet.py"]
    done = subprocess.run(command, env=fleet.environment(), stdout=subprocess.PIPE, text=True, check=True)
    requests = json.loads(done.stdout)
    assert [partition for _, partition in requests] == ["increment|north", "increment|south"] * 4
    of_one_asset = [key for key, _ in requests[:4]]
    assert len(set(of_one_asset)) == 4, "a key that Dagster has seen before starts nothing"
