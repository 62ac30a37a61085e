"""The DAG file of docs/fleet/airflow.md, imported by Airflow, and its tasks with the real Meltano."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tap_cxone.sandbox import Sandbox, SandboxOptions
from tests import environments
from tests.conftest import by_id, copy_project, january, read_lines, run_meltano
from tests.fleet.pages import code_blocks

# One worker runs all of these tests, so that Airflow is installed only once. Downloads may take a while.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("airflow"), pytest.mark.timeout(600)]

AIRFLOW = ("apache-airflow==3.3.2", "apache-airflow-providers-standard==1.21.0")

INSPECT = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
dags = {
    dag.dag_id: [dag.max_active_runs, dag.catchup, type(dag.timetable).__name__, [
        [task.task_id, task.retries] for task in dag.tasks]]
    for dag in bag.dags.values()
}
print("RESULT", json.dumps([dags, {str(k): v for k, v in bag.import_errors.items()}]))
"""

RUN = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
dag = DagBag(sys.argv[1]).dags[sys.argv[2]]
run = dag.test(run_conf=json.loads(sys.argv[3]))
print("RESULT", json.dumps([run.run_id, [[ti.state, ti.try_number] for ti in run.get_task_instances()]]))
"""


@dataclass
class Airflow:
    """An installation with the files of the page, and a project."""

    programs: Path
    home: Path
    project: Path

    def write(self, url: str) -> None:
        """Write the files of the page; all tenants are at one address."""
        [dag], [tenants] = code_blocks("airflow.md", "python"), code_blocks("airflow.md", "yaml")
        (self.home / "dags").mkdir(parents=True, exist_ok=True)
        (self.home / "dags" / "cxone.py").write_text(dag.replace("target-duckdb", "target-jsonl"))
        for name in ("north", "south"):
            tenants = tenants.replace(f"https://api.{name}.example", url)
        (self.home / "dags" / "tenants.yaml").write_text(tenants)

    def run(self, script: str, *arguments: str, **settings: str) -> Any:
        """Run a script beside Airflow and return its result."""
        ours = ("TAP_CXONE", "CXONE", "MELTANO", "AIRFLOW")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        environment |= {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
            "CXONE_PROJECT": str(self.project),
            "MELTANO_DATABASE_URI": f"sqlite:///{self.home}/meltano.db",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "no_proxy": "127.0.0.1,localhost",
            "NO_PROXY": "127.0.0.1,localhost",
        }
        python = self.programs / "python"
        if not (self.home / "airflow.db").exists():
            migrate: list[str | Path] = [self.programs / "airflow", "db", "migrate"]
            subprocess.run(migrate, env=environment, check=True, capture_output=True, timeout=200)
        command: list[str | Path] = [python, "-c", script, self.home / "dags", *arguments]
        done = subprocess.run(
            command,
            env=environment | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        results = [line.removeprefix("RESULT ") for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        assert len(results) == 1, done.stdout
        return json.loads(results[0]), done.stdout


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    programs = environments.install("airflow", *AIRFLOW)
    project = copy_project(tmp_path_factory.mktemp("project") / "copy")
    for plugin in (("extractor", "tap-cxone"), ("loader", "target-jsonl")):
        done = run_meltano(project, "install", *plugin)
        assert done.returncode == 0, done.stdout
    airflow = Airflow(programs, tmp_path_factory.mktemp("airflow"), project)
    airflow.write("https://api.example")
    return airflow


def connection(tenant: str, sandbox: Sandbox, secret: str | None = None) -> dict[str, str]:
    value = {"conn_type": "generic", "login": sandbox.client_id, "password": secret or sandbox.client_secret}
    return {f"AIRFLOW_CONN_CXONE_{tenant.upper()}": json.dumps(value)}


def test_airflow_imports_two_dags_a_tenant(airflow: Airflow) -> None:
    (dags, errors), _ = airflow.run(INSPECT)
    assert errors == {}
    assert set(dags) == {"cxone_north", "cxone_north_range", "cxone_south", "cxone_south_range"}
    for name, (max_active_runs, catchup, schedule, tasks) in dags.items():
        assert max_active_runs == 1
        assert not catchup
        assert (schedule == "NullTimetable") == name.endswith("_range"), schedule
        assert tasks == [["load", 4]]


def test_a_range_is_loaded_with_a_state_of_its_own(airflow: Airflow) -> None:
    with Sandbox(SandboxOptions(job_seconds=0.05, events_per_day=24)) as sandbox:
        airflow.write(sandbox.url)
        span = json.dumps({"start": "2024-01-01", "end": "2024-01-04"})
        (run_id, tasks), out = airflow.run(RUN, "cxone_north_range", span, **connection("north", sandbox))
        expected = by_id(sandbox.valid_events(january(1), january(4)))
    assert [state for state, _ in tasks] == ["success"], out
    output = airflow.project / ".output"
    assert by_id(read_lines(output / "bot_conversations.jsonl")) == expected
    [end] = [event for event in read_lines(output / "north-audit.jsonl") if event["event"] == "run_ended"]
    assert end["orchestrator_run_id"].startswith(f"{run_id}/")
    assert end["tenant"] == "north"
    state_ids = run_meltano(
        airflow.project,
        "--environment=prod",
        "state",
        "list",
        MELTANO_DATABASE_URI=f"sqlite:///{airflow.home}/meltano.db",
    )
    assert "north-2024-01-01-2024-01-04" in state_ids.stdout


def test_refused_credentials_are_not_retried(airflow: Airflow) -> None:
    with Sandbox(SandboxOptions(job_seconds=0.05)) as sandbox:
        airflow.write(sandbox.url)
        span = json.dumps({"start": "2024-01-01", "end": "2024-01-04"})
        wrong = connection("south", sandbox, "not-the-secret")
        (_, tasks), out = airflow.run(RUN, "cxone_south_range", span, **wrong)
    assert [state for state, _ in tasks] == ["failed"], out
    assert "AirflowFailException" in out
    assert "not-the-secret" not in out
