"""The exports that the contestants read: the same events of the sandbox in every layout, compressed with gzip."""

from __future__ import annotations

import csv
import io
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from isal import igzip

from tap_cxone.sandbox import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Record = dict[str, Any]

FIELDS = ("id", "type", "dateFrom", "dateTo", "botId", "agentId", "duration")
DAYS = 30
START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 31, tzinfo=UTC)
BLOCK = 10_000
AWKWARD_EVERY = 10
"""In the quoted CSV, one record in ten has a cell with a line break, a comma and quotes."""


@dataclass(frozen=True)
class Layout:
    """One form of an export.

    Attributes:
        label: its name in the tables.
        parse: how a plain tap has to read it.
        encode: encodes a block of records, without what surrounds or separates blocks.
        begin: first bytes of the file.
        separator: bytes between two blocks.
        end: last bytes of the file.
    """

    label: str
    parse: Literal["array", "lines", "csv"]
    encode: Callable[[list[Record]], bytes]
    begin: bytes = b""
    separator: bytes = b""
    end: bytes = b""

    @property
    def export_format(self) -> str:
        """Value of the tap's setting."""
        return "csv" if self.parse == "csv" else "json"


def _array(records: list[Record]) -> bytes:
    return msgspec.json.encode(records)[1:-1]


def _array_with_blanks(records: list[Record]) -> bytes:
    """Encode as ``json.dumps`` does by default."""
    return msgspec.json.format(msgspec.json.encode(records), indent=0)[1:-1]


def _array_indented(records: list[Record]) -> bytes:
    """Encode as ``json.dumps`` does with ``indent=2``."""
    return msgspec.json.format(msgspec.json.encode(records), indent=2)[1:-2]


def _array_reordered(records: list[Record]) -> bytes:
    return _array([{name: record[name] for name in sorted(record)} for record in records])


def _array_with_unknown_field(records: list[Record]) -> bytes:
    return _array([record | {"channel": "chat"} for record in records])


def _csv(records: list[Record]) -> bytes:
    return "".join(",".join(str(record[name]) for name in FIELDS) + "\n" for record in records).encode()


def _csv_quoted(records: list[Record]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    for number, record in enumerate(records):
        row = [record[name] for name in FIELDS]
        if number % AWKWARD_EVERY == 0:
            row[FIELDS.index("botId")] = f'{record["botId"]}, the "new" one\nsecond line'
        writer.writerow(row)
    return text.getvalue().encode()


_QUOTED_HEADER = (",".join(f'"{name}"' for name in FIELDS) + "\r\n").encode()

LAYOUTS = {
    "compact": Layout("JSON array, compact", "array", _array, b"[", b",", b"]"),
    "blanks": Layout("JSON array, default blanks", "array", _array_with_blanks, b"[", b", ", b"]"),
    "indented": Layout("JSON array, indented", "array", _array_indented, b"[", b",", b"\n]"),
    "lines": Layout("newline-delimited JSON", "lines", msgspec.json.Encoder().encode_lines),
    "reordered": Layout("JSON array, keys in another order", "array", _array_reordered, b"[", b",", b"]"),
    "unknown": Layout("JSON array, an unknown field", "array", _array_with_unknown_field, b"[", b",", b"]"),
    "csv": Layout("CSV, unquoted", "csv", _csv, (",".join(FIELDS) + "\n").encode()),
    "quoted": Layout("CSV, every cell quoted", "csv", _csv_quoted, _QUOTED_HEADER),
}


def write_exports(folder: Path, names: list[str], records: int, *, repeat_every: int = 0) -> dict[str, Path]:
    """Write one export of thirty days in several layouts.

    Args:
        folder: where the files are written.
        names: keys of ``LAYOUTS``.
        records: number of events, a multiple of 30.
        repeat_every: every N-th event appears twice, which adds to the records of the file; 0: none does.

    Returns:
        The file of each layout.
    """
    paths = {name: folder / f"{name}-{records}.gz" for name in names}
    with ExitStack() as stack:
        files = {name: stack.enter_context(_create(path)) for name, path in paths.items()}
        for name, file in files.items():
            file.write(LAYOUTS[name].begin)
        for number, block in enumerate(_blocks(records, repeat_every)):
            for name, file in files.items():
                file.write((LAYOUTS[name].separator if number else b"") + LAYOUTS[name].encode(block))
        for name, file in files.items():
            file.write(LAYOUTS[name].end)
    return paths


def _create(path: Path) -> Any:
    return igzip.open(path, "wb", compresslevel=2)  # type: ignore[no-untyped-call]


def _blocks(records: int, repeat_every: int) -> Iterator[list[Record]]:
    events = Sandbox(SandboxOptions(events_per_day=records // DAYS)).events(START, END)
    while block := list(islice(events, BLOCK)):
        yield block + (block[::repeat_every] if repeat_every else [])
