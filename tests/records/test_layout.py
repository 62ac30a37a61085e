"""What is an export and what is not: error messages, wrong layouts, blank files, and records that are only invalid."""

from __future__ import annotations

import gzip
import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.errors import CorruptExportError, NoExportError, UnfitExportError
from tap_cxone.records import verify
from tap_cxone.records.model import RecordModel
from tap_cxone.records.verify import VerifiedFile, verify_export
from tap_cxone.streams.column_model import ColumnModel
from tests.records.exports import BOM, FIELDS, MODEL, SCHEMA, as_array, as_csv, as_lines, read, record, rejected_of

if TYPE_CHECKING:
    from pathlib import Path

ROWS = ColumnModel(
    {
        "type": "object",
        "properties": {
            "segment_id": {"type": "string"},
            "start_date": {"type": ["string", "null"], "format": "date-time"},
            "ani": {"type": ["string", "null"]},
        },
        "required": ["segment_id"],
    },
    ["segment_id"],
    adds=lambda _: True,
)
HEADER = "Segment ID,Start Date,ANI\n"
ERROR = {"type": "error", "message": "internal"}


def verified(folder: Path, data: bytes | str, model: RecordModel = MODEL) -> VerifiedFile:
    path = folder / "export"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return verify_export(path, model)


# --- No export --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        "null",
        "1",
        '"text"',
        "[1]",
        "[null]",
        "[[]]",
        "[{}]",
        "null\nnull\n",
        "[]\n[]\n",
        '[{"error": "internal"}]',
        '{"error": "internal"}',
        '{\n  "error": "internal"\n}\n',
        '{\n  "errors": [\n    {"code": 1}\n  ]\n}',
        '{"message": "no", "errors": [{"code": 1}]}',
        '{"records": []}',
        '{"type": "error"}\n{"type": "error"}\n',
        '{"id": "request-7", "type": "error", "message": "internal"}',
        json.dumps([dict.fromkeys(FIELDS)]),
        "Service unavailable",
        "<!DOCTYPE html>\n<html></html>\n",
        "id,message\n7,internal\n",
        "id,message\n",
        ",".join(FIELDS) + "\nInternal server error\n",
        ",".join(FIELDS) + "\n,,,,,,\n",
        ",".join(FIELDS) + "\nerror,,,,,,\n",
    ],
)
def test_a_file_without_a_record_but_with_something_else_is_no_export(tmp_path: Path, data: str) -> None:
    for text in (data.encode(), BOM + data.encode(), gzip.compress(data.encode())):
        with pytest.raises(NoExportError):
            verified(tmp_path, text)


@pytest.mark.parametrize(
    "data",
    [
        '{"error": "internal"}',
        '[{"error": "internal", "segment_id": "secret"}]',
        '{\n  "error": "internal"\n}',
        "null",
        "Service unavailable",
        "<html></html>",
        HEADER + ",,\n",
        HEADER + '"","",""\n,,\n',
        HEADER + "Internal server error\n",
    ],
)
def test_a_csv_file_without_a_row_but_with_something_else_is_no_export(tmp_path: Path, data: str) -> None:
    with pytest.raises(NoExportError) as caught:
        verified(tmp_path, data, ROWS)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "data",
    [as_array([ERROR] * 60), as_lines([ERROR] * 60), as_csv([{}] * 60), b"[" + b"1," * 300 + b"1]"],
    ids=["array", "lines", "csv", "numbers"],
)
def test_a_file_with_very_many_foreign_items_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(verify, "MAX_FOREIGN_ITEMS", 50)
    monkeypatch.setattr("tap_cxone.records.text.BATCH_BYTES", 64)
    with pytest.raises(NoExportError, match=r": ([56789]\d) of \1 items are not records"):
        verified(tmp_path, data)


