"""Layout of an export: a JSON array, JSON Lines, or CSV with a header row, recognised by the start of the file."""

from __future__ import annotations

import json
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from typing import TYPE_CHECKING, Any

from tap_cxone.errors import CorruptExportError, UnfitExportError
from tap_cxone.records.batch import WHITESPACE
from tap_cxone.records.csv_reader import read_csv
from tap_cxone.records.json_reader import read_array, read_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cxone.records.batch import Batch, ExportFields
    from tap_cxone.records.text import ExportText

_OPEN_LINE_ENDS = (b"{", b"[", b",")


def read_export(text: ExportText, fields: ExportFields) -> Iterator[Batch]:
    """Decode an export.

    Raises:
        CorruptExportError: the file is truncated, damaged, or not an export.
        UnfitExportError: the file has a layout that is not supported.
    """
    head = text.peek()
    if not head:
        return iter(())
    if head.startswith((BOM_UTF16_BE, BOM_UTF16_LE)) or head[:2].count(0) == 1:
        msg = "the file is UTF-16, not UTF-8"
        raise UnfitExportError(msg)
    if not fields.model.only_csv:
        if _is_lines(head, fields):
            return read_lines(text, fields)
        if head.startswith(b"["):
            return read_array(text, fields)
    return read_csv(text, fields)


def _is_lines(head: bytes, fields: ExportFields) -> bool:
    """Return whether a file starts with an object, or with a line that is any other JSON value.

    Raises:
        CorruptExportError: it is a single object over several lines.
    """
    line, _, following = head.partition(b"\n")
    value = _decoded(line)
    if head.startswith(b"{"):
        if value is None and line.rstrip(WHITESPACE).endswith(_OPEN_LINE_ENDS):
            check_not_wrapped(_decoded(head))
            msg = "the file is a JSON object, not an array and not JSON Lines"
            raise CorruptExportError(msg)
        return True
    if isinstance(value, list):
        return bool(following.strip(WHITESPACE))  # else it is an array in one line
    # A JSON string may be the header of a CSV file with one column.
    return line.strip(WHITESPACE) == b"null" or (value is not None and value not in fields.model.fields)


def check_not_wrapped(item: object) -> None:
    """Check an item that is not a record.

    Raises:
        UnfitExportError: it is an object that has a list: of the records, for example.
    """
    if isinstance(item, dict):
        for name, value in item.items():
            if isinstance(value, list):
                msg = f"the file is an object that has a list in {name[:100]!r}, where the list itself is expected"
                raise UnfitExportError(msg)


def _decoded(text: bytes) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
