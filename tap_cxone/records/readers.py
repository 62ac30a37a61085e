"""From plain bytes to records: which of the three layouts an export has, and what a decoded piece of it is.

The bytes decide: a JSON array, newline-delimited JSON, or CSV with a header row. An export is read twice. The first
reading checks everything and finds the pieces that the typed decoder does not take as they are; the second one trusts
the rest, and goes through those *irregular* pieces record by record again, with the same result.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from tap_cxone.records.batch import Batch, BatchReader, Learned
from tap_cxone.records.csv_reader import read_csv
from tap_cxone.records.json_reader import read_array, read_lines
from tap_cxone.records.text import PlainText

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cxone.records.model import RecordModel

__all__ = ["Batch", "read_batches"]


def read_batches(stream: IO[bytes], model: RecordModel, *, learned: Learned | None = None) -> Iterator[Batch]:
    """Decode an export from its first to its last byte.

    Args:
        stream: plain bytes; ``read(n)`` returns less than n at the end only.
        model: the records to be found in it.
        learned: none for the first reading; for the second one what the first has learned. The pieces are the same.

    Raises:
        CorruptExportError: the export does not end where its structure ends, or is not an export at all.
    """
    return read_with(BatchReader(model, learned), stream)


def read_with(reading: BatchReader, stream: IO[bytes]) -> Iterator[Batch]:
    """Decode an export; what the file says of its columns is known to the reading when there is a piece, or the end.

    Raises:
        CorruptExportError: the export does not end where its structure ends, or is not an export at all.
    """
    text = PlainText(stream)
    head = text.peek()
    if reading.model.only_csv:
        return read_csv(text, reading) if head else iter(())
    if head.startswith(b"["):
        return read_array(text, reading)
    if head.startswith(b"{"):
        return read_lines(text, reading)
    return read_csv(text, reading) if head else iter(())