def test_a_file_is_not_given_up_after_its_first_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if that one is rejected: there may be valid ones behind."""
    monkeypatch.setattr(verify, "MAX_FOREIGN_ITEMS", 5)
    monkeypatch.setattr("tap_cxone.records.text.BATCH_BYTES", 64)
    values = [record(1, duration="long"), *[ERROR] * 5, record(2)]
    with closing(verified(tmp_path, as_array(values))) as found:
        assert (found.valid, found.invalid, found.foreign) == (1, 6, 5)


def test_a_file_with_far_more_other_items_than_records_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them would be written to the quarantine and the audit log, and a small file can have millions."""
    monkeypatch.setattr(verify, "MAX_FOREIGN_ITEMS", 5)
    with pytest.raises(NoExportError, match=r"6 of 7 items are not records of this stream"):
        verified(tmp_path, as_array([record(1), *[ERROR] * 6]))


# --- Records that are only invalid ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"id": ...},
        {"id": ""},
        {"id": None},
        {"id": ..., "agentId": ..., "duration": ...},
        {"agentId": None, "botId": None, "duration": None},
        {"dateFrom": "yesterday"},
        {"botId": "\ud800"},
    ],
    ids=str,
)
@pytest.mark.parametrize("selected", [None, {"id"}, {"id", "duration", "type"}], ids=["all", "id", "three"])
def test_one_invalid_record_is_a_record(tmp_path: Path, change: dict[str, Any], selected: Any) -> None:
    model = RecordModel(SCHEMA, ["id"], selected=selected)
    with closing(verified(tmp_path, as_array([record(1, **change)]), model)) as found:
        assert found.valid + found.invalid == 1
        assert found.foreign == 0


@pytest.mark.parametrize("row", [",2024-01-01,", ",,555", ",tomorrow,", "1,tomorrow,", "1,,5,6", "1,2024-01-01"])
def test_one_invalid_row_is_a_row(tmp_path: Path, row: str) -> None:
    with closing(verified(tmp_path, HEADER + row + "\n", ROWS)) as found:
        assert (found.valid, found.invalid, found.foreign) == (0, 1, 0)


def test_foreign_items_among_records_are_rejected(tmp_path: Path) -> None:
    values = [ERROR, record(1), None, ERROR]
    for data in (as_array(values), as_lines(values)):
        with closing(verified(tmp_path, data)) as found:
            assert (found.valid, found.invalid, found.foreign) == (1, 3, 3)


def test_records_of_other_types_are_counted_whatever_their_reasons(tmp_path: Path) -> None:
    names = [f"field_{number}" for number in range(40)]
    schema = {"type": "object", "properties": {"id": {"type": "string"}} | {name: {"type": "number"} for name in names}}
    values = [{"id": "x"} | dict.fromkeys(names, 1) | {name: "many"} for name in names]
    with closing(verified(tmp_path, as_array([*values, 7]), RecordModel(schema, ["id"]))) as found:
        assert (found.invalid, found.misfits, found.foreign) == (41, 40, 1)
        assert found.misfit == "Expected `int | float`, got `str` - at `$.field_0`"


# --- Wrong layouts ----------------------------------------------------------------------------------------------------

MANY = [record(number) for number in range(1000)]


@pytest.mark.parametrize(
    "data",
    [
        as_lines([{"records": MANY}]),
        as_lines([{"count": 3, "links": [], "items": MANY[:3]}]),
        json.dumps({"records": MANY}, indent=2).encode(),
        json.dumps({"records": MANY[:3]}, indent=2).encode(),
        json.dumps({"count": 1, "page": {"next": None}, "records": MANY}, indent="\t").encode() + b"\n",
        b'{"records":\n' + as_array(MANY) + b"}",
        b'{"records": [' + as_lines(MANY[:3], "\n,") + b"]}",
        as_array([{"records": MANY[:3]}]),
        b"".join(json.dumps(value, indent=1).encode() + b"\n" for value in MANY[:3]),
        "".join(map(json.dumps, MANY[:3])).encode("utf-16"),
        as_array(MANY[:3]).decode().encode("utf-16-le"),
        as_csv(MANY[:3]).decode().encode("utf-16-be"),
    ],
    ids=[
        "wrapped",
        "wrapped, with other members",
        "indented, long",
        "indented, short",
        "indented with tabs",
        "list on a line of its own",
        "a record per line",
        "wrapped in an array",
        "indented objects",
        "UTF-16 lines",
        "UTF-16 array without a mark",
        "UTF-16 CSV without a mark",
    ],
)
def test_a_layout_that_is_not_supported_is_named(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UnfitExportError, match=r"UTF-16|'records'|'items'|several lines"):
        verified(tmp_path, data)


