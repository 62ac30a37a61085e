"""Which fields of a record are read, emitted and reported: selection, and fields that the schema does not have."""

from __future__ import annotations

import json
import math
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.errors import UnfitExportError
from tap_cxone.records import batch
from tap_cxone.records.model import RecordModel
from tap_cxone.records.rejected import InvalidRecord, RejectedRecords
from tap_cxone.records.verify import VerifiedFile, verify_export
from tap_cxone.streams.column_model import ColumnModel
from tests.records.exports import (
    FIELDS,
    LAYOUTS,
    MODEL,
    SCHEMA,
    as_array,
    as_csv,
    as_lines,
    layouts,
    record,
    records_of,
    rejected_of,
)

if TYPE_CHECKING:
    from pathlib import Path

SOME = frozenset({"id", "dateFrom", "duration"})


def verified(folder: Path, data: bytes, model: RecordModel = MODEL) -> VerifiedFile:
    path = folder / "export"
    path.write_bytes(data)
    return verify_export(path, model)


# --- Selection --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["array", "lines", "csv"])
def test_only_selected_fields_are_written_in_the_order_of_the_schema(tmp_path: Path, layout: str) -> None:
    values = [dict(reversed(record(number).items())) for number in range(3)]
    data = as_csv(values, FIELDS[::-1]) if layout == "csv" else LAYOUTS[layout](values)
    with closing(verified(tmp_path, data, RecordModel(SCHEMA, ["id"], selected=SOME))) as found:
        assert [list(line) for line in records_of(found)] == [["id", "dateFrom", "duration"]] * 3
        assert found.valid == 3
        assert found.fields.unknown == set()


@pytest.mark.parametrize("layout", ["array", "lines", "csv"])
def test_a_deselected_field_is_not_looked_at(tmp_path: Path, layout: str) -> None:
    values = [record(1, agentId="" if layout == "csv" else 7), record(2, dateTo="tomorrow"), record(3, duration="many")]
    if layout != "csv":
        values.append(record(4, type=...))
    data = as_csv(values) if layout == "csv" else LAYOUTS[layout](values)
    with closing(verified(tmp_path, data, RecordModel(SCHEMA, ["id"], selected=SOME))) as found:
        assert [line["id"] for line in records_of(found)] == [f"event-{number}" for number in (1, 2, 4)][: found.valid]
        assert [rejected.record_id for rejected in rejected_of(found)] == ["event-3"]


@pytest.mark.parametrize("layout", ["array", "lines", "csv"])
def test_a_key_that_is_not_selected_takes_part_in_deduplication_only(tmp_path: Path, layout: str) -> None:
    values = [record(1, botId="first"), record(1, botId="second"), record(2), record(3, id="")]
    data = as_csv(values) if layout == "csv" else LAYOUTS[layout](values)
    model = RecordModel(SCHEMA, ["id"], selected=["botId", "type"], date_field="dateFrom")
    with closing(verified(tmp_path, data, model)) as found:
        records = records_of(found, found.keys.duplicates(None))
        assert records == [{"type": "bot", "botId": "first"}, {"type": "bot", "botId": "bot-1"}]
        assert len(rejected_of(found)) == 1
        assert found.days == {}, "the date is not read"


def test_columns_of_a_file_are_added_only_if_they_are_selected(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"id": {"type": "string"}, "note": {"type": ["string", "null"]}}}
    model = ColumnModel(schema, ["id"], adds={"team"}.__contains__, selected={"id"})
    with closing(verified(tmp_path, b"ID,Note,Team,Agent\n1,a,b,c\n", model)) as found:
        assert records_of(found) == [{"id": "1", "team": "b"}]
        assert found.fields.unknown == {"agent"}


# --- Unknown fields ---------------------------------------------------------------------------------------------------


@layouts
def test_unknown_fields_are_named_wherever_they_begin(tmp_path: Path, layout: str) -> None:
    values: list[dict[str, Any]] = [record(number) for number in range(2000)]
    values[3] |= {"early": {"nested": [1]}, "id2": None}
    values[1700] |= {"late": "x", "early": 3}
    with closing(verified(tmp_path, LAYOUTS[layout](values))) as found:
        assert found.fields.unknown == {"early", "id2", "late"}
        assert records_of(found) == [record(number) for number in range(2000)]


@pytest.mark.parametrize(
    "name", ["", " ", "a`b", "` - at `$[0]`", 'a"b', "back\\slash", "line\nbreak", "ü😀", "class", "__x__"]
)
def test_odd_names_of_unknown_fields_affect_nothing(tmp_path: Path, name: str) -> None:
    values: list[dict[str, Any]] = [record(1), record(2, **{name: 1}), record(3, other=2), record(4, agentId=7)]
    for data in (as_array(values), as_lines(values)):
        with closing(verified(tmp_path, data)) as found:
            assert [line["id"] for line in records_of(found)] == ["event-1", "event-2", "event-3"]
            assert found.fields.unknown >= {name}
            assert found.invalid == 1


