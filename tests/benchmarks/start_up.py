"""``python -m tests.benchmarks.start_up``: what one ``meltano run`` of the sample project costs at its start.

The run loads one window with a few records from the sandbox. Each variant adds one measure to the one before. They take
turns, and the medians count. Byte-code is kept in folders of the benchmark (``PYTHONPYCACHEPREFIX``), so that it
does not matter what is compiled on this machine. The time of the plugins is read from ``/proc``: Linux only.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

import click

from tests.benchmarks.markdown import table
from tests.conftest import copy_project, run_meltano

MELTANO = str(Path(sys.executable).with_name("meltano"))
JOB = ("run", "--full-refresh", "bot-conversations")
PIPELINE = ("run", "--full-refresh", "tap-cxone", "target-duckdb")
CATALOG = "catalog.json"
WITH_CATALOG = {"TAP_CXONE__CATALOG": CATALOG}
SELECT = {"TAP_CXONE__SELECT": '["bot_conversations.*"]'}
TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 0.005
PARTS = ("meltano", "discovery", "tap-cxone", "target-duckdb", "cxone-report")


@dataclass(frozen=True)
class Variant:
    """One way to run.

    Attributes:
        label: its name in the table.
        bytecode: folder of the byte-code that this run finds.
        arguments: arguments of ``meltano``.
        environment: environment variables of its own.
    """

    label: str
    bytecode: str
    arguments: tuple[str, ...]
    environment: dict[str, str]


VARIANTS = (
    Variant("nothing compiled", "nothing", JOB, {}),
    Variant("everything compiled", "everything", JOB, {}),
    Variant("and without the report", "everything", PIPELINE, {}),
    Variant("and a catalog file", "everything", PIPELINE, WITH_CATALOG),
)
IMPORTS = Variant("`meltano --version`, everything compiled", "everything", ("--version",), {})


def measure(
    project: Path, bytecode: Path, variant: Variant, environment: dict[str, str] | None = None
) -> tuple[float, dict[str, float]]:
    """Run a variant; return its wall time and the processor time of each part, and of all as ``total``."""
    for name in ("sandbox.duckdb", "sandbox-jobs.jsonl", "sandbox-audit.jsonl"):
        (project / ".output" / name).unlink(missing_ok=True)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TAP_", "MELTANO", "CXONE"))}
    settings = {
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPYCACHEPREFIX": str(bytecode / variant.bytecode),
        "TAP_CXONE_END_DATE": "2024-01-02",
    }
    with tempfile.TemporaryFile("w+") as log:
        begun = time.perf_counter()
        process = subprocess.Popen(
            [MELTANO, *variant.arguments],
            cwd=project,
            env=inherited | settings | variant.environment | (environment or {}),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        seen: dict[int, tuple[str, float]] = {}
        while True:
            _sample(process.pid, seen)
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            time.sleep(SAMPLE_SECONDS)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            raise click.ClickException(log.read()[-2000:])
    parts = defaultdict[str, float](float)
    for name, used in seen.values():
        parts[name] += used
    parts["total"] = usage.ru_utime + usage.ru_stime
    parts["meltano"] = parts["total"] - sum(used for _, used in seen.values())
    return seconds, parts


def _sample(meltano: int, seen: dict[int, tuple[str, float]]) -> None:
    """Note what the plugins that Meltano has started used up to now."""
    for children in Path(f"/proc/{meltano}/task").glob("*/children"):
        try:
            for child in map(int, children.read_text().split()):
                command = Path(f"/proc/{child}/cmdline").read_text().split("\0")
                fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
                if used := sum(map(int, fields[11:15])) / TICKS:  # its user and system time, and its children's
                    # An ended process that Meltano has not waited for has its times, but no command line any more.
                    name = _part(command)
                    seen[child] = (seen[child][0] if name == "other" and child in seen else name, used)
        except OSError:  # the process has ended
            continue


def _part(command: list[str]) -> str:
    if "--discover" in command:
        return "discovery"
    return next((Path(word).name for word in command if Path(word).name in PARTS[2:]), "other")


def prepare(project: Path, bytecode: Path) -> None:
    """Install the sample project, write its catalog, and compile."""
    copy_project(project)
    for arguments in (("install",), JOB):
        if (done := run_meltano(project, *arguments)).returncode:
            raise click.ClickException(done.stdout)
    # With a catalog file Meltano ignores select, so the file must hold its rules. One written by --discover does not.
    dump = [MELTANO, "invoke", "--dump=catalog", "tap-cxone"]
    dumped = subprocess.run(dump, cwd=project, env=os.environ | SELECT, check=True, capture_output=True)
    (project / CATALOG).write_bytes(dumped.stdout)
    # A first run without PYTHONDONTWRITEBYTECODE compiles what a run imports.
    measure(project, bytecode, VARIANTS[1], {"PYTHONDONTWRITEBYTECODE": ""})


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Runs of each variant; the medians are shown.")
def main(rounds: int) -> None:
    """Print a table of the processor time by process."""
    with tempfile.TemporaryDirectory() as folder:
        project, bytecode = Path(folder, "project"), Path(folder, "bytecode")
        prepare(project, bytecode)
        variants = (*VARIANTS, IMPORTS)
        found: dict[str, list[tuple[float, dict[str, float]]]] = {variant.label: [] for variant in variants}
        for _ in range(rounds):
            for variant in variants:
                found[variant.label].append(measure(project, bytecode, variant))
    columns = ("total", *PARTS)
    rows = []
    for label, results in found.items():
        parts = [f"{median(used.get(name, 0) for _, used in results):.2f}" for name in columns]
        rows.append([label, f"{median(seconds for seconds, _ in results):.2f}", *parts])
    versions = ", ".join(f"{package} {version(package)}" for package in ("meltano", "singer-sdk"))
    click.echo(f"{os.cpu_count()} cores, Python {platform.python_version()}, {versions}; medians of {rounds} runs.\n")
    click.echo(table(["one run", "wall seconds", "CPU seconds", *PARTS], rows))


if __name__ == "__main__":
    main()
