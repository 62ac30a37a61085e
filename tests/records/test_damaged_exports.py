"""Damaged exports: every truncation, garbled byte or foreign document is recognised, or changes nothing."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import random
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tap_cxone.errors import CorruptExportError
from tests.records.exports import (
    FIELDS,
    LAYOUTS,
    TRICKY,
    as_array,
    as_csv,
    as_lines,
    read,
    record,
)

FEW = [*TRICKY[:2], TRICKY[4]]


def is_corrupt(data: bytes, **cut: int) -> bool:
    try:
        read(data, **cut)
    except CorruptExportError:
        return True
    return False


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("batch_bytes", [7, 1 << 18])
def test_a_truncated_array_is_damage(indent: int | None, batch_bytes: int) -> None:
    data = as_array(FEW, indent=indent)
    for length in range(1, len(data)):
        assert is_corrupt(data[:length], batch_bytes=batch_bytes), f"cut after {length} bytes"


@pytest.mark.parametrize("batch_bytes", [7, 1 << 18])
def test_truncated_json_lines_are_damage_unless_cut_between_lines(batch_bytes: int) -> None:
    data = as_lines(FEW)
    for length in range(1, len(data)):
        whole_lines = data[:length].endswith(b"\n") or data[length : length + 1] == b"\n"
        assert is_corrupt(data[:length], batch_bytes=batch_bytes) is not whole_lines, f"cut after {length} bytes"


@pytest.mark.parametrize("batch_bytes", [1, 7, 1 << 18])
def test_truncated_csv_is_damage_unless_cut_in_the_last_cell_of_a_row(batch_bytes: int) -> None:
    """Such a cut cannot be seen: the cell may be that short, and the last row of a CSV file needs no line ending."""
    values = [record(1, botId='a "quoted"\r\nbreak'), record(2, agentId=""), record(3, duration=7)]
    header = as_csv([])
    data, good = header, {len(header) - 2, len(header) - 1}
    for value in values:
        row = as_csv([value]).removeprefix(header)
        good |= set(range(len(data) + row.rindex(b",") + 1, len(data) + len(row)))
        good.add(len(data))
        data += row
    for length in range(1, len(data)):
        assert is_corrupt(data[:length], batch_bytes=batch_bytes) is (length not in good), f"cut after {length} bytes"


@pytest.mark.parametrize("cell", ['"not closed', '"not closed\r\n', '"closed" too early', '"closed""'])
def test_csv_quotes_that_are_not_closed_properly_are_damage(cell: str) -> None:
    columns = (*FIELDS[:-1], "duration", "extra")
    data = as_csv([record(1), record(2, extra="#")], columns)
    assert is_corrupt(data.replace(b"#", cell.encode()))
    assert is_corrupt(data.replace(b"#\r\n", cell.encode()))


@pytest.mark.parametrize("members", [1, 2, 5], ids="{} members".format)
@pytest.mark.parametrize("layers", [1, 2, 3], ids="{} layers".format)
@pytest.mark.parametrize("layout", ["array", "lines", "csv"])
def test_gzip_members_and_layers_are_read_and_truncated_gzip_is_damage(members: int, layers: int, layout: str) -> None:
    plain = as_csv(FEW, (*FIELDS, "extra")) if layout == "csv" else LAYOUTS[layout](FEW)
    step = -(-len(plain) // members)
    parts = [gzip.compress(plain[at : at + step], mtime=0) for at in range(0, len(plain), step)]
    packed, ends = b"".join(parts), set(itertools.accumulate(map(len, parts)))
    for _ in range(layers - 1):
        packed = gzip.compress(packed, mtime=0)
    assert read(packed) == read(plain)
    for length in range(1, len(packed)):
        cut = packed[:length]
        # A cut between two members is valid gzip; only the layout inside can show that something is missing.
        assert is_corrupt(cut) or (layers == 1 and length in ends), f"cut after {length} bytes"


def test_gzip_cut_between_members_is_damage_because_the_array_is_not_closed() -> None:
    plain = as_array(FEW)
    packed = [gzip.compress(plain[:200]), gzip.compress(plain[200:])]
    assert is_corrupt(packed[0])
    assert read(b"".join(packed)) == read(plain)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_flipped_bit_of_gzip_changes_nothing_or_is_damage(layers: int) -> None:
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
    assert noticed > 1.6 * len(packed), "only flips in meaningless fields of the gzip header may go unnoticed"


def test_garbled_bytes_of_gzip_change_nothing_or_are_damage() -> None:
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
def test_garbage_never_raises_anything_but_corrupt_export_error(data: bytes, start: bytes) -> None:
    for garbage in (start + data, gzip.compress(start + data)):
        try:
            outcome = read(garbage, batch_bytes=7)
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
def test_a_document_that_is_not_an_export_is_damage(data: str) -> None:
    for batch_bytes in (1, 2, 7, 64, 1 << 18):
        assert is_corrupt(data.encode(), batch_bytes=batch_bytes)
    assert is_corrupt(gzip.compress(data.encode()))


def test_compression_that_is_not_gzip_is_damage() -> None:
    assert is_corrupt(zlib.compress(as_array(FEW)))
    assert is_corrupt(gzip.compress(as_array(FEW)) + b"garbage after it")
