"""Layout detection: a JSON array, JSON Lines, or CSV with a header row.

The first byte of the file decides, not its name or content type. An export is read in two passes. The first pass
checks everything and records which batches the typed decoder rejects as a whole. The second pass checks only those
*irregular* batches again, record by record, and gets the same result as the first.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from tap_cxone.records.csv_reader import read_csv
from tap_cxone.records.json_reader import read_array, read_lines
from tap_cxone.records.text import PlainText

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cxone.records.batch import Batch, BatchReader


def read_batches(stream: IO[bytes], reader: BatchReader) -> Iterator[Batch]:
    """Decode an export from its first to its last byte.

    The first pass adds each batch to the reader's index. If the file is CSV, the reader has the columns of the file
    once there is a batch, or at the end.

    Args:
        stream: decompressed bytes; ``read(n)`` returns fewer than n bytes at the end only.
        reader: the pass over this export.

    Raises:
        CorruptExportError: the export does not end where its structure ends, or it is not an export at all.
    """
    for batch in _decode(stream, reader):
        if reader.first_pass:
            reader.remember(batch)
        yield batch


def _decode(stream: IO[bytes], reader: BatchReader) -> Iterator[Batch]:
    text = PlainText(stream)
    start = text.peek()
    if not start:
        return iter(())
    if start.startswith(b"[") and not reader.model.only_csv:
        return read_array(text, reader)
    if start.startswith(b"{") and not reader.model.only_csv:
        return read_lines(text, reader)
    return read_csv(text, reader)
