"""The expected outcome of reading an export, computed with the standard library, value by value."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from datetime import UTC, datetime
from typing import Any

from tests.records.exports import FIELDS, Outcome


def expected_from_json(values: list[Any]) -> Outcome:
    """Return the outcome for decoded JSON values."""
    outcome = Outcome([], [])
    for value in values:
        missing = tuple(name for name in FIELDS if name not in value) if isinstance(value, dict) else ()
        if isinstance(value, dict) and not missing and all(_is_valid(name, value[name]) for name in FIELDS):
            outcome.records.append({name: _emitted(name, value[name]) for name in FIELDS})
        else:
            outcome.invalid.append((value, missing))
    return outcome


def expected_from_csv(data: bytes) -> Outcome:
    """Return the outcome for a CSV export, read with ``csv.reader``."""
    header, *rows = filter(None, csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    outcome = Outcome([], [])
    for row in rows:
        if len(row) != len(header):
            outcome.invalid.append((row, ()))
            continue
        found = expected_from_json([{name: _typed(name, cell) for name, cell in zip(header, row, strict=True) if cell}])
        outcome.records += found.records
        outcome.invalid += found.invalid
    return outcome


def _is_valid(name: str, value: Any) -> bool:
    if name == "duration":
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not isinstance(value, str) or any("\ud800" <= letter <= "\udfff" for letter in value):
        return False
    return _is_date_time(value) if name.startswith("date") else name != "id" or value != ""


def _is_date_time(text: str) -> bool:
    try:
        return bool(datetime.fromisoformat(text.strip()))
    except ValueError:
        return False


def _emitted(name: str, value: Any) -> Any:
    if not name.startswith("date") or re.fullmatch(r"[\d-]{10}T[\d:]{8}(\.\d+)?(Z|[+-]\d\d:\d\d)", value):
        return value
    instant = datetime.fromisoformat(value.strip())
    instant = instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _typed(name: str, cell: str) -> Any:
    if name != "duration":
        return cell
    try:
        value = json.loads(cell, parse_constant=str)
    except ValueError:
        return cell
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return value if is_number else cell
