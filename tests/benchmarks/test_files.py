"""Every layout of the exports has the same records, in the form after which it is named."""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.sandbox import Sandbox, SandboxOptions
from tests.benchmarks.files import BLOCK, DAYS, END, LAYOUTS, START, write_exports

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RECORDS = 2 * BLOCK // DAYS * DAYS + 10 * DAYS  # more than two blocks
FORMS: dict[str, Callable[[list[dict[str, Any]]], str]] = {
    "compact": lambda events: json.dumps(events, separators=(",", ":")),
    "blanks": json.dumps,
    "indented": lambda events: json.dumps(events, indent=2),
    "lines": lambda events: "".join(json.dumps(event, separators=(",", ":")) + "\n" for event in events),
    "reordered": lambda events: json.dumps(events, separators=(",", ":"), sort_keys=True),
    "unknown": lambda events: json.dumps([event | {"channel": "chat"} for event in events], separators=(",", ":")),
}


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    return list(Sandbox(SandboxOptions(events_per_day=RECORDS // DAYS)).events(START, END))


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the content of the file of each layout."""
    paths = write_exports(tmp_path_factory.mktemp("exports"), list(LAYOUTS), RECORDS)
    return {name: gzip.decompress(path.read_bytes()).decode() for name, path in paths.items()}


@pytest.mark.parametrize("name", FORMS)
def test_json(name: str, events: list[dict[str, Any]], texts: dict[str, str]) -> None:
    assert texts[name] == FORMS[name](events)


@pytest.mark.parametrize("name", ["csv", "quoted"])
def test_csv(name: str, events: list[dict[str, Any]], texts: dict[str, str]) -> None:
    rows = list(csv.DictReader(io.StringIO(texts[name], newline="")))
    assert [row["id"] for row in rows] == [event["id"] for event in events]
    assert [float(row["duration"]) for row in rows] == [event["duration"] for event in events]
    awkward = [row["botId"] for row in rows if "\n" in row["botId"]]
    assert all("," in cell and '"' in cell for cell in awkward)
    assert len(awkward) == (len(rows) // 10 if name == "quoted" else 0)


def test_repeated_records(tmp_path: Path) -> None:
    path = write_exports(tmp_path, ["lines"], 300, repeat_every=3)["lines"]
    ids = [json.loads(line)["id"] for line in gzip.decompress(path.read_bytes()).splitlines()]
    assert len(ids) == 400
    assert len(set(ids)) == 300
