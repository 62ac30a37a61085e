"""Data Extraction files: CSV with a byte-order mark, human-readable column names and quoted line breaks.

Files are generated chunk by chunk, so a file of any size needs little memory.
"""

from __future__ import annotations

import csv
import io
from itertools import islice
from typing import TYPE_CHECKING

from tap_cxone.sandbox.entities import ENTITIES, spell_header
from tap_cxone.sandbox.export_files import apply_damage
from tap_cxone.sandbox.rows import is_bad_row, key_of
from tap_cxone.sandbox.variations import REPEATED, is_selected

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_cxone.sandbox.extractions import Extraction
    from tap_cxone.sandbox.options import SandboxOptions
    from tap_cxone.sandbox.rows import RowStream
    from tap_cxone.sandbox.seeds import Row

_ROWS_PER_CHUNK = 2048


def extraction_file(
    job: Extraction, stream: RowStream, options: SandboxOptions, damage: str | None = None
) -> Iterator[bytes]:
    """Yield the file of a succeeded job; `damage` is truncated, corrupt, unclosed or None."""
    start, end = job.request.covered_days(inclusive=options.inclusive_end)
    rows = stream.between(job.entity, job.version, start, end, job.created_utc)
    columns = [spell_header(column, options.header_spelling) for column in ENTITIES[job.entity].versions[job.version]]
    chunks = _as_csv(columns, _batches(job.entity, rows, options))
    if damage == "unclosed":
        chunks = _without_last_quote(chunks)
    return apply_damage(chunks, damage)


def _batches(entity: str, rows: Iterator[Row], options: SandboxOptions) -> Iterator[list[list[str]]]:
    """Yield the cells of the rows in batches; repeated rows come again at the end of their batch."""
    while batch := list(islice(rows, _ROWS_PER_CHUNK)):
        repeated = [row for row in batch if is_selected(key_of(entity, row), REPEATED, options.repeated_records)]
        yield [_cells(entity, row, options.bad_rows) for row in (*batch, *repeated)]


def _cells(entity: str, row: Row, bad_share: float) -> list[str]:
    """Return the cells of a row; a bad row has one too few or one too many."""
    cells = list(row.values())
    if not is_bad_row(entity, row, bad_share):
        return cells
    return cells[:-1] if sum(key_of(entity, row).encode()) % 2 else [*cells, "surplus"]


def _as_csv(columns: Iterable[str], batches: Iterator[list[list[str]]]) -> Iterator[bytes]:
    """Yield CSV lines in UTF-8, ending in CRLF; only the header if there are no rows."""
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


def _without_last_quote(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Cut off the file within its last quoted cell; if there is none, within its last line."""
    content = b"".join(chunks)
    end = content.rfind(b'"')
    yield content[: end if end >= 0 else -5]
