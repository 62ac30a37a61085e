"""The table of whole pipelines: from the export over HTTP to what was loaded, start-up included.

Every contestant loads the same export into an empty place and is checked for having loaded every record once. Wall time
is that of the whole pipe, processor time that of all its processes. The contestants take turns; the medians count. The
memory of a tap that dlt starts is not counted.

To add a contestant, add it to ``PIPELINES``: its commands form a pipe. What it needs beside the tap goes into an
environment of its own (``environments.py``).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import click

from tests.benchmarks.contestants import Export, check_tap, tap_command, tap_config, write_config
from tests.benchmarks.environments import programs, versions
from tests.benchmarks.files import DAYS, write_exports
from tests.benchmarks.markdown import table
from tests.benchmarks.processes import measure
from tests.benchmarks.server import serving
from tests.environments import EXAMPLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.processes import Usage

HERE = Path(__file__).parent
QUERY = HERE.parent / "query_duckdb.py"
LAYOUT = "compact"


@dataclass(frozen=True)
class Pipeline:
    """One contestant.

    Attributes:
        label: its name in the table.
        commands: returns the commands of the pipe; the tap, if there is one, comes first.
        count: returns how many records were loaded.
        environment: returns environment variables for the commands.
    """

    label: str
    commands: Callable[[Export], list[list[str]]]
    count: Callable[[Export], int]
    environment: Callable[[Export], dict[str, str]] = lambda _: {}


def _database(export: Export) -> str:
    return str(export.folder / "loaded.duckdb")


def _tap_and_duckdb(export: Export) -> list[list[str]]:
    config = {"filepath": _database(export), "default_target_schema": "cxone"}
    target = str(programs("target-duckdb") / "target-duckdb")
    return [tap_command(export), [target, "--config", write_config(export, "target", config)]]


def _tap_and_jsonl(export: Export) -> list[list[str]]:
    config = {"destination_path": str(export.folder), "do_timestamp_file": False}
    target = str(programs("target-jsonl") / "target-jsonl")
    return [tap_command(export), [target, "--config", write_config(export, "target", config)]]


def _dlt(export: Export, kind: str) -> list[list[str]]:
    script = [str(programs("dlt") / "python"), "-P", str(HERE / "dlt_pipeline.py")]
    return [[*script, kind, export.download_url, _database(export), str(export.folder / "dlt")]]


def _dlt_and_tap(_: Export) -> list[list[str]]:
    return [[str(programs("dlt") / "python"), "-P", str(EXAMPLE / "cxone.py")]]


def _dlt_settings(export: Export) -> dict[str, str]:
    config = tap_config(export)
    credentials = {name: config.pop(name) for name in ("client_id", "client_secret")}
    return {
        "SOURCES__CXONE__SETTINGS": json.dumps(config),
        "SOURCES__CXONE__CREDENTIALS": json.dumps(credentials),
        "SOURCES__CXONE__COMMAND": str(Path(sys.executable).with_name("tap-cxone")),
        "DESTINATION__DUCKDB__CREDENTIALS": f"duckdb:///{_database(export)}",
    }


def _in_duckdb(export: Export, environment: str) -> int:
    query = "SELECT count(*), count(DISTINCT id) FROM cxone.bot_conversations"
    command = [str(programs(environment) / "python"), "-P", str(QUERY), _database(export), query]
    [[records, distinct]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    if records != distinct:
        msg = f"{records} records were loaded, but only {distinct} ids."
        raise click.ClickException(msg)
    return int(records)


def _in_jsonl(export: Export) -> int:
    with (export.folder / "bot_conversations.jsonl").open("rb") as file:
        return sum(1 for _ in file)


_in_dlt = partial(_in_duckdb, environment="dlt")

PIPELINES = [
    Pipeline("tap-cxone, target-jsonl", _tap_and_jsonl, _in_jsonl),
    Pipeline("tap-cxone, target-duckdb", _tap_and_duckdb, partial(_in_duckdb, environment="target-duckdb")),
    Pipeline("dlt, Python objects", partial(_dlt, kind="objects"), _in_dlt),
    Pipeline("dlt, Python objects, Parquet files", partial(_dlt, kind="parquet"), _in_dlt),
    Pipeline("dlt, Arrow tables", partial(_dlt, kind="arrow"), _in_dlt),
    Pipeline("dlt with tap-cxone's BATCH files", _dlt_and_tap, _in_dlt, _dlt_settings),
]


def pipelines_table(records: int, rounds: int, names: tuple[str, ...] = ("",)) -> str:
    """Measure and return the table, with a line about the versions.

    Args:
        records: how many records each contestant loads.
        rounds: how often.
        names: parts of labels; only the contestants that have one of them are measured.
    """
    records = records // DAYS * DAYS
    pipelines = [pipeline for pipeline in PIPELINES if any(name in pipeline.label for name in names)]
    runs: dict[str, list[list[Usage]]] = {pipeline.label: [] for pipeline in pipelines}
    with tempfile.TemporaryDirectory() as name:
        path = write_exports(Path(name), [LAYOUT], records)[LAYOUT]
        for _ in range(rounds):
            for pipeline in pipelines:
                runs[pipeline.label].append(_run(pipeline, path, records))
    rows = [[label, *_figures(records, found)] for label, found in runs.items()]
    header = [f"pipeline, {records:,} records", "seconds", "records/s", "CPU seconds", "of these, the tap", "peak MiB"]
    return f"{table(header, rows)}\n\nInstalled: {versions()}."


def _run(pipeline: Pipeline, path: Path, records: int) -> list[Usage]:
    """Run one pipeline; return the usage of each of its processes."""
    with serving(path) as url, tempfile.TemporaryDirectory() as folder:
        export = Export(url, LAYOUT, records, Path(folder))
        commands = pipeline.commands(export)
        settings = {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": folder}
        usages = measure(*commands, environment=settings | pipeline.environment(export))
        if commands[0] == tap_command(export):
            check_tap(export)
        if (loaded := pipeline.count(export)) != records:
            msg = f"{pipeline.label} loaded {loaded} of {records} records."
            raise click.ClickException(msg)
        return usages


def _figures(records: int, runs: list[list[Usage]]) -> list[str]:
    seconds = median(max(usage.seconds for usage in usages) for usages in runs)
    cpu = median(sum(usage.cpu_seconds for usage in usages) for usages in runs)
    tap = median(usages[0].cpu_seconds for usages in runs)
    # The processes of a pipe run at the same time, so that their peaks may coincide.
    peak = max(sum(usage.peak_mib for usage in usages) for usages in runs)
    share = f"{tap:.1f} ({tap / cpu:.0%})" if len(runs[0]) > 1 else "–"  # noqa: RUF001 - a dash for "none"
    return [f"{seconds:.1f}", f"{records / seconds:,.0f}", f"{cpu:.1f}", share, f"{peak:.0f}"]
