"""Batch files: gzip-compressed JSON Lines in a local folder, which BATCH messages name instead of RECORD messages.

A file is written under a temporary name and renamed when it is complete, so a file that a message names is never half
written. Nothing is left of an incomplete one unless the process is killed.
"""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from typing import IO, TYPE_CHECKING, Any

from isal import igzip
from singer_sdk.contrib.msgspec import encoder

from tap_cxone.config.batches import SETTING
from tap_cxone.errors import disk_errors
from tap_cxone.records.canonical import Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import Self

    from singer_sdk.helpers.types import Record

    from tap_cxone.config.batches import BatchSettings

_COMPRESSION_LEVEL = 1
_PARTIAL = ".partial"


class BatchWriter:
    """Writes the records of one Singer stream to batch files, and BATCH messages for them.

    Stream maps may turn one stream into several, each of which has its own files. Use it as a context manager, so that
    no incomplete file remains.

    Args:
        settings: where the files are written; the folder is created if need be.
        write_message: writes a BATCH message for a stream and the URLs of its files.

    Raises:
        DiskError: the folder cannot be created.
    """

    def __init__(self, settings: BatchSettings, write_message: Callable[[str, list[str]], None]) -> None:
        self._settings = settings
        self._write_message = write_message
        with disk_errors(settings.folder, SETTING):
            settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._files: dict[str, BatchFiles] = {}

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove incomplete files."""
        self.close()

    def close(self) -> None:
        """Remove incomplete files."""
        for files in self._files.values():
            files.close()

    def add(self, stream: str, lines: Lines) -> Iterator[int]:
        """Write records of a stream; yield 1 for each file that a message names."""
        if stream not in self._files:
            self._files[stream] = BatchFiles(self._settings, stream)
        yield from self._announce(stream, self._files[stream].add(lines))

    def add_mapped(self, records: Iterable[Iterable[tuple[str, Record]]]) -> Iterator[int]:
        """Write what stream maps made of some records: for each of them, streams and records."""
        by_stream: dict[str, list[Record]] = {}
        for mapped in records:
            for stream, record in mapped:
                by_stream.setdefault(stream, []).append(record)
        for stream, mapped_records in by_stream.items():
            yield from self.add(stream, Lines(encoder.encode_lines(mapped_records), len(mapped_records)))

    def finish(self) -> Iterator[int]:
        """Complete all files."""
        for stream, files in self._files.items():
            yield from self._announce(stream, files.finish())

    def _announce(self, stream: str, urls: Iterable[str]) -> Iterator[int]:
        for url in urls:
            self._write_message(stream, [url])
            yield 1


class BatchFiles:
    """Writes the records of one stream to files, in their order.

    Args:
        settings: the settings for batches.
        stream: name of the stream.
    """

    def __init__(self, settings: BatchSettings, stream: str) -> None:
        self._settings = settings
        self._stream = stream
        self._open: _OpenFile | None = None
        self._count = 0  # of records in it

    def add(self, lines: Lines) -> Iterator[str]:
        """Write records; yield the URL of each file that is complete."""
        for part in _split(lines, self._settings.size - self._count, self._settings.size):
            with disk_errors(self._settings.folder, SETTING):
                if self._open is None:
                    self._open = self._create()
                self._open.write(part)
            self._count += part.count
            if self._count == self._settings.size:
                yield from self.finish()

    def finish(self) -> Iterator[str]:
        """Complete the last file, if there is one, and yield its URL."""
        if self._open:
            with disk_errors(self._settings.folder, SETTING):
                path = self._open.complete()
            self._open, self._count = None, 0
            yield f"file://{path}"  # without percent escapes, which targets of the SDK do not decode

    def close(self) -> None:
        """Remove a file that is not complete."""
        if self._open:
            self._open.discard()
            self._open = None

    def _create(self) -> _OpenFile:
        stream = re.sub(r"[^\w.-]", "_", self._stream)
        name = f"{self._settings.prefix}tap-cxone--{stream}-{uuid.uuid4()}.jsonl.gz"
        return _OpenFile(self._settings.folder.resolve() / name)


class _OpenFile:
    """A file that is being written; only its owner may read it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(path.name + _PARTIAL)
        descriptor = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._raw: IO[bytes] = open(descriptor, "wb")  # noqa: SIM115, PTH123 - see complete and discard
        self._gzip: Any = igzip.IGzipFile(fileobj=self._raw, mode="wb", filename="", compresslevel=_COMPRESSION_LEVEL)  # type: ignore[no-untyped-call]

    def write(self, lines: Lines) -> None:
        self._gzip.write(lines.text)

    def complete(self) -> Path:
        self._gzip.close()
        self._raw.close()
        self._partial.rename(self._path)
        return self._path

    def discard(self) -> None:
        with contextlib.suppress(OSError):
            self._raw.close()
        with contextlib.suppress(OSError):
            self._partial.unlink(missing_ok=True)


def _split(lines: Lines, first: int, size: int) -> Iterator[Lines]:
    """Yield records in parts: up to ``first`` of them, then up to ``size`` at a time."""
    if lines.count <= first:
        if lines.count:
            yield lines
        return
    texts = lines.text.splitlines(keepends=True)
    for start in (0, *range(first, lines.count, size)):
        part = texts[start : start + size] if start else texts[:first]
        yield Lines(b"".join(part), len(part))
