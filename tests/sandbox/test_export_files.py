"""Analytics export files: layouts, encodings, gzip members and variations of the records."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.sandbox.events import FIELDS

from .export_client import DAY_1, DAY_2, DAY_3

if TYPE_CHECKING:
    from .conftest import Serve

START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 8, tzinfo=UTC)


def test_the_end_of_the_range_can_be_inclusive(serve: Serve) -> None:
    for inclusive, last in ((False, "2024-01-01T23:3"), (True, "2024-01-02T00:00:00.000Z")):
        _, client = serve(inclusive_end=inclusive)
        records = json.loads(gzip.decompress(client.export(date_from=DAY_1, date_to=DAY_2)))
        assert records[-1]["dateFrom"].startswith(last)
        assert records[0]["dateFrom"] == DAY_1


def test_other_event_types_have_no_events(serve: Serve) -> None:
    _, client = serve()
    query = {"dateFrom": DAY_1, "dateTo": DAY_2, "filter": "type eq 'voice'"}
    assert gzip.decompress(client.export(query=query)) == b"[]"


@pytest.mark.parametrize("layout", [None, "array", "pretty", "ndjson", "csv"])
@pytest.mark.parametrize("per_day", [0, 1, 6000])
def test_every_layout_holds_all_events(serve: Serve, layout: str | None, per_day: int) -> None:
    is_csv = layout == "csv"
    sandbox, client = serve(layout=None if is_csv else layout, events_per_day=per_day, csv_bom=True)
    data = gzip.decompress(client.export(date_to=DAY_3, format="csv" if is_csv else "json"))
    expected = list(sandbox.events(START, START + timedelta(days=2)))
    assert _read_records(data, layout) == expected
    assert len(expected) == 2 * per_day


def _read_records(data: bytes, layout: str | None) -> list[dict[str, Any]]:
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


def test_csv_can_be_without_a_header(serve: Serve) -> None:
    _, client = serve()
    data = client.export(format="csv", includeHeaders=False, compression=None)
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
def test_each_encoding_has_its_headers_and_layers(
    serve: Serve, encoding: str | None, media_type: str, content_encoding: str | None, layers: int
) -> None:
    sandbox, client = serve(encoding=encoding)
    job_id = client.create_job()
    with client.download(job_id, stream=True) as response:
        assert response.headers["Content-Type"] == media_type
        assert response.headers.get("Content-Encoding") == content_encoding
        data = response.raw.read(decode_content=False)
        assert len(data) == int(response.headers["Content-Length"])
    for _ in range(layers):
        data = gzip.decompress(data)
    assert json.loads(data) == list(sandbox.events(START, END))


def test_a_file_is_only_compressed_on_request(serve: Serve) -> None:
    _, client = serve()
    assert client.export(compression=None).startswith(b'[{"id":')


@pytest.mark.parametrize("per_day", [0, 1, 48])
def test_a_file_can_have_several_gzip_members(serve: Serve, per_day: int) -> None:
    sandbox, client = serve(members=5, events_per_day=per_day)
    data = client.export()
    members, plain = 0, b""
    while data:
        unpacker = zlib.decompressobj(31)
        plain += unpacker.decompress(data) + unpacker.flush()
        assert unpacker.eof
        data = unpacker.unused_data
        members += 1
    assert members == 5
    assert json.loads(plain) == list(sandbox.events(START, END))


def test_large_files_are_sent_in_chunks(serve: Serve) -> None:
    sandbox, client = serve(events_per_day=10_000, encoding="none")
    job_id = client.create_job()
    with client.download(job_id, stream=True) as response:
        assert "Content-Length" not in response.headers
        next(response.iter_content(1000))
        assert client.list().status_code == 200
    assert len(client.download(job_id).json()) == sum(1 for _ in sandbox.events(START, END)) == 70_000


@pytest.mark.parametrize("file_format", ["json", "csv"])
def test_a_share_of_records_is_invalid_and_the_rest_complete(serve: Serve, file_format: str) -> None:
    sandbox, client = serve(bad_records=0.2, repeated_records=0.1, invalid_first=0.1, extra_fields=True)
    data = gzip.decompress(client.export(format=file_format))
    records = (
        json.loads(data) if file_format == "json" else list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    )
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
    every, valid = list(sandbox.events(START, END)), list(sandbox.valid_events(START, END))
    assert sorted(good) == sorted(event["id"] for event in valid)
    assert len(every) - len(valid) < bad
    assert 0.6 * len(every) < len(valid) < 0.9 * len(every)
    assert repeated > 10
    if file_format == "json":
        assert sorted(good.values(), key=lambda event: str(event["dateFrom"])) == valid
