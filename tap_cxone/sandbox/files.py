"""Export files as a stream of bytes: records to JSON, NDJSON or CSV, gzip around it, damage on request.

Every function takes and yields pieces, so an export of any size passes through in a few megabytes. No HTTP here.
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
from tap_cxone.sandbox.variations import EXTRA_FIELDS, varied

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_cxone.sandbox.events import EventStream, Record
    from tap_cxone.sandbox.jobs import Job
    from tap_cxone.sandbox.options import SandboxOptions

_RECORDS_A_PIECE = 4096
_DAMAGE_WINDOW = 1 << 20
_GZIP = 31
_MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}


@dataclass(frozen=True)
class ExportFile:
    """A download: the headers that describe it and its bytes, made while they are read."""

    media_type: str
    content_encoding: str | None
    name: str
    pieces: Iterator[bytes]


def export_file(job: Job, stream: EventStream, options: SandboxOptions, damage: str | None = None) -> ExportFile:
    """Return the file of a completed job; damage is truncated, corrupt, unclosed or None."""
    asked = job.request
    layout = "csv" if asked.format == "csv" else options.layout or "array"
    encoding = options.encoding or ("payload" if asked.compression == "gzip" else "none")
    events: Iterable[Record] = ()
    count = 0
    if asked.event_type == EVENT_TYPE:
        start, end = asked.held_range(job.created_utc, inclusive=options.inclusive_end)
        events, count = stream.between(start, end), stream.count(start, end)
    size = min(_RECORDS_A_PIECE, max(1, count // options.members))
    plain = _laid_out(_batches(varied(events, options), size), layout, job, options)
    if damage == "unclosed":
        plain = _without_end(plain, layout)
    data = _encoded(plain, encoding, options.members, -(-count // size))
    data = damaged(data, damage)
    gzipped = encoding in {"payload", "both"}
    return ExportFile(
        media_type="application/gzip" if gzipped else _MEDIA_TYPES.get(layout, "application/json"),
        content_encoding="gzip" if encoding in {"transport", "both"} else None,
        name=f"{job.id}.{asked.format}{'.gz' if gzipped else ''}",
        pieces=(piece for piece in data if piece),
    )


def _batches(records: Iterator[Record], size: int) -> Iterator[list[Record]]:
    while batch := list(islice(records, size)):
        yield batch


def _laid_out(batches: Iterator[list[Record]], layout: str, job: Job, options: SandboxOptions) -> Iterator[bytes]:
    if layout == "csv":
        names = (*FIELDS, *EXTRA_FIELDS) if options.extra_fields else FIELDS
        return _as_csv(batches, names, header=job.request.include_headers, bom=options.csv_bom)
    if layout == "ndjson":
        return map(msgspec.json.Encoder().encode_lines, batches)
    return _as_array(batches, pretty=layout == "pretty")


def _as_array(batches: Iterator[list[Record]], *, pretty: bool) -> Iterator[bytes]:
    """One top-level array, closed by a last piece of its own."""
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
    """Lines that end with CRLF; a missing value is an empty cell, an object its JSON text."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    if bom:
        text.write("\ufeff")
    if header:
        writer.writerow(names)
    for batch in batches:
        writer.writerows(map(_flat(record).get, names) for record in batch)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def _flat(record: Record) -> Record:
    if "context" not in record:
        return record
    return {**record, "context": msgspec.json.encode(record["context"]).decode()}


def _encoded(plain: Iterator[bytes], encoding: str, members: int, pieces: int) -> Iterator[bytes]:
    if encoding == "none":
        return plain
    data = _gzipped(plain, members, pieces)
    # What is compressed twice is small already: one member around it.
    return _gzipped(data, 1, 0) if encoding == "both" else data


def _gzipped(plain: Iterator[bytes], members: int, pieces: int) -> Iterator[bytes]:
    """Compress into so many members, of which all but the last end in the middle of a piece, so within a record."""
    packer = isal_zlib.compressobj(1, isal_zlib.DEFLATED, _GZIP)
    written = 1
    for number, piece in enumerate(plain, start=1):
        rest = piece
        while written < members and number * members >= written * pieces:
            middle = len(rest) // 2
            yield packer.compress(rest[:middle]) + packer.flush()
            packer = isal_zlib.compressobj(1, isal_zlib.DEFLATED, _GZIP)
            rest = rest[middle:]
            written += 1
        yield packer.compress(rest)
    yield packer.flush()
    for _ in range(written, members):
        yield isal_zlib.compress(b"", 1, _GZIP)


def _without_end(plain: Iterator[bytes], layout: str) -> Iterator[bytes]:
    """Leave a JSON array unclosed; of other layouts cut the last line."""
    held = b""
    for piece in plain:
        if held:
            yield held
        held = piece
    if layout not in {"array", "pretty"}:
        yield held[:-40]


def damaged(data: Iterator[bytes], damage: str | None) -> Iterator[bytes]:
    """Spoil the bytes of a file where damage is truncated or corrupt."""
    if damage == "truncated":
        return _truncated(data)
    return _corrupted(data) if damage == "corrupt" else data


def _truncated(data: Iterator[bytes]) -> Iterator[bytes]:
    """Leave away the last two fifths, or as much of the last megabyte of a bigger file."""
    held = b""
    for piece in data:
        held += piece
        if len(held) > 2 * _DAMAGE_WINDOW:
            yield held[:-_DAMAGE_WINDOW]
            held = held[-_DAMAGE_WINDOW:]
    yield held[: len(held) * 3 // 5]


def _corrupted(data: Iterator[bytes]) -> Iterator[bytes]:
    """Flip four bytes in the middle, or in the middle of the first megabyte of a bigger file."""
    head = bytearray()
    for piece in data:
        head += piece
        if len(head) >= _DAMAGE_WINDOW:
            break
    middle = len(head) // 2
    head[middle : middle + 4] = bytes(byte ^ 0xFF for byte in head[middle : middle + 4])
    yield bytes(head)
    yield from data
