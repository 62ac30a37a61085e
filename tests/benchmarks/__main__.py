"""``python -m tests.benchmarks``: measures speed and memory in one run and prints tables in Markdown.

Only ratios are meaningful: the speed of a machine drifts, and so do all times.
"""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import click

from tests.benchmarks import memory, pipelines, rates, report
from tests.benchmarks.files import LAYOUTS

PROJECT = Path(__file__).parents[2]
TABLES = ("rates", "references", "memory", "pipelines", "report")
MEMORY_SIZES = [1_000_000, 3_000_000]
REPORT_LINES = 1_000_000


@click.command()
@click.option("--records", default=1_000_000, show_default=True, help="Records in the larger export of the rates.")
@click.option("--rounds", default=3, show_default=True, help="Runs of each contestant; the medians are compared.")
@click.option(
    "--table",
    "tables",
    type=click.Choice(TABLES),
    multiple=True,
    default=TABLES,
    help="Only this table; may be repeated. Default: all of them. references extends rates.",
)
@click.option(
    "--layout",
    "layouts",
    type=click.Choice(list(LAYOUTS)),
    multiple=True,
    default=list(LAYOUTS),
    help="Only this layout in the table of rates; may be repeated. Default: all of them.",
)
@click.option("--pipeline-records", default=300_000, show_default=True, help="Records that each pipeline loads.")
@click.option(
    "--pipeline",
    "names",
    multiple=True,
    default=("",),
    help="Only pipelines whose name has this text; may be repeated. Default: all of them.",
)
@click.option("--output", default=".output/benchmark.md", show_default=True, help="File for the tables.")
def main(
    *,
    records: int,
    rounds: int,
    tables: tuple[str, ...],
    layouts: tuple[str, ...],
    pipeline_records: int,
    names: tuple[str, ...],
    output: str,
) -> None:
    """Compare the tap with a plain singer-sdk tap on the same files: whole processes, over HTTP."""
    now = datetime.now(UTC).strftime("%Y-%m-%d")
    parts = [f"{now}, {os.cpu_count()} cores, Python {platform.python_version()}, {records:,} records in one export"]
    if "rates" in tables:
        parts += rates.tables(list(layouts), records, rounds, with_references="references" in tables)
    if "memory" in tables:
        parts.append(memory.memory_table(MEMORY_SIZES))
    if "pipelines" in tables:
        parts.append(pipelines.pipelines_table(pipeline_records, rounds, names))
    if "report" in tables:
        parts.append(report.report_table(REPORT_LINES))
    text = "\n\n".join(parts) + "\n"
    (PROJECT / output).write_text(text)
    click.echo(text)


if __name__ == "__main__":
    main()
