"""Layout detection: a JSON array, JSON Lines, or CSV with a header row. The first byte of the file decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_cxone.records.csv_reader import read_csv
from tap_cxone.records.json_reader import read_array, read_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cxone.records.batch import Batch, ExportFields
    from tap_cxone.records.text import ExportText


def read_batches(text: ExportText, fields: ExportFields) -> Iterator[Batch]:
    """Decode and check an export from its first to its last byte.

    Args:
        text: its text.
        fields: receives what is learned of the export's fields, before the first batch or with each one.

    Raises:
        CorruptExportError: the export does not end where its structure ends, or it is not an export at all.
        UnfitExportError: a record or a header is too long, or the columns do not fit the stream.
    """
    start = text.peek()
    if not start:
        return iter(())
    if start.startswith(b"[") and not fields.model.only_csv:
        return read_array(text, fields)
    if start.startswith(b"{") and not fields.model.only_csv:
        return read_lines(text, fields)
    return read_csv(text, fields)
