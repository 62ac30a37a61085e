"""A Dagster code location: each tenant and each range is one `meltano run`, retried if the tap's audit log says so.

README.md says how to start it and what to look at.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._core.errors import DagsterPipesExecutionError  # has no public name; the version is pinned

FOLDER = Path(os.environ["FLEET_HOME"])  # audit logs, journals and quarantines have to outlive the runs
PROJECT = Path(os.environ.get("MELTANO_PROJECT_ROOT", Path(__file__).parents[2]))
PLUGINS = PROJECT / ".meltano"
REPORT = PLUGINS / "utilities" / "cxone-report" / "venv" / "bin" / "cxone-report"
MELTANO = Path(sys.executable).with_name("meltano")

CONFIG = yaml.safe_load(Path(os.environ.get("FLEET_TENANTS", Path(__file__).with_name("tenants.yaml"))).read_text())
TENANTS: dict[str, dict[str, Any]] = CONFIG["tenants"]
START, END = (date.fromisoformat(str(CONFIG["history"][name])) for name in ("start", "end"))
SECRETS = {variable for tenant in TENANTS.values() for variable in tenant.get("secrets", {}).values()}
INCREMENT = "increment"  # the range without an end: each run begins where the last one ended, the first one at END

MAX_RETRIES = 4
RETRY_SECONDS = float(os.environ.get("FLEET_RETRY_SECONDS", "60"))  # doubled for each further retry

for name in TENANTS:
    if not re.fullmatch("[a-z][a-z0-9_]*", name):  # it becomes a part of state ids, file names and a schema
        msg = f"tenant {name!r}: a name has only small letters, digits and underscores"
        raise ValueError(msg)


def build(name: str, extractor: str, days: int) -> tuple[dg.AssetsDefinition, dg.ScheduleDefinition]:
    """Return the asset of one extractor, with ranges of at most so many days, and its daily schedule."""
    first_days = [START + timedelta(days=n) for n in range(0, (END - START).days, days)]
    ranges = {str(day): (str(day), str(min(day + timedelta(days=days), END))) for day in first_days}
    partitions = dg.MultiPartitionsDefinition(
        {
            "tenant": dg.StaticPartitionsDefinition(list(TENANTS)),
            "range": dg.StaticPartitionsDefinition([INCREMENT, *ranges]),
        }
    )

    @dg.asset(name=name, partitions_def=partitions, check_specs=[dg.AssetCheckSpec("complete", asset=name)])
    def load(context: dg.AssetExecutionContext, client: dg.PipesSubprocessClient) -> dg.MaterializeResult:
        tenant, key = (context.partition_key.keys_by_dimension[name] for name in ("tenant", "range"))
        bounds = ranges.get(key)
        files = {
            kind: FOLDER / kind / f"{tenant}.{key}.{name}.jsonl" for kind in ("journal", "audit_log", "quarantine")
        }
        for path in files.values():
            path.parent.mkdir(exist_ok=True)
        settings = CONFIG.get("settings", {}) | TENANTS[tenant].get("settings", {})
        settings |= {f"{kind}_path": path for kind, path in files.items()}
        settings |= {"tenant": tenant, "orchestrator_run_id": context.run_id, "start_date": END}
        if bounds:
            settings |= {"start_date": bounds[0], "end_date": bounds[1], "lookback_minutes": 0}
        # An hour is more than the settling time: the increment has to cover what is older.
        check = bounds or (str(END), (datetime.now(UTC) - timedelta(hours=1)).isoformat(timespec="seconds"))
        ended = run(context, client, extractor, key, settings)
        audit_log = ("--audit-log-path", str(files["audit_log"]))
        report = subprocess.run([REPORT, *audit_log, "--check", *check], capture_output=True, text=True, check=False)
        result = dg.AssetCheckResult(
            check_name="complete", passed=report.returncode == 0, metadata={"report": report.stdout + report.stderr}
        )
        return dg.MaterializeResult(metadata=ended, check_results=[result])

    job = dg.define_asset_job(f"{name}_job", [load], partitions_def=partitions)

    @dg.schedule(name=f"{name}_daily", job=job, cron_schedule="0 2 * * *")
    def daily(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        for tenant in TENANTS:
            partition = dg.MultiPartitionKey({"tenant": tenant, "range": INCREMENT})
            yield dg.RunRequest(f"{tenant} {context.scheduled_execution_time.isoformat()}", partition_key=partition)

    return load, daily


def run(
    context: dg.AssetExecutionContext,
    client: dg.PipesSubprocessClient,
    extractor: str,
    key: str,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Run Meltano once and return how the tap ended.

    Raises:
        RetryRequested: the tap was killed, or says that a later run may succeed, or the loader failed.
        Failure: another run would fail in the same way.
    """
    tenant, audit_log = settings["tenant"], settings["audit_log_path"]
    secrets = {name: os.environ[variable] for name, variable in TENANTS[tenant].get("secrets", {}).items()}
    variables = dict.fromkeys(SECRETS, "")  # a run inherits Dagster's environment, but needs no other tenant's secrets
    variables |= {f"TAP_CXONE_{name.upper()}": str(value) for name, value in (settings | secrets).items()}
    variables["TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA"] = tenant
    variables["MELTANO_PROJECT_ROOT"] = str(PROJECT)
    command = [MELTANO, "--environment=prod", "run", f"--state-id-suffix={tenant}.{key}", extractor, "target-postgres"]
    if context.retry_number:
        command.insert(3, "--force")  # Meltano counts a killed run as active for five minutes; this one has ended
    # Parallel runs that share this folder read each other's catalog. The plugins are the same for all.
    with tempfile.TemporaryDirectory(prefix="meltano-", dir=FOLDER) as folder:
        for plugins in ("extractors", "loaders"):
            Path(folder, plugins).symlink_to(PLUGINS / plugins)
        variables["MELTANO_SYS_DIR_ROOT"] = folder
        try:
            client.run(context=context, command=[str(word) for word in command], env=variables, cwd=str(PROJECT))
            failure = None
        except DagsterPipesExecutionError as error:  # another one says that the Dagster run is terminated
            failure = error
    ended = verdict(audit_log, context.run_id)
    if failure is None and ended["exit_code"] == 0:
        return {name: value for name, value in ended.items() if value is not None}
    reason = ended["reason"] or str(failure or "the audit log has no end of this run")
    # With exit code 0 the tap is done, and the loader failed.
    if ended["retryable"] or ended["exit_code"] == 0:
        context.log.warning("Retried, unless this was the last attempt: %s", reason)
        wait = RETRY_SECONDS * 2**context.retry_number
        raise dg.RetryRequested(max_retries=MAX_RETRIES, seconds_to_wait=wait) from failure
    raise dg.Failure(description=reason, metadata={"exit_code": ended["exit_code"]}, allow_retries=False)


def verdict(audit_log: Path, run_id: str) -> dict[str, Any]:
    """Return how the tap ended in its last attempt of a Dagster run, as `cxone-report --last-run` prints it."""
    command = [REPORT, "--audit-log-path", audit_log, "--last-run", "--json", "--run", run_id]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # No such run in the log: it never began. So it may be retried, as one that was killed.
    return json.loads(done.stdout) if done.returncode == 0 else {"exit_code": None, "retryable": True, "reason": None}


assets, schedules = zip(
    build("bot_conversations", "tap-cxone", 30), build("data_extraction", "tap-cxone-extraction", 14), strict=True
)
definitions = dg.Definitions(
    assets=assets,
    schedules=schedules,
    resources={"client": dg.PipesSubprocessClient(termination_timeout_seconds=120)},
    executor=dg.in_process_executor,  # a run has one step
)
