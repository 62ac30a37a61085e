"""The files of both APIs: records as JSON or CSV, compressed, and damaged if a fault says so.

A file is generated chunk by chunk, so a file of any size needs only a few megabytes of memory.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import msgspec
from isal import isal_zlib

from tap_cxone.sandbox.entities import ENTITIES, spell_header
from tap_cxone.sandbox.events import EVENT_TYPE, FIELDS
from tap_cxone.sandbox.variations import EXTRA_FIELDS, REPEATED, Lateness, apply_variations, is_selected

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_cxone.sandbox.create_requests import ExportRequest, ExtractionRequest
    from tap_cxone.sandbox.entities import Entity, RowStream
    from tap_cxone.sandbox.events import EventStream, Record
    from tap_cxone.sandbox.jobs import Job
    from tap_cxone.sandbox.options import SandboxOptions
    from tap_cxone.sandbox.rows import Row

T = TypeVar("T")

_RECORDS_PER_CHUNK, _ROWS_PER_CHUNK = 4096, 2048
_DAMAGE_WINDOW = 1 << 20
_GZIP_WBITS = 31
_MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}


@dataclass(frozen=True)
class File:
    """A download: what its headers say, and its content, which is generated while it is read."""

    name: str
    media_type: str
    chunks: Iterator[bytes]
    content_encoding: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the response."""
        headers = {"Content-Disposition": f'attachment; filename="{self.name}"', "Content-Type": self.media_type}
        return headers if self.content_encoding is None else {**headers, "Content-Encoding": self.content_encoding}


