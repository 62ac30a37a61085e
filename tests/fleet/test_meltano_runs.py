"""Runs that an orchestrator starts through Meltano: ranges with states of their own, signals, first starts at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import by_id, config_for, copy_project, read_lines, run_meltano, wait_until
from tests.end_to_end.helpers import expected_events, jobs_created
from tests.fleet.processes import kill_tap

if TYPE_CHECKING:
    from pathlib import Path

    from tap_cxone.sandbox import Sandbox
    from tests.conftest import StartSandbox

# One worker runs all of these tests, so that the plugins are installed only once.
pytestmark = [pytest.mark.xdist_group("meltano"), pytest.mark.timeout(600), pytest.mark.slow]

LOAD = ("--environment=prod", "run", "tap-cxone", "target-jsonl")
INCREMENT, RANGE = "prod:tap-cxone-to-target-jsonl", "prod:tap-cxone-to-target-jsonl:history"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the sample project with its tap and its loader installed."""
    folder = copy_project(tmp_path_factory.mktemp("fleet") / "copy")
    done = run_meltano(folder, "install", "extractor", "tap-cxone")
    assert done.returncode == 0, done.stdout
    done = run_meltano(folder, "install", "loader", "target-jsonl")
    assert done.returncode == 0, done.stdout
    return folder


def environment(sandbox: Sandbox, output: Path, **settings: Any) -> dict[str, str]:
    """Return the variables with which a run reads a sandbox and writes to a folder."""
    output.mkdir(exist_ok=True)
    config = config_for(sandbox, window_days=1, lookback_minutes=0, **settings)
    config |= {f"{name}_path": str(output / f"{name}.log.jsonl") for name in ("audit_log", "journal", "quarantine")}
    variables = {f"TAP_CXONE_{name.upper()}": str(value) for name, value in config.items()}
    database = {"MELTANO_DATABASE_URI": f"sqlite:///{output}/meltano.db"}
    return variables | database | {"TARGET_JSONL_DESTINATION_PATH": str(output)}


def loaded(output: Path) -> list[dict[str, Any]]:
    """Return the records that the target has written."""
    return read_lines(output / "bot_conversations.jsonl")


