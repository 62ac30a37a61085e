"""Search of output, logs and files for values that must not be there."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_cxone.column_names import column_names
from tap_cxone.config.entities import entities
from tap_cxone.sandbox import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import date

SEGMENTS: dict[str, Any] = {
    "stream": "segments",
    "entity": "recording-interaction-metadata",
    "version": "12",
    "primary_keys": ["Segment ID", "Sentiment"],
    "replication_key": "Start Date",
}
"""A stream of which discovery knows the keys only. Rows without a sentiment are rejected: a key must not be empty."""
_SHORTEST_NEEDLE = 5
_SHORTEST_NUMBER = 9  # shorter ones also occur in times and sizes


def segment_rows(day: date, rows_per_day: int = 12) -> list[dict[str, str]]:
    """Return the cells of the rows of SEGMENTS of one day by column name."""
    return rows_of("recording-interaction-metadata", "12", day, rows_per_day)


def rows_of(entity: str, version: str, day: date, rows_per_day: int = 12) -> list[dict[str, str]]:
    """Return the cells of an entity's rows of one day by column name."""
    sandbox = Sandbox(SandboxOptions(rows_per_day=rows_per_day))
    rows = sandbox.extraction_rows(entity, version, day, day + timedelta(days=1))
    return [dict(zip(column_names(tuple(row)), row.values(), strict=True)) for row in rows]


def needles(rows: Iterable[dict[str, str]], columns: Collection[str], others: Collection[str]) -> set[str]:
    """Return pieces of the values of some columns that neither a value of the other columns nor a schema contains.

    A piece is the longest part of a value that CSV, JSON and SQL write without escapes.
    """
    values = list(rows)
    schemas = [json.dumps(entity.schema) for entity in entities(None)]  # Meltano keeps the catalog
    elsewhere = "\n".join([*schemas, *(row[name] for row in values for name in others)])
    pieces = {_plain_piece(row[name]) for row in values for name in columns}
    return {piece for piece in pieces if _is_distinctive(piece) and piece not in elsewhere}


def found_in(texts: Iterable[str], values: Collection[str]) -> set[str]:
    """Return the values that occur in any of the texts."""
    assert values
    return {value for text in texts for value in values if value in text}


def _is_distinctive(piece: str) -> bool:
    return len(piece) >= (_SHORTEST_NUMBER if piece.isdigit() else _SHORTEST_NEEDLE)


def _plain_piece(value: str) -> str:
    return max(re.split(r"""["'\\\r\n]|[^ -~]""", value), key=len)
