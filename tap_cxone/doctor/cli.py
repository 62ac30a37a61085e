"""The command `tap-cxone doctor`: its options, output and exit codes: 0, 1 for problems, 2 for wrong usage."""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tap_cxone.cli import JsonObjectFile
from tap_cxone.doctor.examination import check_names, examine
from tap_cxone.doctor.findings import Finding, Outcome, problem
from tap_cxone.errors import CxoneError
from tap_cxone.meltano import is_meltano, run_files
from tap_cxone.shutdown import release_signals
from tap_cxone.streams.stream_map_errors import stream_map_errors
from tap_cxone.tap import TapCXone

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARKS = {Outcome.OK: ("✓", "ok"), Outcome.PROBLEM: ("✗", "!!"), Outcome.SKIPPED: ("·", "--")}
"""For each outcome its mark, and another one for output that cannot have it."""


@click.command("doctor", context_settings={"max_content_width": 110})
@click.option(
    "--config",
    multiple=True,
    type=JsonObjectFile(opened=False),
    metavar="FILE",
    help="Settings, as for tap-cxone; ENV for the environment. Default: what Meltano hands over, or else ENV.",
)
@click.option("--catalog", type=JsonObjectFile(opened=False), metavar="FILE", help="Catalog with the selection.")
@click.option("--quick", is_flag=True, help="Create no job.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(config: tuple[str, ...], catalog: str | None, *, quick: bool, as_json: bool) -> None:
    """Check a tenant step by step: settings, network, credentials, and one export of one day for each stream.

    The output holds neither secrets nor record values, so it can be pasted into an issue.
    """
    logging.disable(logging.ERROR)  # what a run logs is in the findings
    findings = []
    if not quick:
        click.echo("Each selected stream is tried with an export of one day, which may take some minutes.", err=True)
    for finding in _findings(config, catalog, quick=quick):
        findings.append(finding)
        if not as_json:
            click.echo(f"{_mark(finding.outcome)} {finding.check}: {finding.text}")
    has_problem = any(finding.outcome is Outcome.PROBLEM for finding in findings)
    if as_json:
        text = json.dumps({"ok": not has_problem, "findings": list(map(asdict, findings))}, indent=2)
        click.echo(text)
    sys.exit(int(has_problem))


def _findings(config: tuple[str, ...], catalog: str | None, *, quick: bool) -> Iterator[Finding]:
    if not config:
        by_meltano, catalog_by_meltano = run_files(os.environ)
        config = (str(by_meltano),) if by_meltano else ()
        catalog = catalog or (str(catalog_by_meltano) if catalog_by_meltano else None)
    files = [name for name in config if name != "ENV"]
    reads_environment = "ENV" in config or not config
    try:
        with stream_map_errors():
            tap = TapCXone(
                config=files,
                catalog=json.loads(Path(catalog).read_text("utf-8")) if catalog else None,
                parse_env_config=reads_environment,
                validate_config=True,
            )
            _ = tap.streams
    except CxoneError as err:
        has_variables = reads_environment or is_meltano(os.environ)
        yield from check_names(_given_settings(files), os.environ if has_variables else {})
        yield problem("settings", err.message)
        return
    try:
        yield from examine(tap, lambda text: click.echo(f"  {text}", err=True), quick=quick)
    except Exception as err:  # noqa: BLE001 - its text, or that of a traceback, may hold a record value
        yield problem("doctor", f"it has ended because of a defect of its own ({type(err).__name__}): please report it")


def _given_settings(files: list[str]) -> dict[str, Any]:
    """Return the settings of all files, not validated."""
    return {name: value for file in files for name, value in json.loads(Path(file).read_text("utf-8")).items()}


def _mark(outcome: Outcome) -> str:
    mark, plain = _MARKS[outcome]
    try:
        mark.encode(sys.stdout.encoding or "ascii")
    except UnicodeError:
        return plain
    return mark


def main() -> None:
    """Run the command with the arguments that follow ``tap-cxone doctor``."""
    try:
        doctor(args=sys.argv[2:], prog_name="tap-cxone doctor")
    finally:
        release_signals()