def test_at_most_fifty_unknown_fields_are_named(tmp_path: Path) -> None:
    values = [record(number, **{f"unknown-{number}": 1}) for number in range(60)]
    for data in (
        as_array(values),
        as_lines(values),
        as_array([*values, 7]),
        as_csv([record(1)], (*FIELDS, *map(str, range(60)))),
    ):
        with closing(verified(tmp_path, data)) as found:
            assert len(found.fields.unknown) == batch.MAX_UNKNOWN_FIELDS == 50
            assert len(records_of(found)) in {60, 1}


@layouts
@pytest.mark.parametrize("name", ['a"b', "x" * 1000], ids=["odd", "long"])
def test_a_name_that_cannot_be_ignored_by_name_hides_no_later_one(tmp_path: Path, layout: str, name: str) -> None:
    values: list[dict[str, Any]] = [record(number) for number in range(2000)]
    values[3] |= {name: 1}
    values[1900] |= {"later": 1}
    with closing(verified(tmp_path, LAYOUTS[layout](values))) as found:
        assert found.fields.unknown - {name} == {"later"}
        assert records_of(found) == [record(number) for number in range(2000)]


def test_a_very_long_name_is_not_kept(tmp_path: Path) -> None:
    values = [record(1, **{"x" * 1000: 1}), record(2)]
    with closing(verified(tmp_path, as_array(values))) as found:
        assert found.fields.unknown == set()
        assert found.valid == 2


def test_a_rejected_record_with_very_many_fields_is_kept_in_part(tmp_path: Path) -> None:
    wide = record(1, duration="many") | {f"field-{number}": number for number in range(5000)}
    with closing(verified(tmp_path, json.dumps([wide]).encode())) as found:
        [rejected] = rejected_of(found)
        assert isinstance(rejected.record, dict)
        assert len(rejected.record) == 1000
        assert rejected.record_id == "event-1"


# --- Length -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["array", "lines", "csv"])
@pytest.mark.parametrize(("extra", "fits"), [(-300, True), (1, False)])
def test_a_record_may_have_four_mebibytes(tmp_path: Path, layout: str, extra: int, *, fits: bool) -> None:
    values = [record(1), record(2, botId="b" * (batch.MAX_RECORD_BYTES + extra)), record(3)]
    data = as_csv(values) if layout == "csv" else LAYOUTS[layout](values)
    if fits:
        with closing(verified(tmp_path, data)) as found:
            assert records_of(found)[1]["botId"] == values[1]["botId"]
            assert found.valid == 3
    else:
        with pytest.raises(UnfitExportError, match=r"longer than 4 MiB"):
            verified(tmp_path, data)


def test_a_long_cell_with_line_breaks_may_follow_the_header(tmp_path: Path) -> None:
    values = [record(1, botId="line\n" * 100_000)]
    with closing(verified(tmp_path, as_csv(values))) as found:
        assert records_of(found) == values


@pytest.mark.parametrize("stray", [0, 900, 1999], ids="stray quote in row {}".format)
@pytest.mark.parametrize("every", [1, 2, 50], ids="line break in every {} rows".format)
def test_a_quote_in_an_unquoted_cell_hides_no_row(tmp_path: Path, stray: int, every: int) -> None:
    def row(number: int) -> str:
        note = 'a 5" screen' if number == stray else '"two\nlines"' if number % every == 0 else "plain"
        return f"e{number},bot,2024-01-01T00:00:00Z,2024-01-01T00:00:00Z,{note},{'a' * 200},1\n"

    data = (",".join(FIELDS) + "\n" + "".join(map(row, range(2000)))).encode()
    with closing(verified(tmp_path, data)) as found:
        assert [line["id"] for line in records_of(found)] == [f"e{number}" for number in range(2000)]


def test_wide_rows_of_empty_columns_are_read(tmp_path: Path) -> None:
    header = ["id", *(f"How satisfied are you with the service of agent {number:04}" for number in range(1000))]
    rows = [",".join([str(number), *[""] * 1000]) for number in range(500)]
    model = ColumnModel({"type": "object", "properties": {"id": {"type": "string"}}}, ["id"], adds=lambda _: True)
    with closing(verified(tmp_path, "\n".join([",".join(header), *rows]).encode(), model)) as found:
        records = records_of(found)
        assert [line["id"] for line in records] == [str(number) for number in range(500)]
        assert {len(line) for line in records} == {1001}


