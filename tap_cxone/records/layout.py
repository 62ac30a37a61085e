"""Layout of an export: a JSON array, JSON Lines, or CSV with a header row, recognised by the start of the file."""

from __future__ import annotations

import contextlib
import json
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from typing import TYPE_CHECKING, NoReturn

from tap_cxone.errors import NoExportError, UnfitExportError
from tap_cxone.records.batch import WHITESPACE
from tap_cxone.records.csv_reader import read_csv
from tap_cxone.records.json_reader import parse_value, read_array, read_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cxone.records.batch import Batch, ExportFields
    from tap_cxone.records.model import RecordModel
    from tap_cxone.records.text import ExportText

_BLANKS = WHITESPACE.decode()


def read_export(text: ExportText, fields: ExportFields) -> Iterator[Batch]:
    """Decode an export.

    Raises:
        CorruptExportError: the file is truncated or damaged.
        NoExportError: the file is not an export.
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
    """Return whether a file starts with an object, or with a line that is any other JSON value."""
    line, line_end, following = head.partition(b"\n")
    if head.startswith(b"{"):
        if line_end and _is_open(line):
            _reject_object(head, fields.model)
        return True
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return False
    if isinstance(value, list):
        return bool(following.strip(WHITESPACE))  # else it is an array in one line
    # A JSON string may be the header of a CSV file with one column.
    return value not in fields.model.fields


def _reject_object(head: bytes, model: RecordModel) -> NoReturn:
    """Report the start of a file that has an object of several lines.

    Raises:
        NoExportError: the file is one object: an error message, for example.
        UnfitExportError: it has several, or one with a list of records, or one too long to tell.
    """
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(head)
        check_not_wrapped(value, model)
        msg = "the file is not an export but a single JSON object"
        raise NoExportError(msg)
    msg = "the file has JSON objects of several lines each, where an array or an object per line is expected"
    raise UnfitExportError(msg)


def check_not_wrapped(item: object, model: RecordModel) -> None:
    """Check an item that is not a record.

    Raises:
        UnfitExportError: it is an object that has a list of records.
    """
    if isinstance(item, dict):
        for name, value in item.items():
            if isinstance(value, list) and value and not model.is_foreign(value[0]):
                msg = f"the file is an object with the records in {name[:100]!r}, where their list itself is expected"
                raise UnfitExportError(msg)


def _is_open(text: bytes) -> bool:
    """Return whether a line is the start of a JSON value that goes on in the next line, as in an indented object."""
    decoded = text.decode("utf-8", "replace").rstrip(_BLANKS)
    try:
        parse_value(decoded, 0)
    except json.JSONDecodeError as err:
        return err.pos == len(decoded)
    except (ValueError, RecursionError):
        pass
    return False
