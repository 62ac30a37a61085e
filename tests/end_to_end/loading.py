"""Loads into PostgreSQL: the pipeline, its tables, and the rows that they should have."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.conftest import by_key
from tests.end_to_end.helpers import ENTITIES, QUESTIONS, RECORDINGS, WORKFLOWS
from tests.target_postgres import SCHEMA, Load, load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.conftest import Tap
    from tests.postgresql import Database

    Rows = dict[tuple[Any, ...], dict[str, Any]]

BOTS = "bot_conversations"
KEYS = {BOTS: ("id",)} | {stream: ENTITIES[stream][2] for stream in (RECORDINGS, WORKFLOWS, QUESTIONS)}
DATES = {
    BOTS: {"dateFrom", "dateTo"},
    RECORDINGS: {"start_date"},
    WORKFLOWS: {"submission_date"},
    QUESTIONS: {"evaluation_submission_date"},
}
"""By stream: the columns with dates. The target stores them in UTC, without an offset."""

TIMESTAMP = "timestamp without time zone"


@dataclass(frozen=True)
class Pipeline:
    """The tap, and behind it the target."""

    tap: Tap
    target: Path
    folder: Path

    def __call__(
        self, config: dict[str, Any], database: Database, settings: dict[str, Any] | None = None, **files: Any
    ) -> Load:
        """Load what the tap extracts; ``settings`` are those of the target, ``files`` are for the tap."""
        return load(self.tap.command(config, **files), self.target, database, self.folder, **settings or {})

    def write(self, messages: str, database: Database) -> Load:
        """Load what a finished run of the tap has written."""
        path = self.folder / "messages.jsonl"
        path.write_text(messages)
        return load(["cat", str(path)], self.target, database, self.folder)


def columns(database: Database, stream: str) -> dict[str, str]:
    """Return the types of a table's columns, without those that the target adds."""
    found = database.columns(SCHEMA, stream)
    return {name: kind for name, kind in found.items() if not name.startswith("_sdc_")}


def table(database: Database, stream: str) -> Rows:
    """Return the rows of a table by key, without the columns that the target adds; fail if a key occurs twice."""
    types = columns(database, stream)
    selected = ", ".join(f'"{name}"' for name in types)
    rows = database.query(f'SELECT {selected} FROM {SCHEMA}."{stream}"')
    return by_key(_with_dates(rows, {name for name in types if types[name] == TIMESTAMP}), KEYS[stream])


def typed(records: Iterable[dict[str, Any]], stream: str, names: Iterable[str] = ()) -> Rows:
    """Return the rows of a complete table by key; those of ``names`` of which the platform has no value are empty."""
    empty = dict.fromkeys(names)
    return by_key((empty | record for record in _with_dates(records, DATES[stream])), KEYS[stream])


def _with_dates(records: Iterable[dict[str, Any]], names: set[str]) -> Iterable[dict[str, Any]]:
    for record in records:
        yield {name: _date(value) if name in names else value for name, value in record.items()}


def _date(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value).replace(tzinfo=None) if value else None


def with_batches(config: dict[str, Any], folder: Path, size: int = 50) -> dict[str, Any]:
    """Return a configuration with which the tap writes BATCH messages, and the files of the batches to a folder."""
    return config | {
        "batch_config": {
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": f"file://{folder}"},
            "batch_size": size,
        }
    }


def batch_files(message: dict[str, Any]) -> list[Path]:
    """Return the files that a BATCH message names."""
    assert message["encoding"] == {"format": "jsonl", "compression": "gzip"}
    assert all(address.startswith("file:///") for address in message["manifest"])
    return [Path(address.removeprefix("file://")) for address in message["manifest"]]


def read_batch(path: Path) -> list[dict[str, Any]]:
    """Return the records of a batch file: gzip, one JSON object per line."""
    text = gzip.decompress(path.read_bytes()).decode()
    assert text.endswith("\n")
    records = [json.loads(line) for line in text.removesuffix("\n").split("\n")]
    assert all(isinstance(record, dict) for record in records)
    return records
