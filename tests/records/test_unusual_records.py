"""Unusual and invalid records in undamaged exports: which are read, which are rejected, and that no other is lost."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from tap_cxone.errors import CorruptExportError
from tests.records.exports import (
    BOM,
    FIELDS,
    LAYOUTS,
    as_array,
    as_csv,
    as_lines,
    layouts,
    read,
    record,
)
from tests.records.reference import expected_from_json


@pytest.mark.parametrize("data", [b"[]", b" [ \n ] \n", BOM + b"[]", gzip.compress(b"[]", mtime=0)], ids=repr)
def test_an_empty_array_has_no_records(data: bytes) -> None:
    for batch_bytes in (1, 2, 100):
        assert read(data, batch_bytes=batch_bytes) == expected_from_json([])


@pytest.mark.parametrize("data", [b"", BOM, b" \r\n", gzip.compress(b"", mtime=0)], ids=repr)
def test_an_empty_file_has_no_records(data: bytes) -> None:
    assert read(data) == expected_from_json([])


@pytest.mark.parametrize("end", ["", "\n", "\r\n"], ids=repr)
def test_a_csv_header_alone_has_no_records(end: str) -> None:
    assert read((",".join(FIELDS) + end).encode()) == expected_from_json([])


NUMBERS = [
    "1",
    "-0",
    "1.5",
    "12E+2",
    "1e400",
    "-1e400",
    "9" * 40,
    "9" * 5000,
    "NaN",
    "-Infinity",
    "true",
    "null",
    '"1"',
]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda text: text[:20])
@pytest.mark.parametrize("neighbour", ["", ',"agentId":7'], ids=["valid neighbour", "invalid neighbour"])
def test_any_json_number_is_valid_or_rejected_but_never_damage(number: str, neighbour: str) -> None:
    """An invalid neighbour makes the batch irregular, which must not affect the number."""
    odd = json.dumps(record(2, duration="#")).replace('"#"', number)
    bad = json.dumps(record(3))[:-1] + neighbour + "}"
    valid = number[-1].isdigit() and "e400" not in number and len(number) < 5000
    for data in (f"[{odd},{bad}]", f"{odd}\n{bad}\n"):
        for batch_bytes in (1, 7, 1 << 18):
            outcome = read(data.encode(), batch_bytes=batch_bytes)
            assert ("event-2" in outcome.ids) is valid
            assert ("event-3" in outcome.ids) is (not neighbour)
            if valid:
                assert repr(outcome.records[0]["duration"]) == repr(json.loads(number))


@pytest.mark.parametrize("number", NUMBERS, ids=lambda text: text[:20])
def test_any_json_number_is_accepted_in_an_unknown_field(number: str) -> None:
    odd = json.dumps(record(1, extra="#")).replace('"#"', number)
    for data in (f"[{odd},{json.dumps(record(2, id=7))}]", f"{odd}\n7\n"):
        assert read(data.encode()).ids == ["event-1"]


@pytest.mark.parametrize("element", ["null", "true", "1", "1.5", "-2e-3", '"text"', "[]", '[{"id":"x"}]', "{}"])
def test_elements_that_are_not_records_are_rejected_at_any_batch_size(element: str) -> None:
    odd = json.loads(element)
    values = [odd, record(1), odd, odd]
    array = "[" + " , ".join(element if value == odd else json.dumps(value) for value in values) + " ]"
    for batch_bytes in (*range(1, 40), *range(len(array) // 2, len(array) + 1)):
        assert read(array.encode(), batch_bytes=batch_bytes) == expected_from_json(values)
    lines = as_lines(values[1:])
    for batch_bytes in (*range(1, 40), *range(len(lines) // 2, len(lines) + 1)):
        assert read(lines, batch_bytes=batch_bytes) == expected_from_json(values[1:])


def test_an_invalid_record_does_not_affect_others() -> None:
    values = [record(number, **({"agentId": None} if number % 7 == 0 else {})) for number in range(100)]
    for data in (as_array(values), as_lines(values)):
        for batch_bytes in (1, 64, 1000, 1 << 18):
            assert read(data, batch_bytes=batch_bytes) == expected_from_json(values)


@pytest.mark.parametrize("bad", [{}, {"id": None}, {"agentId": 7}], ids=repr)
def test_the_last_value_of_a_repeated_json_key_is_used(bad: dict[str, Any]) -> None:
    twice = json.dumps(record(1))[:-1] + ', "botId": 7, "botId": "last"}'
    data = f"[{twice}, {json.dumps(record(2, **bad))}]".encode()
    for batch_bytes in (1, 50, 1 << 18):
        assert read(data, batch_bytes=batch_bytes).records[0]["botId"] == "last"


@pytest.mark.parametrize("text", [r"\ud800", r"\udc00\ud800", r"x\udfff"])
def test_a_lone_surrogate_is_rejected_only_in_a_known_field(text: str) -> None:
    values = [json.loads(f'"{text}"')]
    data = as_array([record(1, botId=values[0]), record(2, extra=values), record(3, **{values[0]: 1}), record(4)])
    for batch_bytes in (1, 64, 1 << 18):
        assert read(data, batch_bytes=batch_bytes).ids == ["event-2", "event-3", "event-4"]


@pytest.mark.parametrize("layout", ["array", "lines", "csv"])
def test_invalid_utf8_rejects_only_its_own_record(layout: str) -> None:
    values = [record(1), record(2, botId="#"), record(3), record(4, type="ü")]
    data = (as_csv(values) if layout == "csv" else LAYOUTS[layout](values)).replace(b"#", b"a\xff\xfe\xed\xa0\x80")
    for batch_bytes in (1, 7, 64, 1 << 18):
        assert read(data, batch_bytes=batch_bytes).ids == ["event-1", "event-3", "event-4"]


@layouts
@pytest.mark.parametrize("neighbour", [{}, {"agentId": 7}], ids=["valid neighbour", "invalid neighbour"])
def test_an_unescaped_tab_in_a_string_is_accepted(layout: str, neighbour: dict[str, Any]) -> None:
    data = LAYOUTS[layout]([record(1, botId="a#b"), record(2, extra="a#b"), record(3, **neighbour)])
    outcome = read(data.replace(b"#", b"\t"))
    assert outcome.ids[:2] == ["event-1", "event-2"]
    assert outcome.records[0]["botId"] == "a\tb"


@pytest.mark.parametrize("neighbour", [{}, {"agentId": 7}], ids=["valid neighbour", "invalid neighbour"])
def test_several_objects_on_a_line_are_read(neighbour: dict[str, Any]) -> None:
    data = as_lines([record(1)]) + as_lines([record(2), record(3), record(4, **neighbour)], " ")
    assert read(data).ids[:3] == ["event-1", "event-2", "event-3"]


@pytest.mark.parametrize("cell", ["1,2", "1],[2", "[1]", "1 2", " ", "true", "null", '"1"', "1e400", "NaN"])
def test_a_cell_that_is_not_one_number_does_not_shift_other_cells(cell: str) -> None:
    outcome = read(as_csv([record(1, duration=7), record(2, duration=cell), record(3, duration=9)]))
    assert [(found["id"], found["duration"]) for found in outcome.records] == [("event-1", 7), ("event-3", 9)]
    assert len(outcome.invalid) == 1


def test_a_cell_with_deeply_nested_brackets_is_rejected() -> None:
    assert read(as_csv([record(1, duration="[" * 100_000), record(2)])).ids == ["event-2"]


def test_a_csv_row_with_another_number_of_cells_is_rejected() -> None:
    data = as_csv([record(1)]) + b"event-2,bot\r\n" + b"a,b,c,d,e,f,g,h\r\n" + as_csv([record(3)]).split(b"\r\n", 1)[1]
    for batch_bytes in (1, 100, 1 << 18):
        outcome = read(data, batch_bytes=batch_bytes)
        assert outcome.ids == ["event-1", "event-3"]
        assert [len(row) for row, _ in outcome.invalid] == [2, 8]


def test_a_deeply_nested_record_is_read_or_reported_as_damage() -> None:
    def nested(levels: int) -> bytes:
        deep = json.dumps(record(1, extra="#")).replace('"#"', "[" * levels + "]" * levels)
        return f"[{deep},{json.dumps(record(2))}]".encode()

    assert read(nested(200)).ids == ["event-1", "event-2"]
    with pytest.raises(CorruptExportError):
        read(nested(100_000))


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"id": ...}, ("id",)),
        ({"id": ""}, ()),
        ({"id": None}, ()),
        ({"id": 7}, ()),
        ({"duration": True}, ()),
        ({"duration": "7"}, ()),
        ({"duration": None}, ()),
        ({"type": ["bot"]}, ()),
        ({"dateFrom": "1/1/2024"}, ()),
        ({"dateFrom": "2024-13-01T00:00:00Z"}, ()),
        ({"dateTo": 1704067200}, ()),
        ({"botId": ..., "agentId": ...}, ("botId", "agentId")),
    ],
    ids=repr,
)
def test_an_invalid_record_is_rejected_with_its_missing_fields(
    change: dict[str, Any], missing: tuple[str, ...]
) -> None:
    values = [record(1), record(2, **change), record(3)]
    for data in (as_array(values), as_lines(values)):
        outcome = read(data)
        assert outcome.ids == ["event-1", "event-3"]
        assert outcome.invalid == [(values[1], missing)]


@pytest.mark.parametrize(
    "date", ["2024-01-01T00:00:00Z", "2024-01-01T00:00:00.123456+02:00", "2024-02-29T23:59:59.999Z"]
)
def test_a_date_time_keeps_its_original_text(date: str) -> None:
    assert read(as_array([record(1, dateFrom=date)])).records[0]["dateFrom"] == date
