"""``python -m tests.benchmarks``: compares speed and memory in one run and prints a table.

Only ratios are meaningful. The speed of a machine drifts, so the contestants take turns and the medians are compared.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from isal import igzip

from tap_cxone.sandbox import Sandbox, SandboxOptions
from tests.benchmarks.contestants import CONTESTANTS, FIELDS, peak_mib

PROJECT = Path(__file__).parents[2]
REFERENCE = "plain singer-sdk tap"
JAN_1 = datetime(2024, 1, 1, tzinfo=UTC)
JAN_31 = datetime(2024, 1, 31, tzinfo=UTC)


def make_files(folder: Path, records: int) -> dict[str, Path]:
    """Write one export in three layouts."""
    events = Sandbox(SandboxOptions(events_per_day=records // 30)).events(JAN_1, JAN_31)
    paths = {layout: folder / f"export.{layout}.gz" for layout in ("array", "lines", "csv")}
    files = {
        layout: igzip.open(path, "wb", compresslevel=2)  # type: ignore[no-untyped-call]
        for layout, path in paths.items()
    }
    files["array"].write(b"[")
    files["csv"].write((",".join(FIELDS) + "\n").encode())
    for number, event in enumerate(events):
        text = json.dumps(event, separators=(",", ":")).encode()
        files["array"].write(b"," + text if number else text)
        files["lines"].write(text + b"\n")
        files["csv"].write((",".join(str(event[name]) for name in FIELDS) + "\n").encode())
    files["array"].write(b"]")
    for file in files.values():
        file.close()
    return paths


def run(name: str, path: Path) -> dict[str, Any]:
    """Run one contestant in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.contestants", name, str(path)],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(done.stderr.splitlines()[-1])
    return result


def speed(records: int, rounds: int) -> list[str]:
    """Return the table of rates."""
    rows = ["| what | records/s | ratio to the plain tap | peak MiB |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        paths = make_files(Path(folder), records)
        entries = [(name, paths["array"], name) for name in CONTESTANTS]
        own = "tap-cxone, verified file to output"
        entries += [(own, paths["lines"], f"{own}, lines"), (own, paths["csv"], f"{own}, CSV")]
        results: dict[str, list[dict[str, Any]]] = {label: [] for _, _, label in entries}
        for _ in range(rounds):
            for name, path, label in entries:
                results[label].append(run(name, path))
    seconds = {label: statistics.median(r["seconds"] for r in found) for label, found in results.items()}
    for label, found in results.items():
        peak = max(r["peak_mib"] for r in found)
        ratio = seconds[REFERENCE] / seconds[label]
        rows.append(f"| {label} | {records / seconds[label] / 1000:,.0f} k | {ratio:.1f} | {peak:.0f} |")
    return rows


def memory(records: list[int]) -> list[str]:
    """Return the table of memory peaks: the whole tap against the sandbox, with a third of the records duplicated."""
    rows = ["| records in one export | duplicates | seconds | peak MiB of the tap |", "|---|---|---|---|"]
    for count in records:
        options = SandboxOptions(events_per_day=count // 30, repeated_records=1 / 3)
        with Sandbox(options) as sandbox, tempfile.TemporaryDirectory() as folder:
            config = {
                "api_url": sandbox.url,
                "client_id": sandbox.client_id,
                "client_secret": sandbox.client_secret,
                "start_date": "2024-01-01",
                "end_date": "2024-01-31",
                "audit_log_path": f"{folder}/audit.jsonl",
            }
            (Path(folder) / "config.json").write_text(json.dumps(config))
            begun = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", "tap_cxone", "--config", f"{folder}/config.json"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            peak = 0.0
            while process.poll() is None:
                with contextlib.suppress(OSError, IndexError):  # the process may have ended since
                    peak = peak_mib(process.pid)
                time.sleep(0.1)
            seconds = time.perf_counter() - begun
            lines = map(json.loads, (Path(folder) / "audit.jsonl").read_text().splitlines())
            [summary] = [line for line in lines if line["event"] == "validation_summary"]
            if process.returncode:
                sys.exit("the tap failed")
        total, duplicates = summary["total_records"], summary["duplicates"]
        rows.append(f"| {total:,} | {duplicates:,} | {seconds:.0f} | {peak:.0f} |")
    return rows


def pipelines() -> list[str]:
    """Return the table of whole pipelines: 300 days of the sandbox, run by Meltano."""
    rows = ["| pipeline, 300,000 records | seconds | CPU seconds | of these, the tap |", "|---|---|---|---|"]
    subprocess.run(["meltano", "install"], cwd=PROJECT, check=True, capture_output=True)
    for target in ("target-jsonl", "target-duckdb"):
        with tempfile.TemporaryDirectory() as folder, Sandbox(SandboxOptions(events_per_day=1000)) as sandbox:
            environment = os.environ | {
                "TAP_CXONE_API_URL": sandbox.url,
                "TAP_CXONE_CLIENT_ID": sandbox.client_id,
                "TAP_CXONE_CLIENT_SECRET": sandbox.client_secret,
                "TAP_CXONE_START_DATE": "2024-01-01",
                "TAP_CXONE_END_DATE": "2024-10-27",
                "TAP_CXONE_WINDOW_DAYS": "30",
                "TAP_CXONE_AUDIT_LOG_PATH": f"{folder}/audit.jsonl",
                "TARGET_JSONL_DESTINATION_PATH": folder,
                "TARGET_DUCKDB_FILEPATH": f"{folder}/cxone.duckdb",
                "MELTANO_STATE_BACKEND_URI": f"file://{folder}/state",
            }
            seconds, whole = measured(
                ["meltano", "--environment=dev", "run", "--full-refresh", "tap-cxone", target], environment
            )
            _, tap = measured([sys.executable, "-m", "tap_cxone", "--config", "ENV"], environment)
            rows.append(f"| {target} | {seconds:.1f} | {whole:.1f} | {tap:.1f} ({tap / whole:.0%}) |")
    return rows


def measured(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Run a command; return its duration and the CPU time of it and its children, in seconds."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command[0]} failed")
    return time.perf_counter() - begun, usage.ru_utime + usage.ru_stime


@click.command()
@click.option("--records", default=1_000_000, show_default=True, help="Records in the export for the table of rates.")
@click.option("--rounds", default=3, show_default=True, help="Runs of each contestant; the medians are compared.")
@click.option("--memory/--no-memory", "with_memory", default=True, help="Also measure the memory peak of whole runs.")
@click.option("--pipelines/--no-pipelines", "with_pipelines", default=True, help="Also measure whole pipelines.")
@click.option("--output", default=".output/benchmark.md", show_default=True, help="File for the tables.")
def main(*, records: int, rounds: int, with_memory: bool, with_pipelines: bool, output: str) -> None:
    """Compare the tap with a plain singer-sdk tap, a bare script, and the least work that decoding takes."""
    now = datetime.now(UTC).strftime("%Y-%m-%d")
    lines = [
        f"{now}, {os.cpu_count()} cores, Python {platform.python_version()}, {records:,} records in one export",
        "",
    ]
    lines += speed(records, rounds)
    if with_memory:
        lines += ["", *memory([1_000_000, 3_000_000])]
    if with_pipelines:
        lines += ["", *pipelines()]
    text = "\n".join(lines) + "\n"
    (PROJECT / output).write_text(text)
    click.echo(text)


if __name__ == "__main__":
    main()