def state(folder: Path, state_id: str, variables: dict[str, str]) -> dict[str, Any]:
    """Return what Meltano keeps for a state id."""
    done = run_meltano(folder, "--environment=prod", "state", "get", state_id, **variables)
    assert done.returncode == 0, done.stdout
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_range_run_leaves_the_increments_state_alone(
    installed: Path, start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    sandbox, output = start_sandbox(), tmp_path / "output"
    increment = environment(sandbox, output, start_date="2024-01-06", end_date="2024-01-08")
    assert (done := run_meltano(installed, *LOAD, **increment)).returncode == 0, done.stdout
    before = state(installed, INCREMENT, increment)
    history = environment(sandbox, output, start_date="2024-01-01", end_date="2024-01-06")
    done = run_meltano(installed, *LOAD[:2], "--state-id-suffix=history", *LOAD[2:], **history)
    assert done.returncode == 0, done.stdout
    assert state(installed, INCREMENT, increment) == before
    own = state(installed, RANGE, history)["singer_state"]["bookmarks"]["bot_conversations"]
    assert own["replication_key_value"] == "2024-01-06T00:00:00.000Z"
    later = environment(sandbox, output, start_date="2024-01-06", end_date="2024-01-11")
    assert (done := run_meltano(installed, *LOAD, **later)).returncode == 0, done.stdout
    assert by_id(loaded(output)) == expected_events(sandbox), "each event once"


def test_after_a_sigterm_to_meltano_the_second_run_completes_with_the_jobs_of_the_first(
    installed: Path, start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    sandbox, output = start_sandbox(job_seconds=1), tmp_path / "output"
    variables = environment(sandbox, output)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TAP_CXONE", "MELTANO"))}
    process = subprocess.Popen(
        ["meltano", *LOAD], cwd=installed, env=inherited | variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    wait_until(lambda: jobs_created(sandbox) >= 5, "five jobs have been created", 120)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    [ended] = [event for event in read_lines(output / "audit_log.log.jsonl") if event["event"] == "run_ended"]
    assert (ended["exit_code"], ended["retryable"]) == (143, True)
    assert (done := run_meltano(installed, *LOAD, "--force", **variables)).returncode == 0, done.stdout
    assert {record["id"] for record in loaded(output)} == expected_events(sandbox).keys()
    assert jobs_created(sandbox) == 10, "a job for each of the ten windows, and none twice"


def test_a_migration_makes_several_first_starts_safe(
    installed: Path, start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    sandbox = start_sandbox()
    runs = []
    for number in range(2):
        runs.append(environment(sandbox, tmp_path / f"output-{number}", end_date="2024-01-03"))
        runs[-1]["MELTANO_DATABASE_URI"] = f"sqlite:///{tmp_path}/meltano.db"
        folder = tmp_path / f"system-{number}"
        folder.mkdir()
        for kind in ("extractors", "loaders"):
            (folder / kind).symlink_to(installed / ".meltano" / kind)
        runs[-1]["MELTANO_SYS_DIR_ROOT"] = str(folder)
    assert (done := run_meltano(installed, "state", "list", **runs[0])).returncode == 0, done.stdout

    def start(number: int) -> subprocess.CompletedProcess[str]:
        suffix = f"--state-id-suffix={number}"
        return run_meltano(installed, *LOAD[:2], suffix, *LOAD[2:], **runs[number])

    with ThreadPoolExecutor() as pool:
        for number, done in enumerate(pool.map(start, range(2))):
            assert done.returncode == 0, done.stdout
            assert by_id(loaded(tmp_path / f"output-{number}")) == expected_events(sandbox, 1, 3)


def test_one_audit_log_for_each_run_is_read_as_a_folder(
    installed: Path, start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    sandbox, output, logs = start_sandbox(), tmp_path / "output", tmp_path / "logs"
    for run, end in (("first", "2024-01-04"), ("second", "2024-01-06")):
        variables = environment(sandbox, output, end_date=end, orchestrator_run_id=run)
        variables["TAP_CXONE_AUDIT_LOG_PATH"] = str(logs / f"{run}.jsonl")
        assert (done := run_meltano(installed, *LOAD, **variables)).returncode == 0, done.stdout
    report = [f"{sys.prefix}/bin/cxone-report", "--audit-log-path", str(logs)]
    assert subprocess.run([*report, "--check", "2024-01-01", "2024-01-06"], check=False).returncode == 0
    for run in ("first", "second"):
        done = subprocess.run(
            [*report, "--last-run", "--json", "--run", run], capture_output=True, text=True, check=True
        )
        assert json.loads(done.stdout)["verdict"] == "completed"


@pytest.mark.parametrize("with_rules", [True, False], ids=["dumped by Meltano", "discovered"])
def test_what_docs_fleet_start_up_says_of_catalog_files(
    installed: Path, start_sandbox: StartSandbox, tmp_path: Path, *, with_rules: bool
) -> None:
    """Meltano does not apply `select` to a catalog file, so the rules have to be in the file."""
    sandbox, output, file = start_sandbox(), tmp_path / "output", tmp_path / "catalog.json"
    variables = environment(sandbox, output, end_date="2024-01-03")
    variables["TAP_CXONE__SELECT"] = json.dumps(["bot_conversations.*", "!bot_conversations.agentId"])
    write = ("invoke", "--dump=catalog", "tap-cxone") if with_rules else ("invoke", "tap-cxone", "--discover")
    done = run_meltano(installed, "--environment=prod", "--log-level=error", *write, **variables)
    assert done.returncode == 0, done.stdout
    file.write_text(done.stdout)
    variables["TAP_CXONE__CATALOG"] = str(file)
    done = run_meltano(installed, *LOAD, **variables)
    assert done.returncode == 0, done.stdout
    records = loaded(output)
    assert len(records) == len(expected_events(sandbox, 1, 3))
    assert any("agentId" in record for record in records) == (not with_rules)


def scheduled_run(folder: Path, **variables: str) -> subprocess.Popen[str]:
    """Start the script of the Airflow and Kubernetes pages."""
    prefixes = ("TAP_CXONE", "MELTANO", "CXONE")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    command = [sys.executable, "scripts/scheduled_run.py", *LOAD]
    return subprocess.Popen(
        command, cwd=folder, env=inherited | variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_a_scheduled_run_hands_sigterm_on(installed: Path, start_sandbox: StartSandbox, tmp_path: Path) -> None:
    sandbox, output = start_sandbox(job_seconds=60), tmp_path / "output"
    process = scheduled_run(installed, **environment(sandbox, output, orchestrator_run_id="job-1/1"))
    wait_until(lambda: sandbox.jobs or process.poll() is not None, "a job is created", 120)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 143, out
    assert read_lines(output / "audit_log.log.jsonl")[-1]["exit_code"] == 143


def test_a_scheduled_run_is_worth_a_retry_after_a_kill(
    installed: Path, start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    sandbox, output = start_sandbox(job_seconds=2), tmp_path / "output"
    variables = environment(sandbox, output, end_date="2024-01-03")
    process = scheduled_run(installed, **variables | {"TAP_CXONE_ORCHESTRATOR_RUN_ID": "job-1/1"})
    wait_until(lambda: sandbox.jobs or process.poll() is not None, "a job is created", 120)
    kill_tap("TAP_CXONE_AUDIT_LOG_PATH", variables["TAP_CXONE_AUDIT_LOG_PATH"])
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1, out
    assert json.loads(out.splitlines()[-1])["verdict"] == "killed"
    retry = scheduled_run(installed, **variables | {"TAP_CXONE_ORCHESTRATOR_RUN_ID": "job-1/2"})
    out, _ = retry.communicate(timeout=120)
    assert retry.returncode == 0, out
    assert {record["id"] for record in loaded(output)} == expected_events(sandbox, 1, 3).keys()


def test_config_test_creates_one_job_and_leaves_no_trace(
    installed: Path, start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    sandbox = start_sandbox(rows_per_day=240)
    output = tmp_path / "output"
    variables = environment(sandbox, output)
    done = run_meltano(installed, "--environment=prod", "config", "test", "tap-cxone", **variables)
    assert done.returncode == 0, done.stdout
    assert "Plugin configuration is valid" in done.stdout
    assert len(sandbox.jobs) == 1, "it reads one record, so one job is enough"
    assert not list(output.glob("*.log.jsonl")), "it is not a run"


def test_config_test_ends_with_the_sentence_of_a_refusal(
    installed: Path, start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    variables = environment(start_sandbox(), output, client_secret="wrong")
    done = run_meltano(installed, "--environment=prod", "config", "test", "tap-cxone", **variables)
    assert done.returncode == 1
    assert "client_secret" in done.stdout
    assert not list(output.glob("*.log.jsonl")), "it is not a run that failed"
