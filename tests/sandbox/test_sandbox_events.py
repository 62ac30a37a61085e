"""What the sandbox holds, and that every way of asking for it gives the same."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.sandbox import Sandbox, SandboxOptions
from tap_cxone.sandbox.events import FIELDS, EventStream, parse_timestamp

from .client import DAY_1, DAY_2, DAY_3

if TYPE_CHECKING:
    from .conftest import Serve

START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize("per_day", [1, 7, 240, 5000])
@pytest.mark.parametrize("quiet_days", [0, 3])
def test_events_do_not_depend_on_how_the_range_is_cut(per_day: int, quiet_days: int) -> None:
    stream = EventStream(per_day, quiet_days)
    whole = list(stream.between(START, END))
    assert len(whole) == stream.count(START, END) == per_day * (5 if quiet_days else 7)
    for step in (timedelta(days=2), timedelta(hours=1, milliseconds=37), timedelta(hours=5, microseconds=1)):
        pieces: list[dict[str, Any]] = []
        at = START - timedelta(days=3)
        while at < END:
            pieces += stream.between(at, min(at + step, END))
            at += step
        assert pieces == whole


def test_events_are_as_the_contract_has_them() -> None:
    events = list(EventStream(480).between(START, END))
    assert len({event["id"] for event in events}) == len(events)
    assert [event["dateFrom"] for event in events] == sorted(event["dateFrom"] for event in events)
    for event in events:
        assert tuple(event) == FIELDS
        assert len(event["id"]) == 36
        assert event["type"] == "bot"
        length = parse_timestamp(event["dateTo"]) - parse_timestamp(event["dateFrom"])
        assert length == timedelta(seconds=event["duration"])
    starts = {event["dateFrom"] for event in events}
    assert starts >= {f"2024-01-0{day}T00:00:00.000Z" for day in range(1, 8)}
    assert len({event["botId"] for event in events}) > 5
    assert {type(event["duration"]) for event in events} == {int, float}
    assert any(event["dateFrom"][:10] < event["dateTo"][:10] for event in events)


def test_dense_and_empty_streams() -> None:
    second = timedelta(seconds=1)
    dense = list(EventStream(8_640_000).between(END, END + second))
    assert len(dense) == len({event["id"] for event in dense}) == 100
    assert list(EventStream(0).between(START, END)) == []


def test_nothing_is_held_before_the_first_day_or_after_now() -> None:
    sandbox = Sandbox(SandboxOptions(events_per_day=24))
    now = datetime.now(UTC)
    assert list(sandbox.events(datetime(2020, 1, 1, tzinfo=UTC), START)) == []
    assert list(sandbox.events(now + timedelta(hours=1), now + timedelta(days=9))) == []
    recent = list(sandbox.events(now - timedelta(days=1), now + timedelta(days=9)))
    assert 23 <= len(recent) <= 25
    assert list(sandbox.events(datetime(2024, 1, 1), datetime(2024, 1, 8))) == list(  # noqa: DTZ001 - taken as UTC
        sandbox.events(START, END)
    )


def test_the_end_can_be_inclusive(serve: Serve) -> None:
    for inclusive, last in ((False, "2024-01-01T23:3"), (True, "2024-01-02T00:00:00.000Z")):
        _, client = serve(inclusive_end=inclusive)
        records = json.loads(gzip.decompress(client.exported(date_from=DAY_1, date_to=DAY_2)))
        assert records[-1]["dateFrom"].startswith(last)
        assert records[0]["dateFrom"] == DAY_1


def test_other_types_have_no_events(serve: Serve) -> None:
    _, client = serve()
    query = {"dateFrom": DAY_1, "dateTo": DAY_2, "filter": "type eq 'voice'"}
    assert gzip.decompress(client.exported(query=query)) == b"[]"


@pytest.mark.parametrize("layout", [None, "array", "pretty", "ndjson", "csv"])
@pytest.mark.parametrize("per_day", [0, 1, 6000])
def test_layouts(serve: Serve, layout: str | None, per_day: int) -> None:
    csv_asked = layout == "csv"
    sandbox, client = serve(layout=None if csv_asked else layout, events_per_day=per_day, csv_bom=True)
    data = gzip.decompress(client.exported(date_to=DAY_3, format="csv" if csv_asked else "json"))
    expected = list(sandbox.events(START, START + timedelta(days=2)))
    assert _read(data, layout) == expected
    assert len(expected) == 2 * per_day


def _read(data: bytes, layout: str | None) -> list[dict[str, Any]]:
    if layout == "csv":
        assert data.startswith(b"\xef\xbb\xbf")
        rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
        assert tuple(rows.fieldnames or ()) == FIELDS
        return [{**row, "duration": json.loads(row["duration"])} for row in rows]
    if layout == "ndjson":
        return [json.loads(line) for line in data.splitlines()]
    assert (b"\n  {\n" in data) == (layout == "pretty" and len(data) > 10)
    records: list[dict[str, Any]] = json.loads(data)
    return records


def test_csv_without_a_header(serve: Serve) -> None:
    _, client = serve()
    data = client.exported(format="csv", includeHeaders=False, compression=None)
    assert data.count(b"\r\n") == 7 * 48
    assert b"botId" not in data


@pytest.mark.parametrize(
    ("encoding", "media_type", "content_encoding", "layers"),
    [
        (None, "application/gzip", None, 1),
        ("payload", "application/gzip", None, 1),
        ("transport", "application/json", "gzip", 1),
        ("both", "application/gzip", "gzip", 2),
        ("none", "application/json", None, 0),
        ("mislabelled", "application/json", None, 1),
    ],
)
def test_encodings(
    serve: Serve, encoding: str | None, media_type: str, content_encoding: str | None, layers: int
) -> None:
    sandbox, client = serve(encoding=encoding)
    job_id = client.created()
    with client.download(job_id, stream=True) as answer:
        assert answer.headers["Content-Type"] == media_type
        assert answer.headers.get("Content-Encoding") == content_encoding
        data = answer.raw.read(decode_content=False)
        assert len(data) == int(answer.headers["Content-Length"])
    for _ in range(layers):
        data = gzip.decompress(data)
    assert json.loads(data) == list(sandbox.events(START, END))


def test_nothing_is_compressed_unasked(serve: Serve) -> None:
    _, client = serve()
    assert client.exported(compression=None).startswith(b'[{"id":')


@pytest.mark.parametrize("per_day", [0, 1, 48])
def test_members(serve: Serve, per_day: int) -> None:
    sandbox, client = serve(members=5, events_per_day=per_day)
    data = client.exported()
    members, plain = 0, b""
    while data:
        unpacker = zlib.decompressobj(31)
        plain += unpacker.decompress(data) + unpacker.flush()
        assert unpacker.eof
        data = unpacker.unused_data
        members += 1
    assert members == 5
    assert json.loads(plain) == list(sandbox.events(START, END))


def test_big_files_are_sent_in_chunks(serve: Serve) -> None:
    sandbox, client = serve(events_per_day=10_000, encoding="none")
    job_id = client.created()
    with client.download(job_id, stream=True) as answer:
        assert "Content-Length" not in answer.headers
        next(answer.iter_content(1000))
        assert client.list().status_code == 200
    assert len(client.download(job_id).json()) == sum(1 for _ in sandbox.events(START, END)) == 70_000


@pytest.mark.parametrize("wanted", ["json", "csv"])
def test_bad_records_are_bad_and_the_rest_is_whole(serve: Serve, wanted: str) -> None:
    sandbox, client = serve(bad_records=0.2, repeated_records=0.1, invalid_first=0.1, extra_fields=True)
    data = gzip.decompress(client.exported(format=wanted))
    records = json.loads(data) if wanted == "json" else list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    good: dict[str, dict[str, Any]] = {}
    repeated = bad = 0
    for record in records:
        if not all(record.get(field) not in ("", None) for field in FIELDS) or record["duration"] == "unknown":
            bad += 1
            continue
        assert {"channel", "sentimentScore", "context"} <= set(record)
        plain = {field: record[field] for field in FIELDS}
        repeated += record["id"] in good
        assert good.setdefault(record["id"], plain) == plain
    held, valid = list(sandbox.events(START, END)), list(sandbox.valid_events(START, END))
    assert sorted(good) == sorted(event["id"] for event in valid)
    assert len(held) - len(valid) < bad
    assert 0.6 * len(held) < len(valid) < 0.9 * len(held)
    assert repeated > 10
    if wanted == "json":
        assert sorted(good.values(), key=lambda event: str(event["dateFrom"])) == valid
