"""The contestants of the benchmarks: how each is started on the export that a server has."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tests.benchmarks.files import LAYOUTS
from tests.benchmarks.processes import measure
from tests.benchmarks.server import DOWNLOAD

if TYPE_CHECKING:
    from tests.benchmarks.processes import Usage

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Export:
    """What a contestant reads.

    Attributes:
        url: address of the API of a running server.
        layout: key of ``LAYOUTS``.
        records: number of distinct records.
        folder: for files of the contestants.
    """

    url: str
    layout: str
    records: int
    folder: Path

    @property
    def download_url(self) -> str:
        """Address of the file."""
        return self.url + DOWNLOAD


def tap_config(export: Export) -> dict[str, str]:
    """Return the configuration of the tap."""
    return {
        "api_url": export.url,
        "client_id": "client",
        "client_secret": "secret",
        "start_date": "2024-01-01",
        "end_date": "2024-01-31",
        "export_format": LAYOUTS[export.layout].export_format,
    }


def tap_command(export: Export) -> list[str]:
    """Return the command of the tap, which leaves an audit log in the folder."""
    config = tap_config(export) | {"audit_log_path": str(export.folder / "audit.jsonl")}
    return [sys.executable, "-m", "tap_cxone", "--config", write_config(export, "tap-cxone", config)]


def check_tap(export: Export) -> None:
    """Fail unless the tap emitted every record once, by its audit log; remove the log."""
    path = export.folder / "audit.jsonl"
    summaries = [json.loads(line) for line in path.read_text().splitlines() if '"validation_summary"' in line]
    path.unlink()
    emitted = sum(summary["validated"] for summary in summaries)
    if emitted != export.records:
        msg = f"The tap emitted {emitted} of {export.records} records ({export.layout})."
        raise click.ClickException(msg)


def run_tap(export: Export) -> Usage:
    """Run the tap and check what it emitted."""
    [usage] = measure(tap_command(export))
    check_tap(export)
    return usage


def run_plain_tap(export: Export, writer: str = "") -> Usage:
    """Run the plain tap; ``writer`` may be msgspec."""
    config = {"url": export.download_url, "parse": LAYOUTS[export.layout].parse}
    command = [sys.executable, "-P", str(HERE / "plain_tap.py"), "--config", write_config(export, "plain", config)]
    [usage] = measure(command, environment={"PLAIN_TAP_WRITER": writer})
    return usage


def run_reference(export: Export, name: str) -> Usage:
    """Run one of the ``references``."""
    [usage] = measure([sys.executable, "-P", str(HERE / "references.py"), name, export.download_url])
    return usage


def write_config(export: Export, name: str, config: dict[str, Any]) -> str:
    """Write a configuration into the folder; return its path."""
    path = export.folder / f"{name}.json"
    path.write_text(json.dumps(config))
    return str(path)
