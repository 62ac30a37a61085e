"""Undamaged exports: every layout and batch size gives the records that a plain parser gives."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.records.exports import (
    BOM,
    FIELDS,
    LAYOUTS,
    NESTED,
    TRICKY,
    as_array,
    as_lines,
    check_read,
    layouts,
    read,
    record,
)
from tests.records.reference import expected_from_csv, expected_from_json
from tests.records.strategies import any_json, any_records, any_text

batch_sizes = st.sampled_from([1, 2, 3, 5, 7, 13, 64, 1 << 18]) | st.integers(1, 300)
white_space = st.text(alphabet=" \t\r\n", max_size=3).map(str.encode)


@given(
    values=st.lists(any_records() | any_json, max_size=6),
    indent=st.sampled_from([None, 0, 1, 4]),
    separators=st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:\r\n")]),
    around=st.tuples(st.sampled_from([b"", BOM]), white_space, white_space),
    batch_bytes=batch_sizes,
)
def test_an_array_gives_the_same_records_as_the_json_module(
    values: list[Any],
    indent: int | None,
    separators: tuple[str, str],
    around: tuple[bytes, bytes, bytes],
    batch_bytes: int,
) -> None:
    data = as_array(values, indent=indent, separators=separators)
    bom_and_blanks, blanks_after = around[0] + around[1], around[2]
    expected = expected_from_json(json.loads(data))
    check_read(bom_and_blanks + data + blanks_after, expected, batch_bytes=batch_bytes)


@given(values=st.lists(any_records(), max_size=6), batch_bytes=batch_sizes)
def test_a_batch_may_end_within_a_multi_byte_character(values: list[Any], batch_bytes: int) -> None:
    data = json.dumps(values, ensure_ascii=False).encode("utf-8", "replace")
    check_read(data, expected_from_json(json.loads(data)), batch_bytes=batch_bytes)


@given(
    values=st.lists(any_records() | any_json, max_size=6),
    first=any_records().filter(lambda value: len(value) > 4),
    end=st.sampled_from(["\n", "\r\n", "\n\n", " \n\t\n"]),
    final=st.booleans(),
    bom=st.sampled_from([b"", BOM]),
    batch_bytes=batch_sizes,
)
def test_json_lines_give_the_same_records_as_the_json_module(
    values: list[Any], first: Any, end: str, *, final: bool, bom: bytes, batch_bytes: int
) -> None:
    data = as_lines([first, *values], end, final=final)
    expected = expected_from_json([json.loads(line) for line in data.splitlines() if line.strip()])
    check_read(bom + data, expected, batch_bytes=batch_bytes)


cells = st.one_of(
    any_text, st.sampled_from(["120.5", "-1e3", " 7", "007", "true", "NaN", "1e400", "2024-01-01T00:00:00Z", '"', "\n"])
)


@given(
    rows=st.lists(st.fixed_dictionaries(dict.fromkeys((*FIELDS, "extra"), cells)) | any_records(), max_size=6),
    columns=st.permutations((*FIELDS, "extra")),
    line_end=st.sampled_from(["\n", "\r\n"]),
    final=st.booleans(),
    bom=st.sampled_from([b"", BOM]),
    batch_bytes=batch_sizes,
)
def test_csv_gives_the_same_records_as_the_csv_module(
    rows: list[dict[str, Any]], columns: list[str], line_end: str, *, final: bool, bom: bytes, batch_bytes: int
) -> None:
    text = io.StringIO(newline="")
    # By default, the writer does not quote a bare carriage return if rows end with a line feed.
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
    check_read(bom + data, expected_from_csv(data), batch_bytes=batch_bytes)


@layouts
def test_the_batch_size_does_not_affect_the_outcome(layout: str) -> None:
    values = [TRICKY[0], *TRICKY[5:7]]
    data = LAYOUTS[layout](values)
    expected = expected_from_json(json.loads(as_array(values)))
    assert len(expected.records) == 2
    # Of the sizes above half the length, each one cuts the export at another position.
    for batch_bytes in (*range(1, 50), *range(len(data) // 2, len(data) + 2)):
        assert read(data, batch_bytes=batch_bytes) == expected, f"batches of {batch_bytes} bytes"


def test_a_record_longer_than_a_batch_is_read() -> None:
    values = [record(1), record(2, extra=["}" * 5000, NESTED]), record(3, botId="b" * 5000)]
    assert read(as_array(values), batch_bytes=64) == expected_from_json(values)
    assert read(as_lines(values), batch_bytes=64) == expected_from_json(values)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ":"), (",\n", ":"), (",", ": ")], ids=repr)
@pytest.mark.parametrize("text", ["},{", "}", "},", "{", "\n", '"},{"id":"x'], ids=repr)
def test_record_separators_inside_a_string_do_not_split_it(text: str, separators: tuple[str, str]) -> None:
    values = [record(1, botId=text), record(2), record(3, type=text)]
    for number in (2, 3):
        assert read(as_array(values[:number], separators=separators)) == expected_from_json(values[:number])
    assert read(as_lines(values, separators=(",", ":"))) == expected_from_json(values)
