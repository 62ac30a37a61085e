"""``python -m tests.benchmarks.postgresql``: loads the same events into PostgreSQL in several ways and prints a table.

The ways are RECORD messages with the defaults of target-postgres, RECORD messages with COPY and without validation, and
BATCH messages. Each gets an empty database and a new state. The sandbox runs in this process, beside the pipeline, but
its processor time is not in the table.

Processor time:

* The tap and the target: what the kernel reports when it hands over their exit status (``wait4``).
* The server: the growth during the load of what Linux counts in ``/proc/PID/stat``. Of the server's main process that
  is its own time and the time of the children that it has waited for. The target's connection is such a child, because
  the count is taken when no connection is left. The time of children that still run (checkpointer, writers) is added.
"""

from __future__ import annotations

import gzip
import json
import os
import platform
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tap_cxone.sandbox import Sandbox, SandboxOptions
from tests.conftest import JAN_1, PROJECT, wait_until
from tests.postgresql import NotInstalledError, Server, running_server
from tests.target_postgres import COPY, SCHEMA, Load, LoadError, install, load

if TYPE_CHECKING:
    from tests.postgresql import Database

DAYS = 300
WINDOW_DAYS = 30


@dataclass(frozen=True)
class Way:
    """One way to load.

    Attributes:
        name: its name in the table.
        target: settings of the target.
        batch: whether the tap is to write BATCH messages.
    """

    name: str
    target: dict[str, Any]
    batch: bool = False


WAYS = (
    Way("RECORD", {}),
    Way("RECORD, `use_copy`, no validation", COPY),
    Way("BATCH", {}, batch=True),
    Way("BATCH, `use_copy`", COPY, batch=True),
)


@dataclass(frozen=True)
class Result:
    """What one load took; ``server_cpu`` is in seconds, like the times of the load."""

    load: Load
    server_cpu: float


def server_cpu(server: Server) -> float:
    """Return the processor seconds that the server has used up to now; the docstring of the module says how."""
    others = "backend_type = 'client backend' AND pid <> pg_backend_pid()"
    statement = f"SELECT count(*) FROM pg_stat_activity WHERE {others}"
    wait_until(lambda: server.psql("postgres", statement).strip() == "0", "all connections are closed")
    main = str(server.pid)
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name of the program, which may contain spaces, is in parentheses. State and parent follow.
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended since
        if main in {path.parent.name, fields[1]}:
            ticks += sum(map(int, fields[11:15]))  # user and system time: its own, and that of its children
    return ticks / os.sysconf("SC_CLK_TCK")


def config_for(sandbox: Sandbox, way: Way, folder: Path, batch_size: int) -> dict[str, Any]:
    """Return the configuration of the tap."""
    config: dict[str, Any] = {
        "api_url": sandbox.url,
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "start_date": f"{JAN_1:%Y-%m-%d}",
        "end_date": f"{JAN_1 + timedelta(days=DAYS):%Y-%m-%d}",
        "window_days": WINDOW_DAYS,
    }
    if way.batch:
        config["batch_config"] = {
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": folder.as_uri()},
            "batch_size": batch_size,
        }
    return config


def records_in(folder: Path) -> int:
    """Return how many records the batch files of a folder have."""
    records = 0
    for path in folder.iterdir():
        with gzip.open(path) as lines:
            records += sum(1 for _ in lines)
    return records


def measure(way: Way, server: Server, sandbox: Sandbox, target: Path, batch_size: int) -> Result:
    """Load once, and check that everything has arrived the way it was meant to.

    Raises:
        LoadError: it has not.
    """
    expected = DAYS * sandbox.options.events_per_day
    database = server.new_database()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        batches = folder / "batches"
        batches.mkdir()
        (folder / "tap.json").write_text(json.dumps(config_for(sandbox, way, batches, batch_size)))
        tap = [sys.executable, "-m", "tap_cxone", "--config", str(folder / "tap.json")]
        before = server_cpu(server)
        found = load(tap, target, database, folder, **way.target)
        result = Result(found, server_cpu(server) - before)
        check("the table", rows_in(database), expected)
        check("the batch files", records_in(batches), expected if way.batch else 0)
    # Else autovacuum works on this one during the next load.
    server.psql("postgres", f"DROP DATABASE {database.name}")
    return result


def rows_in(database: Database) -> int:
    """Return the number of rows in the table."""
    [row] = database.query(f"SELECT count(*) AS rows FROM {SCHEMA}.bot_conversations")
    count: int = row["rows"]
    return count


def check(what: str, found: int, expected: int) -> None:
    """Compare two numbers of records.

    Raises:
        LoadError: they differ.
    """
    if found != expected:
        message = f"{what}: {found:,} records instead of {expected:,}"
        raise LoadError(message)


def table_row(way: Way, records: int, results: list[Result]) -> str:
    """Return the row of the table for the load with the median duration."""
    result = sorted(results, key=lambda result: result.load.seconds)[len(results) // 2]
    seconds = result.load.seconds
    cpu = (result.load.tap_cpu, result.load.target_cpu, result.server_cpu)
    return f"| {way.name} | {seconds:.1f} | {records / seconds:,.0f} | " + " | ".join(f"{x:.1f}" for x in cpu) + " |"


def compare(server: Server, records: int, rounds: int, batch_size: int) -> list[str]:
    """Let the ways take turns, and return the table; a way that fails has the reason in its row."""
    target = install()
    results: dict[str, list[Result]] = {way.name: [] for way in WAYS}
    failures: dict[str, str] = {}
    with Sandbox(SandboxOptions(events_per_day=records // DAYS)) as sandbox:
        for _ in range(rounds):
            for way in WAYS:
                try:
                    results[way.name].append(measure(way, server, sandbox, target, batch_size))
                except LoadError as error:
                    failures[way.name] = str(error).splitlines()[-1]
    loaded = records // DAYS * DAYS
    return [
        "| messages | seconds | rows/s | CPU seconds: tap | target | server |",
        "|---|---|---|---|---|---|",
        *(
            f"| {way.name} | failed: {failures[way.name]} | | | | |"
            if way.name in failures
            else table_row(way, loaded, results[way.name])
            for way in WAYS
        ),
    ]


@click.command()
@click.option("--records", default=300_000, show_default=True, help="Events to load, spread over 300 days.")
@click.option("--rounds", default=1, show_default=True, help="Loads in each way; the median of the durations counts.")
@click.option("--batch-size", default=10_000, show_default=True, help="Records in a batch file.")
@click.option("--output", default=".output/benchmark-postgresql.md", show_default=True, help="File for the table.")
def main(*, records: int, rounds: int, batch_size: int, output: str) -> None:
    """Compare ways to load into PostgreSQL."""
    try:
        with running_server() as server:
            version = server.psql("postgres", "SHOW server_version").split()[0]
            rows = compare(server, records, rounds, batch_size)
    except NotInstalledError as error:
        sys.exit(str(error))
    now = datetime.now(UTC).strftime("%Y-%m-%d")
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, PostgreSQL {version}"
    text = "\n".join([f"{now}, {machine}, {records:,} records, {batch_size:,} in a batch file", "", *rows]) + "\n"
    (PROJECT / output).write_text(text)
    click.echo(text)


if __name__ == "__main__":
    main()
