"""The commands of docs/privacy.md, extracted and run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tap_cxone.notify.cli import main
from tap_cxone.observability.audit_log import AuditLog, Quarantine
from tap_cxone.observability.events import EventName
from tests.conftest import PROJECT, read_lines

PAGE = (PROJECT / "docs" / "privacy.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
ID, NAME, OTHER = "id-of-jane", "Jane Doe", "id-of-bob"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with an audit log, a quarantine and lists of what is to be erased."""
    output = tmp_path / ".output"
    audit_log, quarantine = (
        AuditLog(str(output / "prod-audit.jsonl")),
        Quarantine(str(output / "prod-quarantine.jsonl")),
    )
    for record_id in (ID, OTHER):
        audit_log.event(EventName.SCHEMA_VALIDATION_FAILURE, log=False, record_id=record_id)
        quarantine.keep({"id": record_id})
    audit_log.event(EventName.WINDOW_EXTRACTED, log=False, sample=[{"agent": NAME}, {"agent": "Bob"}])
    quarantine.keep({"comment": f"by {NAME}"})
    audit_log.close()
    quarantine.close()
    (tmp_path / "ids.txt").write_text(f"{ID}\n")
    (tmp_path / "names.txt").write_text(f"{NAME}\n")
    return tmp_path


def run_block(folder: Path, word: str) -> None:
    """Run the block that contains a word."""
    [block] = [block for block in BLOCKS if word in block]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CXONE_", "TAP_CXONE_"))}
    subprocess.run(["bash", "-e", "-c", block], cwd=folder, env=environment | {"PATH": path}, check=True)


def test_every_block_is_run_by_one_test() -> None:
    assert [[word for word in ("discover", "prune", "erase") if word in block] for block in BLOCKS] == [
        ["discover"],
        ["prune"],
        ["erase"],
    ]


@pytest.mark.slow
def test_catalog_describes_columns(folder: Path) -> None:
    run_block(folder, "discover")
    streams = json.loads((folder / "catalog.json").read_text())["streams"]
    assert all(spec["description"] for stream in streams for spec in stream["schema"]["properties"].values())


@pytest.mark.slow
def test_old_lines_and_the_quarantine_are_removed(folder: Path) -> None:
    log, quarantine = folder / ".output" / "prod-audit.jsonl", folder / ".output" / "prod-quarantine.jsonl"
    new = log.read_text()
    log.write_text(re.sub(r'"logged_at":"20\d\d', '"logged_at":"2000', new) + new.replace(ID, "new-id"))
    run_block(folder, "prune")
    assert ID not in log.read_text()
    assert "new-id" in log.read_text()
    assert not quarantine.exists()


@pytest.mark.slow
def test_person_is_erased(folder: Path) -> None:
    run_block(folder, "erase")
    events, rejected = (read_lines(path) for path in sorted((folder / ".output").glob("*.jsonl")))
    assert [event.get("record_id") for event in events] == [None, OTHER, None]
    assert events[2]["sample"] == [{"agent": "Bob"}]
    assert [line["record"] for line in rejected] == [{"id": OTHER}]


def test_pages_have_the_options_of_erase() -> None:
    settings = (PROJECT / "docs" / "notify.md").read_text()
    options = {option.opts[0] for option in main.commands["erase"].params}
    assert options == {option for option in options if f"{option} " in PAGE}
    for option in ("--audit-log-path", "--quarantine-path"):
        assert f"| `{option.removeprefix('--').replace('-', '_').upper()}` |" in settings
