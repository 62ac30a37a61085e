"""From the bytes of an export to its records: whatever its layout, wherever it is cut, however it is damaged."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import itertools
import json
import random
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tap_cxone.errors import CorruptExportError
from tap_cxone.records.verify import read_unique, verify_export
from tests.records.exports import FIELDS, MODEL, any_json, any_records, any_text, plainly, plainly_csv, read, record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BOM = b"\xef\xbb\xbf"
piece_sizes = st.sampled_from([1, 2, 3, 5, 7, 13, 64, 1 << 18]) | st.integers(1, 300)
white_space = st.text(alphabet=" \t\r\n", max_size=3).map(str.encode)


def as_array(values: list[Any], **layout: Any) -> bytes:
    return json.dumps(values, **layout).encode(
        "utf-8", "surrogatepass" if layout.get("ensure_ascii", True) else "strict"
    )


def as_lines(values: list[Any], end: str = "\n", *, final: bool = True, **layout: Any) -> bytes:
    return (end.join(json.dumps(value, **layout) for value in values) + (end if final else "")).encode()


def as_csv(rows: list[dict[str, Any]], columns: tuple[str, ...] = FIELDS, **layout: Any) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, **layout)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


NESTED = {"a": [{"b": '}],{"'}, {"c": {"d": "\\"}}], "}": "\u00fc\U0001f600", "e": [[], {}, [{}]]}
TRICKY = [
    record(1, extra=NESTED),
    record(2, botId='a "quoted", \n broken \\ text }', agentId=""),
    record(3, id="日本😀\u2028", duration=10**39 + 1),
    record(4, duration="12"),
    record(5, agentId=...),
    record(6, extra=[NESTED, NESTED]),
    record(7, dateFrom="yesterday"),
    record(8, duration=-1),
]
LAYOUTS: dict[str, Callable[[list[Any]], bytes]] = {
    "array": as_array,
    "pretty array": lambda values: as_array(values, indent=2, ensure_ascii=False),
    "lines": as_lines,
    "lines with CRLF": lambda values: as_lines(values, "\r\n"),
    "lines with blank ones": lambda values: as_lines(values, "\n \n\n"),
    "lines without a final one": lambda values: as_lines(values, final=False),
}
layouts = pytest.mark.parametrize("layout", LAYOUTS)


# --- Whole exports ----------------------------------------------------------------------------------------------------


@given(
    values=st.lists(any_records() | any_json, max_size=6),
    indent=st.sampled_from([None, 0, 1, 4]),
    separators=st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:\r\n")]),
    around=st.tuples(st.sampled_from([b"", BOM]), white_space, white_space),
    piece_bytes=piece_sizes,
)
def test_an_array_gives_what_json_gives(
    values: list[Any],
    indent: int | None,
    separators: tuple[str, str],
    around: tuple[bytes, bytes, bytes],
    piece_bytes: int,
) -> None:
    data = as_array(values, indent=indent, separators=separators)
    assert read(around[0] + around[1] + data + around[2], piece_bytes=piece_bytes) == plainly(json.loads(data))


@given(values=st.lists(any_records(), max_size=6), piece_bytes=piece_sizes)
def test_text_that_is_not_ascii_may_be_cut_anywhere(values: list[Any], piece_bytes: int) -> None:
    data = json.dumps(values, ensure_ascii=False).encode("utf-8", "replace")
    assert read(data, piece_bytes=piece_bytes) == plainly(json.loads(data))


@given(
    values=st.lists(any_records() | any_json, max_size=6),
    first=any_records().filter(lambda value: len(value) > 4),
    end=st.sampled_from(["\n", "\r\n", "\n\n", " \n\t\n"]),
    final=st.booleans(),
    bom=st.sampled_from([b"", BOM]),
    piece_bytes=piece_sizes,
)
def test_lines_give_what_json_gives(
    values: list[Any], first: Any, end: str, *, final: bool, bom: bytes, piece_bytes: int
) -> None:
    data = as_lines([first, *values], end, final=final)
    expected = plainly([json.loads(line) for line in data.splitlines() if line.strip()])
    assert read(bom + data, piece_bytes=piece_bytes) == expected


cells = st.one_of(
    any_text, st.sampled_from(["120.5", "-1e3", " 7", "007", "true", "NaN", "1e400", "2024-01-01T00:00:00Z", '"', "\n"])
)


@given(
    rows=st.lists(st.fixed_dictionaries(dict.fromkeys((*FIELDS, "extra"), cells)) | any_records(), max_size=6),
    columns=st.permutations((*FIELDS, "extra")),
    line_end=st.sampled_from(["\n", "\r\n"]),
    final=st.booleans(),
    bom=st.sampled_from([b"", BOM]),
    cut=st.tuples(piece_sizes, st.sampled_from([1, 2, 3, 2000])),
)
def test_csv_gives_what_csv_gives(
    rows: list[dict[str, Any]], columns: list[str], line_end: str, *, final: bool, bom: bytes, cut: tuple[int, int]
) -> None:
    text = io.StringIO(newline="")
    # Left to itself, the writer does not quote a bare carriage return where lines end with a line feed.
    writer = csv.DictWriter(
        text,
        columns,
        extrasaction="ignore",
        lineterminator=line_end,
        quoting=csv.QUOTE_ALL if line_end == "\n" else csv.QUOTE_MINIMAL,
    )
    writer.writeheader()
    writer.writerows(rows)
    data = text.getvalue().encode("utf-8", "replace")
    if not final:
        data = data.removesuffix(line_end.encode())
    assert read(bom + data, piece_bytes=cut[0], rows=cut[1]) == plainly_csv(data)


@layouts
def test_every_size_of_piece_gives_the_same(layout: str) -> None:
    values = [TRICKY[0], *TRICKY[5:7]]
    data = LAYOUTS[layout](values)
    expected = plainly(json.loads(as_array(values)))
    assert len(expected.records) == 2
    # Among pieces of more than half the length there is one for every cut.
    for piece_bytes in (*range(1, 50), *range(len(data) // 2, len(data) + 2)):
        assert read(data, piece_bytes=piece_bytes) == expected, f"pieces of {piece_bytes} bytes"


def test_a_record_longer_than_many_pieces_is_read() -> None:
    values = [record(1), record(2, extra=["}" * 5000, NESTED]), record(3, botId="b" * 5000)]
    assert read(as_array(values), piece_bytes=64) == plainly(values)
    assert read(as_lines(values), piece_bytes=64) == plainly(values)


def test_text_of_flat_records_is_handed_on_as_it_was_sent(tmp_path: Path) -> None:
    values = [record(number) for number in range(5)]
    texts = [json.dumps(value, separators=(",", ":")).encode() for value in values]
    path = tmp_path / "export"
    for data in (b"[" + b",".join(texts) + b"]", b"\n".join(texts) + b"\n"):
        path.write_bytes(data)
        found = verify_export(path, MODEL)
        found.keys.close()
        [piece] = read_unique(path, found, None)
        assert piece.verbatim is not None
        assert piece.verbatim.lines(piece.count, b"(", b")\n") == b"".join(b"(%b)\n" % text for text in texts)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ":"), (",\n", ":"), (",", ": ")], ids=repr)
@pytest.mark.parametrize("text", ["},{", "}", "},", "{", "\n", '"},{"id":"x'], ids=repr)
def test_what_looks_like_the_end_of_a_record_inside_a_text_is_none(text: str, separators: tuple[str, str]) -> None:
    values = [record(1, botId=text), record(2), record(3, type=text)]
    for number in (2, 3):
        assert read(as_array(values[:number], separators=separators)) == plainly(values[:number])
    assert read(as_lines(values, separators=(",", ":"))) == plainly(values)


# --- Odd, but no damage -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"[]", b" [ \n ] \n", BOM + b"[]", gzip.compress(b"[]", mtime=0)], ids=repr)
def test_an_empty_array_has_no_records(data: bytes) -> None:
    for piece_bytes in (1, 2, 100):
        assert read(data, piece_bytes=piece_bytes) == plainly([])


@pytest.mark.parametrize("data", [b"", BOM, b" \r\n", gzip.compress(b"", mtime=0)], ids=repr)
def test_nothing_at_all_is_an_export_of_lines_without_a_line(data: bytes) -> None:
    assert read(data) == plainly([])


@pytest.mark.parametrize("end", ["", "\n", "\r\n"], ids=repr)
def test_a_header_alone_is_a_csv_export_without_rows(end: str) -> None:
    assert read((",".join(FIELDS) + end).encode()) == plainly([])


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
@pytest.mark.parametrize("neighbour", ["", ',"agentId":7'], ids=["alone", "beside a bad record"])
def test_any_number_is_a_valid_duration_or_refused_but_never_damage(number: str, neighbour: str) -> None:
    """What a number becomes must not hang on whether its neighbour makes the piece irregular."""
    odd = json.dumps(record(2, duration="#")).replace('"#"', number)
    bad = json.dumps(record(3))[:-1] + neighbour + "}"
    valid = number[-1].isdigit() and "e400" not in number and len(number) < 5000
    for data in (f"[{odd},{bad}]", f"{odd}\n{bad}\n"):
        for piece_bytes in (1, 7, 1 << 18):
            outcome = read(data.encode(), piece_bytes=piece_bytes)
            assert ("event-2" in outcome.ids) is valid
            assert ("event-3" in outcome.ids) is (not neighbour)
            if valid:
                assert repr(outcome.records[0]["duration"]) == repr(json.loads(number))


@pytest.mark.parametrize("number", NUMBERS, ids=lambda text: text[:20])
def test_any_number_may_stand_in_a_field_that_the_schema_does_not_have(number: str) -> None:
    odd = json.dumps(record(1, extra="#")).replace('"#"', number)
    for data in (f"[{odd},{json.dumps(record(2, id=7))}]", f"{odd}\n7\n"):
        assert read(data.encode()).ids == ["event-1"]


@pytest.mark.parametrize("element", ["null", "true", "1", "1.5", "-2e-3", '"text"', "[]", '[{"id":"x"}]', "{}"])
def test_elements_that_are_no_records_are_refused_wherever_they_are_cut(element: str) -> None:
    odd = json.loads(element)
    values = [odd, record(1), odd, odd]
    array = "[" + " , ".join(element if value == odd else json.dumps(value) for value in values) + " ]"
    for piece_bytes in (*range(1, 40), *range(len(array) // 2, len(array) + 1)):
        assert read(array.encode(), piece_bytes=piece_bytes) == plainly(values)
    lines = as_lines(values[1:])
    for piece_bytes in (*range(1, 40), *range(len(lines) // 2, len(lines) + 1)):
        assert read(lines, piece_bytes=piece_bytes) == plainly(values[1:])


def test_a_bad_record_in_the_middle_costs_no_other() -> None:
    values = [record(number, **({"agentId": None} if number % 7 == 0 else {})) for number in range(100)]
    for data in (as_array(values), as_lines(values)):
        for piece_bytes in (1, 64, 1000, 1 << 18):
            assert read(data, piece_bytes=piece_bytes) == plainly(values)


@pytest.mark.parametrize("bad", [{}, {"id": None}, {"agentId": 7}], ids=repr)
def test_of_a_key_that_an_object_has_twice_the_last_counts(bad: dict[str, Any]) -> None:
    twice = json.dumps(record(1))[:-1] + ', "botId": 7, "botId": "last"}'
    data = f"[{twice}, {json.dumps(record(2, **bad))}]".encode()
    for piece_bytes in (1, 50, 1 << 18):
        assert read(data, piece_bytes=piece_bytes).records[0]["botId"] == "last"


@pytest.mark.parametrize("text", [r"\ud800", r"\udc00\ud800", r"x\udfff"])
def test_half_a_character_is_refused_in_a_field_and_ignored_elsewhere(text: str) -> None:
    values = [json.loads(f'"{text}"')]
    data = as_array([record(1, botId=values[0]), record(2, extra=values), record(3, **{values[0]: 1}), record(4)])
    for piece_bytes in (1, 64, 1 << 18):
        assert read(data, piece_bytes=piece_bytes).ids == ["event-2", "event-3", "event-4"]


@pytest.mark.parametrize("layout", ["array", "lines", "csv"])
def test_bytes_that_are_no_utf8_cost_their_record_only(layout: str) -> None:
    values = [record(1), record(2, botId="#"), record(3), record(4, type="ü")]
    data = (as_csv(values) if layout == "csv" else LAYOUTS[layout](values)).replace(b"#", b"a\xff\xfe\xed\xa0\x80")
    for piece_bytes in (1, 7, 64, 1 << 18):
        assert read(data, piece_bytes=piece_bytes).ids == ["event-1", "event-3", "event-4"]


@layouts
@pytest.mark.parametrize("neighbour", [{}, {"agentId": 7}], ids=["alone", "beside a bad record"])
def test_a_bare_tab_in_a_text_is_no_damage(layout: str, neighbour: dict[str, Any]) -> None:
    data = LAYOUTS[layout]([record(1, botId="a#b"), record(2, extra="a#b"), record(3, **neighbour)])
    outcome = read(data.replace(b"#", b"\t"))
    assert outcome.ids[:2] == ["event-1", "event-2"]
    assert outcome.records[0]["botId"] == "a\tb"


@pytest.mark.parametrize("neighbour", [{}, {"agentId": 7}], ids=["alone", "beside a bad record"])
def test_several_objects_on_a_line_are_read(neighbour: dict[str, Any]) -> None:
    data = as_lines([record(1)]) + as_lines([record(2), record(3), record(4, **neighbour)], " ")
    assert read(data).ids[:3] == ["event-1", "event-2", "event-3"]


@pytest.mark.parametrize("cell", ["1,2", "1],[2", "[1]", "1 2", " ", "true", "null", '"1"', "1e400", "NaN"])
def test_a_cell_that_is_not_one_number_moves_no_other(cell: str) -> None:
    outcome = read(as_csv([record(1, duration=7), record(2, duration=cell), record(3, duration=9)]))
    assert [(found["id"], found["duration"]) for found in outcome.records] == [("event-1", 7), ("event-3", 9)]
    assert len(outcome.refused) == 1


def test_a_cell_that_looks_deeply_nested_is_refused() -> None:
    assert read(as_csv([record(1, duration="[" * 100_000), record(2)])).ids == ["event-2"]


def test_a_csv_row_of_another_length_is_refused() -> None:
    data = as_csv([record(1)]) + b"event-2,bot\r\n" + b"a,b,c,d,e,f,g,h\r\n" + as_csv([record(3)]).split(b"\r\n", 1)[1]
    for rows in (1, 2, 2000):
        outcome = read(data, rows=rows)
        assert outcome.ids == ["event-1", "event-3"]
        assert [len(row) for row, _ in outcome.refused] == [2, 8]


def test_a_deeply_nested_record_is_read_or_named_as_damage() -> None:
    def nested(levels: int) -> bytes:
        deep = json.dumps(record(1, extra="#")).replace('"#"', "[" * levels + "]" * levels)
        return f"[{deep},{json.dumps(record(2))}]".encode()

    assert read(nested(200)).ids == ["event-1", "event-2"]
    with pytest.raises(CorruptExportError):
        read(nested(100_000))


# --- Validity ---------------------------------------------------------------------------------------------------------


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
        ({"dateFrom": "2024-01-01"}, ()),
        ({"dateFrom": "2024-13-01T00:00:00Z"}, ()),
        ({"dateTo": 1704067200}, ()),
        ({"botId": ..., "agentId": ...}, ("botId", "agentId")),
    ],
    ids=repr,
)
def test_what_is_not_valid_is_refused_with_a_reason_that_quotes_no_value(
    change: dict[str, Any], missing: tuple[str, ...]
) -> None:
    values = [record(1), record(2, **change), record(3)]
    for data in (as_array(values), as_lines(values)):
        outcome = read(data)
        assert outcome.ids == ["event-1", "event-3"]
        assert outcome.refused == [(values[1], missing)]


@pytest.mark.parametrize(
    "date", ["2024-01-01T00:00:00Z", "2024-01-01T00:00:00.123456+02:00", "2024-02-29T23:59:59.999Z"]
)
def test_date_times_stay_the_text_that_was_sent(date: str) -> None:
    assert read(as_array([record(1, dateFrom=date)])).records[0]["dateFrom"] == date


# --- Damage -----------------------------------------------------------------------------------------------------------

FEW = [*TRICKY[:2], TRICKY[4]]


def refused_as_damage(data: bytes, **cut: int) -> bool:
    try:
        read(data, **cut)
    except CorruptExportError:
        return True
    return False


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("piece_bytes", [7, 1 << 18])
def test_every_beginning_of_an_array_is_damage(indent: int | None, piece_bytes: int) -> None:
    data = as_array(FEW, indent=indent)
    for length in range(1, len(data)):
        assert refused_as_damage(data[:length], piece_bytes=piece_bytes), f"cut after {length} bytes"


@pytest.mark.parametrize("piece_bytes", [7, 1 << 18])
def test_every_beginning_of_lines_is_damage_unless_it_ends_with_a_line(piece_bytes: int) -> None:
    data = as_lines(FEW)
    for length in range(1, len(data)):
        whole_lines = data[:length].endswith(b"\n") or data[length : length + 1] == b"\n"
        assert refused_as_damage(data[:length], piece_bytes=piece_bytes) is not whole_lines, f"cut after {length} bytes"


@pytest.mark.parametrize("rows", [1, 2000])
def test_every_beginning_of_csv_is_damage_unless_it_ends_in_the_last_cell_of_a_row(rows: int) -> None:
    """The last cell of a row may be shorter, and a last row without a line end is good CSV."""
    values = [record(1, botId='a "quoted"\r\nbreak'), record(2, agentId=""), record(3, duration=7)]
    header = as_csv([])
    data, good = header, {len(header) - 2, len(header) - 1}
    for value in values:
        row = as_csv([value]).removeprefix(header)
        good |= set(range(len(data) + row.rindex(b",") + 1, len(data) + len(row)))
        good.add(len(data))
        data += row
    for length in range(1, len(data)):
        assert refused_as_damage(data[:length], rows=rows) is (length not in good), f"cut after {length} bytes"


@pytest.mark.parametrize("cell", ['"not closed', '"not closed\r\n', '"closed" too early', '"closed""'])
def test_quotes_that_do_not_close_as_they_should_are_damage(cell: str) -> None:
    columns = (*FIELDS[:-1], "duration", "extra")
    data = as_csv([record(1), record(2, extra="#")], columns)
    assert refused_as_damage(data.replace(b"#", cell.encode()))
    assert refused_as_damage(data.replace(b"#\r\n", cell.encode()))


@pytest.mark.parametrize("members", [1, 2, 5], ids="{} members".format)
@pytest.mark.parametrize("layers", [1, 2, 3], ids="{} layers".format)
@pytest.mark.parametrize("layout", ["array", "lines", "csv"])
def test_gzip_is_read_through_its_members_and_layers_and_any_cut_of_it_is_damage(
    members: int, layers: int, layout: str
) -> None:
    plain = as_csv(FEW, (*FIELDS, "extra")) if layout == "csv" else LAYOUTS[layout](FEW)
    step = -(-len(plain) // members)
    parts = [gzip.compress(plain[at : at + step], mtime=0) for at in range(0, len(plain), step)]
    packed, ends = b"".join(parts), set(itertools.accumulate(map(len, parts)))
    for _ in range(layers - 1):
        packed = gzip.compress(packed, mtime=0)
    assert read(packed) == read(plain)
    for length in range(1, len(packed)):
        cut = packed[:length]
        # What ends with a member is whole as gzip; then the layout inside has to say whether it is.
        assert refused_as_damage(cut) or (layers == 1 and length in ends), f"cut after {length} bytes"


def test_gzip_that_is_cut_between_members_is_damage_by_its_layout() -> None:
    plain = as_array(FEW)
    packed = [gzip.compress(plain[:200]), gzip.compress(plain[200:])]
    assert refused_as_damage(packed[0])
    assert read(b"".join(packed)) == read(plain)


@pytest.mark.parametrize("layers", [1, 2])
def test_any_flipped_bit_of_gzip_changes_nothing_or_is_damage(layers: int) -> None:
    plain = as_lines(FEW)
    packed = gzip.compress(plain[:300], mtime=0) + gzip.compress(plain[300:], mtime=0)
    if layers == 2:
        packed = gzip.compress(packed, mtime=0)
    expected, noticed = read(plain), 0
    for position in range(len(packed)):
        for bit in (0, 7):
            broken = bytearray(packed)
            broken[position] ^= 1 << bit
            try:
                assert read(bytes(broken)) == expected
            except CorruptExportError:
                noticed += 1
    assert noticed > 1.6 * len(packed), "only fields of the header that say nothing may be flipped unnoticed"


def test_any_garbled_stretch_of_gzip_changes_nothing_or_is_damage() -> None:
    plain = as_array(TRICKY * 20)
    packed = gzip.compress(plain, mtime=0)
    expected, chance = read(plain), random.Random(7)
    for _ in range(300):
        at, length = chance.randrange(len(packed)), chance.randrange(1, 40)
        broken = packed[:at] + chance.randbytes(length) + packed[at + chance.choice([0, length]) :]
        with contextlib.suppress(CorruptExportError):
            assert read(broken) == expected


@given(
    data=st.binary(max_size=60),
    start=st.sampled_from([b"", b"[", b"{", b'[{"id":', b"id,type\n", b"\x1f\x8b", b"\x1f\x8b\x08"]),
)
@example(data=b"{" * 60, start=b"[")
def test_garbage_is_damage_and_never_another_error(data: bytes, start: bytes) -> None:
    for garbage in (start + data, gzip.compress(start + data)):
        try:
            outcome = read(garbage, piece_bytes=7)
        except CorruptExportError:
            continue
        assert outcome.records == []


ONE = json.dumps(record(1))
TWO = json.dumps(record(2))


@pytest.mark.parametrize(
    "data",
    [
        f"[{ONE},{TWO}] x",
        f"[{ONE},{TWO}][]",
        f"[{ONE},{TWO}]]",
        f"[{ONE},{TWO}],{ONE}",
        f"[{ONE},{TWO}]{ONE}",
        f"[{ONE},{TWO},]",
        f"[{ONE} {TWO}]",
        f"[{ONE}{TWO}]",
        f"[{ONE},,{TWO}]",
        f"[,{ONE}]",
        f"[{ONE};{TWO}]",
        f"[{ONE},{TWO}}}",
        f"[{ONE},{TWO}\x00]",
        f"[{ONE},{{{TWO}]",
        f"[{ONE},nul]",
        f"[{ONE},01]",
        f"[{ONE},1.]",
        f"[{ONE},.5]",
        f"[{ONE},'x']",
        f"[{ONE},{TWO[:-9]}]",
        f"{ONE}\n{TWO}\n]",
        f"{ONE},\n{TWO},\n",
        f"{ONE}\n{TWO[:-1]}\n",
        f"{ONE}\n<html>\n",
        f"\n\n]{ONE}",
        '{"message": "Internal error"}',
        '{"message": "Internal error"}\n',
        '{\n  "message": "Internal error"\n}',
        '{"type": "about:blank", "title": "Service unavailable", "status": 503}',
        '{"id": "request-7", "type": "error", "message": "Internal error"}\n',
        f'{{"entities": [{ONE}]}}',
        "<!DOCTYPE html>\n<html><body><h1>Please sign in</h1></body></html>",
        "Service unavailable",
        '"Service unavailable"',
        "null",
        "503",
        "a,b,c\n1,2,3\n",
        f"\ufeff\ufeff[{ONE}]",
        "PK\x03\x04",
    ],
    ids=lambda text: text.replace(ONE, "ONE").replace(TWO, "TWO")[:40],
)
def test_what_is_no_export_is_damage(data: str) -> None:
    for piece_bytes in (1, 2, 7, 64, 1 << 18):
        assert refused_as_damage(data.encode(), piece_bytes=piece_bytes)
    assert refused_as_damage(gzip.compress(data.encode()))


def test_compression_that_is_not_gzip_is_damage() -> None:
    assert refused_as_damage(zlib.compress(as_array(FEW)))
    assert refused_as_damage(gzip.compress(as_array(FEW)) + b"garbage behind it")


def test_a_text_without_end_is_damage_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tap_cxone.records.json_reader.MAX_RECORD_BYTES", 10_000)
    endless = ONE[:-1] + ', "text": "' + "x" * 20_000
    for data in (f"[{endless}", endless):
        assert refused_as_damage(data.encode(), piece_bytes=1000)