@pytest.mark.parametrize("first", ["null", "1", '"text"', "[1]", "[]", "true", "{}"])
def test_json_lines_may_begin_with_something_else(first: str) -> None:
    outcome = read(f"{first}\n".encode() + as_lines([record(1), record(2)]))
    assert outcome.ids == ["event-1", "event-2"]
    assert outcome.invalid[0][0] == json.loads(first)


@pytest.mark.parametrize("byte", [b",", b"[", b"{", b":", b'"'])
def test_a_long_first_line_is_not_taken_for_an_object_of_several_lines(byte: bytes) -> None:
    """The start of a file that is examined may end anywhere in it, at what also ends a line of indented JSON."""
    start = json.dumps(record(1, aaa="#")).encode().partition(b"#")[0]
    line = start + byte.replace(b'"', b"'") * (1 << 17) + b'"}\n'
    assert read(line + as_lines([record(2)])).ids == ["event-1", "event-2"]


def test_a_damaged_first_line_is_damage(tmp_path: Path) -> None:
    line = json.dumps(record(1)).encode()
    for data in (line[:-9] + b"\n", line[:40] + b"\n" + line[40:] + b"\n", line + b",\n" + line + b"\n"):
        with pytest.raises(CorruptExportError):
            verified(tmp_path, data)


# --- No records -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "is_blank"),
    [
        ("", True),
        ("\n", True),
        (" \r\n\t\n" * 20_000, True),
        (BOM.decode(), True),
        ("[]", False),
        ("\n[\n]\n", False),
        (",".join(FIELDS), False),
        (",".join(FIELDS) + "\n\n\r\n", False),
    ],
)
def test_only_a_file_without_anything_is_blank(tmp_path: Path, data: str, *, is_blank: bool) -> None:
    for text in (data.encode(), gzip.compress(data.encode())):
        with closing(verified(tmp_path, text)) as found:
            assert (found.valid, found.invalid, found.is_blank) == (0, 0, is_blank)


# --- Columns twice, keys without a value ------------------------------------------------------------------------------


def test_two_columns_of_one_field_are_refused(tmp_path: Path) -> None:
    data = as_csv([record(1)]).replace(b"botId", b"id")
    with pytest.raises(UnfitExportError, match="two columns 'id'"):
        verified(tmp_path, data)
    twice = as_csv([record(1)], (*FIELDS, "other", "other"))
    with closing(verified(tmp_path, twice)) as found:
        assert found.valid == 1


def test_two_columns_of_a_deselected_field_are_read(tmp_path: Path) -> None:
    data = as_csv([record(1)], (*FIELDS, "botId"))
    model = RecordModel(SCHEMA, ["id"], selected=set(FIELDS) - {"botId"})
    with closing(verified(tmp_path, data, model)) as found:
        assert found.valid == 1


@pytest.mark.parametrize("kind", ["string", "integer", "number", "boolean"])
@pytest.mark.parametrize("layout", ["csv", "array"])
def test_a_record_without_a_value_in_a_key_is_rejected(tmp_path: Path, kind: str, layout: str) -> None:
    schema = {"type": "object", "properties": {"key": {"type": [kind, "null"]}, "note": {"type": "string"}}}
    value = {"string": "a", "integer": 1, "number": 1.5, "boolean": True}[kind]
    values = [{"key": key, "note": "x"} for key in (None, value, None)]
    data = as_csv(values, ("key", "note")) if layout == "csv" else as_array(values)
    with closing(verified(tmp_path, data, RecordModel(schema, ["key"]))) as found:
        assert found.keys.duplicates(None) is None
        assert (found.valid, found.invalid, found.foreign, found.misfits) == (1, 2, 0, 0)
        assert len(rejected_of(found)) == 2


def test_a_key_of_several_types_is_not_an_empty_text(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"key": {"type": ["string", "integer"]}, "note": {"type": "string"}}}
    values = [{"key": key, "note": "x"} for key in ("", "a", 7)]
    with closing(verified(tmp_path, as_array(values), RecordModel(schema, ["key"]))) as found:
        assert (found.valid, found.invalid) == (2, 1)
