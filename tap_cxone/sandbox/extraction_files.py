"""Extraction files as a stream of bytes: CSV with a byte-order mark, human column names and quoted line breaks.

Takes rows and yields pieces, so a file of any size passes through in little memory. No HTTP here.
"""

from __future__ import annotations

import csv
import io
from itertools import islice
from typing import TYPE_CHECKING

from tap_cxone.sandbox.entities import ENTITIES
from tap_cxone.sandbox.files import damaged
from tap_cxone.sandbox.rows import is_bad_row, key_of
from tap_cxone.sandbox.variations import REPEATED, struck

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_cxone.sandbox.entities import Row
    from tap_cxone.sandbox.extractions import Extraction
    from tap_cxone.sandbox.options import SandboxOptions
    from tap_cxone.sandbox.rows import RowStream

_ROWS_A_PIECE = 2048


def extraction_file(
    job: Extraction, stream: RowStream, options: SandboxOptions, damage: str | None = None
) -> Iterator[bytes]:
    """Yield the file of a finished job; damage is truncated, corrupt, unclosed or None."""
    start, end = job.request.held_days(inclusive=options.inclusive_end)
    rows = stream.between(job.entity, job.version, start, end, job.created_utc)
    columns = ENTITIES[job.entity].versions[job.version]
    pieces = _as_csv(columns, _lines(job.entity, rows, options))
    if damage == "unclosed":
        pieces = _without_last_quote(pieces)
    return damaged(pieces, damage)


def _lines(entity: str, rows: Iterator[Row], options: SandboxOptions) -> Iterator[list[list[str]]]:
    """Yield the cells of the rows in batches; rows that come twice do so at the end of their batch."""
    while batch := list(islice(rows, _ROWS_A_PIECE)):
        again = [row for row in batch if struck(key_of(entity, row), REPEATED, options.repeated_records)]
        yield [_cells(entity, row, options.bad_rows) for row in (*batch, *again)]


def _cells(entity: str, row: Row, bad_share: float) -> list[str]:
    """Return the cells of a row: one too few or one too many where it is bad."""
    cells = list(row.values())
    if not is_bad_row(entity, row, bad_share):
        return cells
    return cells[:-1] if sum(key_of(entity, row).encode()) % 2 else [*cells, "surplus"]


def _as_csv(columns: Iterable[str], batches: Iterator[list[list[str]]]) -> Iterator[bytes]:
    """Yield UTF-8 in lines that end with CRLF; the header alone where there are no rows."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    text.write("\ufeff")
    writer.writerow(columns)
    for batch in batches:
        writer.writerows(batch)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def _without_last_quote(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """End the file inside of its last quoted cell; where none is quoted, inside of its last line."""
    whole = b"".join(pieces)
    end = whole.rfind(b'"')
    yield whole[: end if end >= 0 else -5]
