"""Deduplication: finds the records of a window whose key has occurred before, exactly and in bounded memory.

Each key is stored on disk as a 128-bit digest, in one of 256 buckets chosen by the first byte of the digest. Equal keys
are always in the same bucket, so each bucket can be searched for duplicates by itself, and only a 256th of the keys has
to be in memory at a time. The result is a file with one flag (a byte) per record, which the second pass over the export
reads along with the records. So the memory does not depend on the number of duplicates either.
"""

from __future__ import annotations

import os
import tempfile
from array import array
from itertools import repeat
from typing import IO, TYPE_CHECKING

from xxhash import xxh3_128_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DIGEST_BYTES = 16
_BUCKETS = 256
_FLUSH_KEYS = 1 << 16
"""Digests kept in memory before they are written to disk."""
_READ_BYTES = 1 << 16
_READ_FLAGS = 1 << 10
"""Flags of one bucket read at a time; up to 256 buckets are read at once."""


class RecordKeys:
    """The keys of the valid records of one window, in the order of the records.

    Args:
        folder: directory for the temporary files. They have no name, so nothing is left of them after ``close`` or the
            end of the process.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._buckets: list[list[bytes]] = [[] for _ in range(_BUCKETS)]  # digests not yet written
        self._appends = [bucket.append for bucket in self._buckets]
        self._in_memory = 0
        self._offsets: list[array[int]] = []  # per flush: where each bucket starts, and where the last one ends
        self._digests: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - see close
        self._order: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - see close; a bucket per record

    def add(self, keys: Sequence[str]) -> None:
        """Add the keys of the next records."""
        digests = list(map(xxh3_128_digest, map(str.encode, keys)))
        order = bytes([digest[0] for digest in digests])
        appends = self._appends
        for bucket, digest in zip(order, digests, strict=True):
            appends[bucket](digest)
        self._order.write(order)
        self._in_memory += len(digests)
        if self._in_memory >= _FLUSH_KEYS:
            self._flush()

    def duplicates(self, previous: RecordKeys | None) -> DuplicateFlags | None:
        """Find the records whose key occurs earlier in this window, or anywhere in the previous one.

        Args:
            previous: keys of the previous window, if there is one.

        Returns:
            A flag per record, which the caller must close; None if there are no duplicates.
        """
        flagged: dict[int, tuple[int, int]] = {}  # bucket with duplicates: offset and length of its flags
        count = 0
        with self._temporary_file() as bucket_flags:
            for number in range(_BUCKETS):
                seen = set(previous._bucket(number)) if previous else set()  # noqa: SLF001 - of the same class
                keys = self._bucket(number)
                if seen or len(set(keys)) < len(keys):
                    flags = _flag_duplicates(keys, seen)
                    if duplicates := sum(flags):
                        flagged[number] = (bucket_flags.tell(), len(flags))
                        bucket_flags.write(flags)
                        count += duplicates
            return DuplicateFlags(self._in_record_order(bucket_flags, flagged), count) if count else None

    def close(self) -> None:
        """Delete the temporary files."""
        self._digests.close()
        self._order.close()

    def _temporary_file(self) -> IO[bytes]:
        return tempfile.TemporaryFile(dir=self._folder)

    def _flush(self) -> None:
        offsets = array("Q", [self._digests.tell()])
        for bucket in self._buckets:
            self._digests.write(b"".join(bucket))
            offsets.append(self._digests.tell())
            bucket.clear()
        self._offsets.append(offsets)
        self._in_memory = 0

    def _bucket(self, number: int) -> list[bytes]:
        """Return the digests of a bucket in the order of the records."""
        parts = []
        for offsets in self._offsets:
            self._digests.seek(offsets[number])
            parts.append(self._digests.read(offsets[number + 1] - offsets[number]))
        data = b"".join(parts)
        self._digests.seek(0, 2)
        written = [data[at : at + DIGEST_BYTES] for at in range(0, len(data), DIGEST_BYTES)]
        return written + self._buckets[number]

    def _in_record_order(self, bucket_flags: IO[bytes], flagged: dict[int, tuple[int, int]]) -> IO[bytes]:
        """Return a file with the flags of all buckets, put back into the order of the records."""
        bucket_flags.flush()
        flags = [
            _read_flags(bucket_flags.fileno(), *flagged[number]) if number in flagged else repeat(0)
            for number in range(_BUCKETS)
        ]
        file = self._temporary_file()
        self._order.seek(0)
        while buckets := self._order.read(_READ_BYTES):
            file.write(bytes([next(flags[bucket]) for bucket in buckets]))
        file.seek(0)
        return file


class DuplicateFlags:
    """One flag per valid record of a window, in the order of the records: whether it is a duplicate.

    Attributes:
        count: number of duplicates.
    """

    def __init__(self, file: IO[bytes], count: int) -> None:
        self._file = file
        self.count = count

    def take(self, count: int) -> bytes:
        """Return the flags of the next ``count`` records, a byte each: 1 for a duplicate, else 0."""
        return self._file.read(count)

    def close(self) -> None:
        """Delete the temporary file."""
        self._file.close()


def _read_flags(descriptor: int, start: int, length: int) -> Iterator[int]:
    end = start + length
    for position in range(start, end, _READ_FLAGS):
        yield from os.pread(descriptor, min(_READ_FLAGS, end - position), position)


def _flag_duplicates(keys: list[bytes], seen: set[bytes]) -> bytearray:
    """Return a flag per key: 1 if it is in ``seen`` or occurred before. Adds all keys to ``seen``."""
    flags = bytearray(len(keys))
    for index, key in enumerate(keys):
        if key in seen:
            flags[index] = 1
        else:
            seen.add(key)
    return flags
