"""``python -m tests.benchmarks.fleet``: tenants and ranges through the Dagster example with 1, 2 and 4 workers.

Each partition is a process that materializes it, as with Dagster's run launcher, and never two of one tenant at a time.
Every number of workers begins with empty databases and new sandboxes.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import click

from tap_cxone.sandbox import Sandbox, SandboxOptions
from tests.conftest import JAN_1
from tests.fleet.example import Fleet, install_example
from tests.postgresql import running_server

DAYS = 30  # of a range


class Figures(NamedTuple):
    """What the runs of one number of workers took, in seconds, and how many rows there are and should be.

    The processor time is that of Dagster, Meltano, the taps and the targets, without PostgreSQL and the sandboxes.
    """

    makespan: float
    runs: float
    processor: float
    rows: int
    expected: int


@click.command()
@click.option("--tenants", default=4, show_default=True)
@click.option("--ranges", default=2, show_default=True, help=f"Ranges of {DAYS} days for each tenant.")
@click.option("--workers", multiple=True, default=(1, 2, 4), show_default=True, help="May be repeated.")
@click.option("--job-seconds", default=30.0, show_default=True, help="How long the platform takes for an export.")
@click.option("--events-per-day", default=240, show_default=True)
def main(*, tenants: int, ranges: int, workers: tuple[int, ...], job_seconds: float, events_per_day: int) -> None:
    """Print makespan, sum of the runs, ratio to the ideal, and rows against the sandbox's truth."""
    options = SandboxOptions(job_seconds=job_seconds, events_per_day=events_per_day)
    click.echo(f"{tenants} tenants, {ranges} ranges each, jobs of {job_seconds:g} s, {os.cpu_count()} processors\n")
    click.echo(
        "| workers | makespan, s | sum of runs, s | ratio to the ideal | processor seconds a run | rows | expected |\n"
        "|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder, running_server() as server:
        installed = install_example(Path(folder, "project"))
        alone = 0.0
        for count in workers:
            home = Path(folder, f"workers-{count}")
            home.mkdir()
            fleet = Fleet(*installed, home, server.new_database(), server.new_database())
            found = measure(fleet, tenants, ranges, count, options)
            # The ideal: the runs of the first line, spread evenly over as many workers as have a tenant. With fewer
            # workers in the first line, they disturb each other less.
            alone = alone or found.runs
            ratio = found.makespan / (alone / min(count, tenants))
            processor = found.processor / (tenants * ranges)
            click.echo(
                f"| {count} | {found.makespan:.0f} | {found.runs:.0f} | {ratio:.2f} | {processor:.1f} | {found.rows} "
                f"| {found.expected} |"
            )


def measure(fleet: Fleet, tenants: int, ranges: int, workers: int, options: SandboxOptions) -> Figures:
    """Load all ranges of all tenants with so many workers."""
    end = JAN_1 + timedelta(days=DAYS * ranges)
    keys = [f"{JAN_1 + timedelta(days=DAYS * n):%Y-%m-%d}" for n in range(ranges)]
    names = [f"tenant_{n}" for n in range(tenants)]
    with ExitStack() as stack:
        sandboxes = {name: stack.enter_context(Sandbox(options)) for name in names}
        fleet.write_tenants(f"{JAN_1:%Y-%m-%d}", f"{end:%Y-%m-%d}", **sandboxes)
        fleet.migrate()

        def load(name: str) -> list[float]:
            return [seconds(fleet, name, key) for key in keys]

        begun, used = time.perf_counter(), processor_seconds()
        # A worker takes all ranges of a tenant, so that a tenant never has two runs.
        with ThreadPoolExecutor(workers) as pool:
            durations = [duration for tenant in pool.map(load, names) for duration in tenant]
        makespan, processor = time.perf_counter() - begun, processor_seconds() - used
        expected = sum(1 for sandbox in sandboxes.values() for _ in sandbox.valid_events(JAN_1, end))
    rows = sum(len(set(fleet.ids(name))) for name in names)
    return Figures(makespan, sum(durations), processor, rows, expected)


def processor_seconds() -> float:
    """Return the processor time of the child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def seconds(fleet: Fleet, tenant: str, key: str) -> float:
    """Materialize one partition, which has to succeed; return how long it took."""
    begun = time.perf_counter()
    [ended] = fleet.materialize(tenant, key)
    if not ended["success"] or ended["checks"] != [True]:
        message = f"{tenant}, {key}: {ended}"
        raise click.ClickException(message)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
