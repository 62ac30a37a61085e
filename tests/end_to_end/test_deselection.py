"""Real ``meltano run`` with columns deselected in several ways: their values are in no table and in no file."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.sandbox import Sandbox, SandboxOptions
from tests.conftest import copy_project, read_lines, run_meltano
from tests.end_to_end.helpers import RECORDINGS, WORKFLOWS, catalog_entry, catalog_for
from tests.end_to_end.searching import SEGMENTS, found_in, needles, rows_of, segment_rows

if sys.version_info < (3, 14):
    import duckdb
else:
    pytest.skip("DuckDB 1.2, which target-duckdb needs, has no wheel for Python 3.14", allow_module_level=True)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# One worker runs all of these tests, so that the plugins are installed only once.
pytestmark = [pytest.mark.xdist_group("meltano"), pytest.mark.timeout(600)]

DAY = date(2024, 1, 1)
KEYS = {"segment_id", "sentiment", "start_date"}
BOTH_TARGETS = ("tap-cxone", "target-duckdb", "tap-cxone", "target-jsonl")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_project(tmp_path_factory.mktemp("deselection") / "copy")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    options = SandboxOptions(job_seconds=0.05, submit_seconds=1, rows_per_day=12, bad_rows=0.2)
    with Sandbox(options) as running:
        yield running


def load(project: Path, sandbox: Sandbox, name: str, select: list[str], **settings: str) -> str:
    """Load one day into both targets, in place of what was loaded before; return the log."""
    output = project / ".output"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    environment = {
        "TAP_CXONE_AUTH_METHOD": "access_key",
        "TAP_CXONE_API_URL": sandbox.url,
        "TAP_CXONE_AUTH_URL": f"{sandbox.url}/authentication/v1/token/access-key",
        "TAP_CXONE_ACCESS_KEY_ID": sandbox.access_key_id,
        "TAP_CXONE_ACCESS_KEY_SECRET": sandbox.access_key_secret,
        "TAP_CXONE_START_DATE": "2024-01-01",
        "TAP_CXONE_END_DATE": "2024-01-02",
        "TAP_CXONE_SUBMIT_INTERVAL": "1",
        "TAP_CXONE_POLL_INTERVAL": "1",
        "TAP_CXONE_DATA_EXTRACTION_ENTITIES": json.dumps([SEGMENTS]),
        "TAP_CXONE__SELECT": json.dumps(select),
    }
    command = ("--environment=dev", "run", f"--state-id-suffix={name}", *BOTH_TARGETS)
    result = run_meltano(project, *command, **environment, **settings)
    assert result.returncode == 0, result.stdout
    return result.stdout


def table_texts(project: Path) -> dict[str, str]:
    """Return the rows of every table as text."""
    with duckdb.connect(str(project / ".output" / "dev.duckdb"), read_only=True) as connection:
        names = connection.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()
        return {
            table: "\n".join(map(str, connection.execute(f'SELECT * FROM "{schema}"."{table}"').fetchall()))
            for schema, table in names
        }


def table_columns(project: Path, table: str) -> set[str]:
    """Return the names of the columns of one table."""
    with duckdb.connect(str(project / ".output" / "dev.duckdb"), read_only=True) as connection:
        query = "SELECT column_name FROM duckdb_columns() WHERE table_name = ?"
        return {name for (name,) in connection.execute(query, [table]).fetchall()}


def file_texts(project: Path) -> list[str]:
    """Return every file below .output and .meltano, but not the installed packages."""
    files = [path for folder in (".output", ".meltano") for path in (project / folder).rglob("*") if path.is_file()]
    return [path.read_bytes().decode("latin-1") for path in files if "venv" not in path.parts]


def assert_left_out(
    project: Path, log: str, stream: str, rows: list[dict[str, str]], columns: tuple[set[str], set[str]]
) -> None:
    """Check that a load has the kept columns, and that no deselected one is anywhere.

    Args:
        project: the project.
        log: the log of the load.
        stream: the stream that was loaded.
        rows: the sandbox's rows.
        columns: kept and deselected columns.
    """
    kept, deselected = columns
    records = read_lines(project / ".output" / f"{stream}.jsonl")
    assert records
    assert all(kept <= record.keys() and not record.keys() & deselected for record in records)
    columns_of_table = table_columns(project, stream)
    assert kept <= columns_of_table
    assert not columns_of_table & deselected
    tables = table_texts(project)
    texts = [log, *tables.values(), *file_texts(project)]
    assert found_in([tables[stream]], needles(rows, kept, deselected)), "the search finds what was loaded"
    assert not found_in(texts, needles(rows, deselected, kept))
    quarantined = [line["record"] for line in read_lines(project / ".output" / "dev-quarantine.jsonl")]
    assert quarantined
    assert all(record is None or record.keys() <= kept for record in quarantined)


def test_an_exclusion_beside_an_inclusion(project: Path, sandbox: Sandbox) -> None:
    rows = rows_of("qm-workflows", "4", DAY)
    names = set(rows[0])
    # The columns of the simulated entity may change: take the one with the most values of its own.
    candidates = sorted(name for name in names if not name.endswith(("date", "id")))
    column = max(candidates, key=lambda name: len(needles(rows, {name}, names - {name})))
    log = load(project, sandbox, "exclusion", [f"{WORKFLOWS}.*", f"!{WORKFLOWS}.{column}"])
    assert_left_out(project, log, WORKFLOWS, rows, (names - {column}, {column}))


def test_a_wildcard_exclusion(project: Path, sandbox: Sandbox) -> None:
    rows = segment_rows(DAY)
    deselected = {name for name in rows[0] if name.startswith("agent_")}
    log = load(project, sandbox, "wildcard", [f"{RECORDINGS}.*", f"!{RECORDINGS}.agent_*"])
    assert len(deselected) > 2
    assert_left_out(project, log, RECORDINGS, rows, (rows[0].keys() - deselected, deselected))


def test_a_list_of_single_columns(project: Path, sandbox: Sandbox) -> None:
    rows = segment_rows(DAY)
    kept = KEYS | {"dnis", "channel"}
    log = load(project, sandbox, "list", ["segments.dnis", "segments.channel"])
    assert_left_out(project, log, "segments", rows, (kept, rows[0].keys() - kept))


def test_new_columns_that_are_ignored(project: Path, sandbox: Sandbox) -> None:
    rows = segment_rows(DAY)
    log = load(project, sandbox, "ignore", ["segments.*"], TAP_CXONE_NEW_COLUMNS="ignore")
    assert_left_out(project, log, "segments", rows, (KEYS, rows[0].keys() - KEYS))


def test_a_catalog_file(project: Path, sandbox: Sandbox) -> None:
    rows = segment_rows(DAY)
    catalog: dict[str, Any] = catalog_for("segments", config={"data_extraction_entities": [SEGMENTS]})
    for name in ("notes", "dnis"):
        metadata = {"inclusion": "available", "selected": name != "notes"}
        catalog_entry(catalog, "segments")["metadata"].append(
            {"breadcrumb": ["properties", name], "metadata": metadata}
        )
    (project / "catalog.json").write_text(json.dumps(catalog))
    log = load(project, sandbox, "catalog", ["*.*"], TAP_CXONE__CATALOG="catalog.json")
    kept = KEYS | {"dnis"}
    assert_left_out(project, log, "segments", rows, (kept, rows[0].keys() - kept))