def export_file(job: Job[ExportRequest], stream: EventStream, options: SandboxOptions, damage: str | None) -> File:
    """Return the file of an analytics export; `damage` is truncated, corrupt, unclosed or None."""
    request = job.request
    layout = "csv" if request.format == "csv" else options.layout or "array"
    encoding = options.encoding or ("payload" if request.compression == "gzip" else "none")
    start, end = request.covered_range(job.created_utc, inclusive=options.inclusive_end)
    count = stream.count(start, end) if request.event_type == EVENT_TYPE else 0
    events = Lateness(options).events(stream.between(start, end), job.created_utc) if count else ()
    size = min(_RECORDS_PER_CHUNK, max(1, count // options.members))
    batches = _batches(apply_variations(events, options), size)
    if layout == "csv":
        names = (*FIELDS, *EXTRA_FIELDS) if options.extra_fields else FIELDS
        lines = ((map(_flatten(record).get, names) for record in batch) for batch in batches)
        plain = _as_csv(lines, names if request.include_headers else None, bom=options.csv_bom)
    elif layout == "ndjson":
        plain = map(msgspec.json.Encoder().encode_lines, batches)
    else:
        plain = _as_array(batches, pretty=layout == "pretty")
    # CSV stays whole: without quoted cells, nothing would tell a client that the end is missing.
    data = _unclosed(plain, layout) if damage == "unclosed" and layout != "csv" else plain
    gzipped = encoding in {"payload", "both"}
    return File(
        name=f"{job.id}.{request.format}{'.gz' if gzipped else ''}",
        media_type="application/gzip" if gzipped else _MEDIA_TYPES.get(layout, "application/json"),
        chunks=_damaged(_compress(data, encoding, options.members, -(-count // size)), damage),
        content_encoding="gzip" if encoding in {"transport", "both"} else None,
    )


def extraction_file(job: Job[ExtractionRequest], rows: RowStream, options: SandboxOptions, damage: str | None) -> File:
    """Return the file of a Data Extraction job: CSV with a byte-order mark, not compressed."""
    request, entity = job.request, ENTITIES[job.request.entity]
    start, end = request.covered_days(inclusive=options.inclusive_end)
    batches = _batches(rows.between(entity.name, request.version, start, end, job.created_utc), _ROWS_PER_CHUNK)
    columns = [spell_header(column, options.header_spelling) for column in entity.versions[request.version]]
    plain = _as_csv((_lines(entity, batch, options) for batch in batches), columns, bom=True)
    data = _unclosed(plain, "csv") if damage == "unclosed" else plain
    return File(f"{entity.name}.csv", "text/csv", _damaged(data, damage))


def _lines(entity: Entity, batch: list[Row], options: SandboxOptions) -> Iterator[list[str]]:
    """Yield the cells of the rows; repeated rows come again at the end, bad rows have one cell too few or too many."""
    repeated = [row for row in batch if is_selected(entity.key_of(row), REPEATED, options.repeated_records)]
    for row in (*batch, *repeated):
        cells = list(row.values())
        if entity.is_bad(row, options.bad_rows):
            yield cells[:-1] if sum(entity.key_of(row).encode()) % 2 else [*cells, "surplus"]
        else:
            yield cells


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _flatten(record: Record) -> Record:
    """Return a record for CSV, where an object is JSON text."""
    if "context" not in record:
        return record
    return {**record, "context": msgspec.json.encode(record["context"]).decode()}


def _as_csv(
    batches: Iterator[Iterable[Iterable[object]]], header: Iterable[str] | None, *, bom: bool
) -> Iterator[bytes]:
    """Yield CSV lines in UTF-8 that end in CRLF. A missing value is an empty cell."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    if bom:
        text.write("\ufeff")
    if header is not None:
        writer.writerow(header)
    for batch in batches:
        writer.writerows(batch)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def _as_array(batches: Iterator[list[Record]], *, pretty: bool) -> Iterator[bytes]:
    """Yield one JSON array; its closing bracket is a chunk of its own."""
    encode = msgspec.json.Encoder().encode
    separator = b"["
    for batch in batches:
        body = msgspec.json.format(encode(batch), indent=2)[1:-2] if pretty else encode(batch)[1:-1]
        yield separator + body
        separator = b","
    if separator == b"[":
        yield separator
    yield b"\n]\n" if pretty else b"]"


def _compress(plain: Iterator[bytes], encoding: str, members: int, chunks: int) -> Iterator[bytes]:
    if encoding == "none":
        return plain
    data = _gzip(plain, members, chunks)
    # The outer layer of a double compression is small and always has one member.
    return _gzip(data, 1, 0) if encoding == "both" else data


def _gzip(plain: Iterator[bytes], members: int, chunks: int) -> Iterator[bytes]:
    """Compress into that many gzip members. All but the last end in the middle of a chunk, within a record."""
    packer = isal_zlib.compressobj(1, isal_zlib.DEFLATED, _GZIP_WBITS)
    written = 1
    for number, chunk in enumerate(plain, start=1):
        rest = chunk
        while written < members and number * members >= written * chunks:
            middle = len(rest) // 2
            yield packer.compress(rest[:middle]) + packer.flush()
            packer = isal_zlib.compressobj(1, isal_zlib.DEFLATED, _GZIP_WBITS)
            rest = rest[middle:]
            written += 1
        yield packer.compress(rest)
    yield packer.flush()
    for _ in range(written, members):
        yield isal_zlib.compress(b"", 1, _GZIP_WBITS)


def _unclosed(plain: Iterator[bytes], layout: str) -> Iterator[bytes]:
    """Leave a JSON array or the last quoted cell of a CSV file unclosed; without either, cut off the last line."""
    last = b""
    for chunk in filter(None, plain):
        if last:
            yield last
        last = chunk
    if layout == "csv":
        quote = last.rfind(b'"')
        yield last[: quote if quote >= 0 else -5]
    elif layout == "ndjson":
        yield last[:-40]


def _damaged(data: Iterator[bytes], damage: str | None) -> Iterator[bytes]:
    """Yield the bytes of a file without empty chunks, truncated or corrupt if `damage` says so."""
    if damage == "truncated":
        data = _truncated(data)
    elif damage == "corrupt":
        data = _corrupt(data)
    return filter(None, data)


def _truncated(data: Iterator[bytes]) -> Iterator[bytes]:
    """Drop the last two fifths of a file, or of the last megabyte of a larger one."""
    pending = b""
    for chunk in data:
        pending += chunk
        if len(pending) > 2 * _DAMAGE_WINDOW:
            yield pending[:-_DAMAGE_WINDOW]
            pending = pending[-_DAMAGE_WINDOW:]
    yield pending[: len(pending) * 3 // 5]


def _corrupt(data: Iterator[bytes]) -> Iterator[bytes]:
    """Invert four bytes in the middle of a file, or of the first megabyte of a larger one."""
    head = bytearray()
    for chunk in data:
        head += chunk
        if len(head) >= _DAMAGE_WINDOW:
            break
    middle = len(head) // 2
    head[middle : middle + 4] = bytes(byte ^ 0xFF for byte in head[middle : middle + 4])
    yield bytes(head)
    yield from data
