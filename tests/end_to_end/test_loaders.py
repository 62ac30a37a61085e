"""All streams, loaded twice with a look-back by target-duckdb and target-jsonl: every cell is that of the platform.

``test_postgresql`` does the same for target-postgres.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests import environments
from tests.conftest import PROJECT, by_key, config_for, read_lines
from tests.end_to_end.helpers import (
    QUESTIONS,
    RECORDINGS,
    WORKFLOWS,
    catalog_for,
    expected_events,
    expected_rows,
    extraction_config,
)
from tests.end_to_end.loading import BOTS, DATES, KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tests.conftest import StartSandbox, Tap
    from tests.end_to_end.loading import Rows

# One worker runs all of these tests. The first one may have to install a loader.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("loaders"), pytest.mark.timeout(600)]

LOOK_BACK = {"lookback_minutes": 1440}
EXTRACTION = (RECORDINGS, WORKFLOWS, QUESTIONS)


@dataclass
class Loader:
    """A target in an environment of its own, and what it has written."""

    programs: Path
    folder: Path
    name: str

    def load(self, tap: list[str]) -> dict[str, Any]:
        """Pipe a tap into the target; return the last state."""
        config = self.folder / f"{self.name}.json"
        config.write_text(json.dumps(self.config()))
        with subprocess.Popen(tap, stdout=subprocess.PIPE, cwd=self.folder) as source:
            done = subprocess.run(
                [self.programs / self.name, "--config", config],
                stdin=source.stdout,
                capture_output=True,
                text=True,
                cwd=self.folder,
                check=False,
            )
        assert (source.returncode, done.returncode) == (0, 0), done.stderr
        state: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return state

    def config(self) -> dict[str, Any]:
        raise NotImplementedError

    def rows(self, stream: str) -> list[dict[str, Any]]:
        """Return what has been loaded, in the order in which it was."""
        raise NotImplementedError


class DuckDB(Loader):
    def config(self) -> dict[str, Any]:
        return {"filepath": str(self.folder / "loaded.duckdb"), "default_target_schema": "cxone"}

    def rows(self, stream: str) -> list[dict[str, Any]]:
        columns = f"SELECT column_name FROM information_schema.columns WHERE table_name = '{stream}'"
        names = [name for [name] in self._query(columns)]
        own = [name for name in names if not name.startswith("_sdc_")]
        selected = ", ".join(f'"{name}"::VARCHAR' for name in own)  # every type has a text form
        return [dict(zip(own, row, strict=True)) for row in self._query(f"SELECT {selected} FROM cxone.{stream}")]

    def _query(self, statement: str) -> list[list[Any]]:
        command: list[str | Path] = [self.programs / "python", PROJECT / "tests" / "query_duckdb.py"]
        command += [self.folder / "loaded.duckdb", statement]
        found: list[list[Any]] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        return found


class JsonLines(Loader):
    def config(self) -> dict[str, Any]:
        return {"destination_path": str(self.folder), "do_timestamp_file": False}

    def rows(self, stream: str) -> list[dict[str, Any]]:
        return read_lines(self.folder / f"{stream}.jsonl")


REQUIREMENTS = {
    "target-duckdb": (DuckDB, ("target-duckdb==0.8.0", "duckdb>=1.2,<1.3")),
    "target-jsonl": (JsonLines, ("target-jsonl>=0.1.4,<1",)),
}


@pytest.fixture(params=REQUIREMENTS)
def loader(request: pytest.FixtureRequest, tmp_path: Path) -> Loader:
    kind, requirements = REQUIREMENTS[request.param]
    if request.param == "target-duckdb" and sys.version_info >= (3, 14):
        pytest.skip("DuckDB 1.2, which target-duckdb needs, has no wheel for Python 3.14")
    return kind(environments.install(request.param, *requirements), tmp_path, request.param)


def comparable(rows: Iterable[dict[str, Any]], stream: str) -> Iterator[dict[str, Any]]:
    """Yield rows with names in lower case, as target-duckdb writes them, and each value in one form."""
    dates = {name.lower() for name in DATES[stream]}
    for row in rows:
        lower = {name.lower(): value for name, value in row.items()}
        yield {name: _value(value, is_date=name in dates) for name, value in lower.items() if value is not None}


def _value(value: Any, *, is_date: bool) -> Any:
    if is_date:
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    return str(float(value)) if isinstance(value, (int, float)) else value


def loaded(loader: Loader, stream: str) -> Rows:
    """Return the rows by key, the latest of each key; a loader that does not append has only one."""
    rows = list(comparable(loader.rows(stream), stream))
    keys = tuple(key.lower() for key in KEYS[stream])
    latest = {tuple(row[key] for key in keys): row for row in rows}
    assert len(latest) == len(rows) or isinstance(loader, JsonLines)
    return latest


def expected(records: Iterable[dict[str, Any]], stream: str) -> Rows:
    return by_key(comparable(records, stream), tuple(key.lower() for key in KEYS[stream]))


def test_bot_conversations_twice(loader: Loader, tap: Tap, start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(repeated_records=0.1, bad_records=0.1)
    config = config_for(sandbox) | LOOK_BACK
    state = loader.load(tap.command(config))
    loader.load(tap.command(config, state=state))
    found = loaded(loader, BOTS)
    for row in found.values():
        row["duration"] = str(float(row["duration"]))
    assert found == expected(expected_events(sandbox).values(), BOTS)


def test_data_extraction_twice(loader: Loader, tap: Tap, start_extraction_sandbox: StartSandbox) -> None:
    sandbox = start_extraction_sandbox(repeated_records=0.2, bad_rows=0.1)
    config = extraction_config(sandbox) | LOOK_BACK
    state = loader.load(tap.command(config, catalog=catalog_for(*EXTRACTION)))
    loader.load(tap.command(config, catalog=catalog_for(*EXTRACTION), state=state))
    for stream in EXTRACTION:
        rows = expected_rows(sandbox, stream, date(2024, 1, 1), date(2024, 1, 4))
        assert loaded(loader, stream) == expected(rows, stream)
