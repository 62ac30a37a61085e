"""Analytics export files: records as JSON, NDJSON or CSV, compressed, and damaged if a fault says so.

Files are generated chunk by chunk, so an export of any size needs only a few megabytes of memory.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import msgspec
from isal import isal_zlib

from tap_cxone.sandbox.events import EVENT_TYPE, FIELDS
from tap_cxone.sandbox.lateness import Lateness
from tap_cxone.sandbox.variations import EXTRA_FIELDS, apply_variations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_cxone.sandbox.events import EventStream, Record
    from tap_cxone.sandbox.jobs import Job
    from tap_cxone.sandbox.options import SandboxOptions

_RECORDS_PER_CHUNK = 4096
_DAMAGE_WINDOW = 1 << 20
_GZIP_WBITS = 31
_MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}


@dataclass(frozen=True)
class ExportFile:
    """A download: what its headers say and its content, which is generated while it is read."""

    media_type: str
    content_encoding: str | None
    name: str
    chunks: Iterator[bytes]


def export_file(job: Job, stream: EventStream, options: SandboxOptions, damage: str | None = None) -> ExportFile:
    """Return the file of a completed job; `damage` is truncated, corrupt, unclosed or None."""
    request = job.request
    layout = "csv" if request.format == "csv" else options.layout or "array"
    encoding = options.encoding or ("payload" if request.compression == "gzip" else "none")
    events: Iterable[Record] = ()
    count = 0
    if request.event_type == EVENT_TYPE:
        start, end = request.covered_range(job.created_utc, inclusive=options.inclusive_end)
        events = Lateness(options).events(stream.between(start, end), job.created_utc)
        count = stream.count(start, end)
    size = min(_RECORDS_PER_CHUNK, max(1, count // options.members))
    plain = _serialise(_batches(apply_variations(events, options), size), layout, job, options)
    if damage == "unclosed":
        plain = _without_end(plain, layout)
    data = _compress(plain, encoding, options.members, -(-count // size))
    data = apply_damage(data, damage)
    gzipped = encoding in {"payload", "both"}
    return ExportFile(
        media_type="application/gzip" if gzipped else _MEDIA_TYPES.get(layout, "application/json"),
        content_encoding="gzip" if encoding in {"transport", "both"} else None,
        name=f"{job.id}.{request.format}{'.gz' if gzipped else ''}",
        chunks=(chunk for chunk in data if chunk),
    )


def _batches(records: Iterator[Record], size: int) -> Iterator[list[Record]]:
    while batch := list(islice(records, size)):
        yield batch


def _serialise(batches: Iterator[list[Record]], layout: str, job: Job, options: SandboxOptions) -> Iterator[bytes]:
    if layout == "csv":
        names = (*FIELDS, *EXTRA_FIELDS) if options.extra_fields else FIELDS
        return _as_csv(batches, names, header=job.request.include_headers, bom=options.csv_bom)
    if layout == "ndjson":
        return map(msgspec.json.Encoder().encode_lines, batches)
    return _as_array(batches, pretty=layout == "pretty")


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


def _as_csv(batches: Iterator[list[Record]], names: tuple[str, ...], *, header: bool, bom: bool) -> Iterator[bytes]:
    """Yield CSV lines ending in CRLF. A missing value is an empty cell, an object is JSON text."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    if bom:
        text.write("\ufeff")
    if header:
        writer.writerow(names)
    for batch in batches:
        writer.writerows(map(_flatten(record).get, names) for record in batch)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def _flatten(record: Record) -> Record:
    if "context" not in record:
        return record
    return {**record, "context": msgspec.json.encode(record["context"]).decode()}


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


def _without_end(plain: Iterator[bytes], layout: str) -> Iterator[bytes]:
    """Leave a JSON array unclosed; in other layouts, cut off the last line."""
    pending = b""
    for chunk in plain:
        if pending:
            yield pending
        pending = chunk
    if layout not in {"array", "pretty"}:
        yield pending[:-40]


def apply_damage(data: Iterator[bytes], damage: str | None) -> Iterator[bytes]:
    """Damage the bytes of a file if `damage` is truncated or corrupt."""
    if damage == "truncated":
        return _truncate(data)
    return _corrupt(data) if damage == "corrupt" else data


def _truncate(data: Iterator[bytes]) -> Iterator[bytes]:
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