def test_a_record_may_have_eight_mebibytes_in_canonical_form(tmp_path: Path) -> None:
    with closing(verified(tmp_path, as_csv([record(1), record(2, botId="\x01" * 1_300_000)]))) as found:
        assert found.valid == 2
    with pytest.raises(UnfitExportError, match="longer than 8 MiB"):
        verified(tmp_path, as_csv([record(1), record(2, botId="\x01" * 1_500_000)]))


def test_a_rejected_record_that_is_nested_deeply_is_named(tmp_path: Path) -> None:
    found = RejectedRecords(tmp_path)
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    found.add([InvalidRecord(deep, "id", ("a",), "reason"), InvalidRecord({"a": math.nan}, None, (), "other")])
    [[first, second]] = found.batches()
    assert first == InvalidRecord("(nested too deeply to be kept)", "id", ("a",), "reason")
    assert repr(second.record) == "{'a': nan}"
    assert found.size > 0
    found.close()


def test_a_header_may_have_a_quarter_of_a_mebibyte(tmp_path: Path) -> None:
    header = ",".join((*FIELDS, *(f"c{number}" for number in range(60_000))))
    with pytest.raises(UnfitExportError, match=r"longer than 256 KiB"):
        verified(tmp_path, header.encode() + b"\n")


# --- Dates ------------------------------------------------------------------------------------------------------------

DATES = {
    "2024-01-31T15:04:05.123Z": "2024-01-31T15:04:05.123Z",
    "2024-01-31T15:04:05.123456789+02:00": "2024-01-31T15:04:05.123456789+02:00",
    "2024-01-31 15:04:05Z": "2024-01-31T15:04:05.000Z",
    "2024-01-31t15:04:05z": "2024-01-31T15:04:05.000Z",
    "2024-01-31T15:04:05": "2024-01-31T15:04:05.000Z",
    "2024-01-31 15:04:05.5+0200": "2024-01-31T13:04:05.500Z",
    "2024-01-31T15:04:05+0000": "2024-01-31T15:04:05.000Z",
    "20240131T150405Z": "2024-01-31T15:04:05.000Z",
    "2024-01-31": "2024-01-31T00:00:00.000Z",
    " 2024-01-31T15:04:05Z ": "2024-01-31T15:04:05Z",
    "31/01/2024 15:04": None,
    "2024-02-30T00:00:00Z": None,
    "2024-01-31T15:04:60Z": None,
    "2024-01-31T15:04:05 Z": None,
    "yesterday": None,
    "2024-01-31T15:04:05\u0661Z": None,
}


@pytest.mark.parametrize("layout", ["array", "lines", "csv", "rows"])
@pytest.mark.parametrize("neighbours", ["none", "valid", "without an offset", "invalid"])
@pytest.mark.parametrize(("text", "emitted"), DATES.items())
def test_a_date_time_is_emitted_as_rfc_3339_or_rejected_in_every_layout(
    tmp_path: Path, layout: str, neighbours: str, text: str, emitted: str | None
) -> None:
    values = [record(1, dateFrom=text)]
    if neighbours != "none":
        other = {"valid": "2024-01-01T00:00:00Z", "without an offset": "2024-01-01 00:00:00"}.get(neighbours, "x")
        values += [record(2, dateFrom=other), record(3)]
    data = as_csv(values) if layout in {"csv", "rows"} else LAYOUTS[layout](values)
    properties = {"id": {"type": "string"}, "datefrom": {"type": ["string", "null"], "format": "date-time"}}
    rows = ColumnModel({"type": "object", "properties": properties}, ["id"], date_field="datefrom")
    model = rows if layout == "rows" else RecordModel(SCHEMA, ["id"], date_field="dateFrom")
    with closing(verified(tmp_path, data, model)) as found:
        dates = {line["id"]: line.get("dateFrom", line.get("datefrom")) for line in records_of(found)}
        assert dates.get("event-1") == emitted
        assert found.invalid == (emitted is None) + (neighbours == "invalid")
        assert sum(found.days.values()) == found.valid


def test_a_day_is_emitted_as_a_day(tmp_path: Path) -> None:
    properties = {"id": {"type": "string"}, "day": {"type": ["string", "null"], "format": "date"}}
    model = ColumnModel({"type": "object", "properties": properties}, ["id"])
    text = "ID,Day\n1,2024-01-31\n2,\n3,20240131\n4,2024-01-31T23:00:00-05:00\n"
    with closing(verified(tmp_path, text.encode(), model)) as found:
        assert [line["day"] for line in records_of(found)] == ["2024-01-31", None, "2024-01-31", "2024-01-31"]


def test_dates_that_are_rfc_3339_are_not_converted_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tap_cxone.records.model.as_date_time", None)
    for data in (as_array([record(1), record(2)]), as_csv([record(1), record(2)])):
        with closing(verified(tmp_path, data)) as found:
            assert found.valid == 2
