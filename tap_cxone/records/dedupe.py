"""The keys of one window, on disk: which of its records repeat an earlier one, exactly and in flat memory.

Every key is kept as a 128-bit digest, spread over buckets by its first byte. Repeats are looked for bucket by bucket,
so that only a 256th of the keys is in memory at a time. How many records there are does not matter: what the first
reading of an export leaves behind is one byte a record in a file, which the second reading follows.
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
"""Keys that are held in memory before they go to the file."""
_BLOCK = 1 << 16
_MARKS_READ = 1 << 10


class WindowKeys:
    """Collects the keys of one window in the order of its valid records.

    Args:
        folder: where the files lie; they have no name and vanish with this object.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._buckets: list[list[bytes]] = [[] for _ in range(_BUCKETS)]
        self._appends = [bucket.append for bucket in self._buckets]
        self._held = 0
        self._parts: list[array[int]] = []  # of each flush: where each bucket begins, and where the last one ends
        self._digests: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - see close
        self._order: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - see close

    def add(self, keys: Sequence[str]) -> None:
        """Remember the keys of the next records."""
        digests = list(map(xxh3_128_digest, map(str.encode, keys)))
        order = bytes([digest[0] for digest in digests])
        appends = self._appends
        for bucket, digest in zip(order, digests, strict=True):
            appends[bucket](digest)
        self._order.write(order)
        self._held += len(digests)
        if self._held >= _FLUSH_KEYS:
            self._flush()

    def repeats(self, before: WindowKeys | None) -> Repeats | None:
        """Find the records whose key stands earlier in this window or anywhere in the window before.

        Returns:
            Flags for the second reading; none where nothing repeats.
        """
        found: dict[int, tuple[int, int]] = {}  # of each bucket with repeats: where its marks lie
        count = 0
        with self._file() as marked:
            for number in range(_BUCKETS):
                earlier = set(before._bucket(number)) if before else set()  # noqa: SLF001 - its own kind
                keys = self._bucket(number)
                if earlier or len(set(keys)) < len(keys):
                    marks = _marks(keys, earlier)
                    if repeated := sum(marks):
                        found[number] = (marked.tell(), len(marks))
                        marked.write(marks)
                        count += repeated
            return Repeats(self._in_order(marked, found), count) if count else None

    def _file(self) -> IO[bytes]:
        return tempfile.TemporaryFile(dir=self._folder)

    def close(self) -> None:
        """Give the files back."""
        self._digests.close()
        self._order.close()

    def _flush(self) -> None:
        part = array("Q", [self._digests.tell()])
        for bucket in self._buckets:
            self._digests.write(b"".join(bucket))
            part.append(self._digests.tell())
            bucket.clear()
        self._parts.append(part)
        self._held = 0

    def _bucket(self, number: int) -> list[bytes]:
        parts = []
        for part in self._parts:
            self._digests.seek(part[number])
            parts.append(self._digests.read(part[number + 1] - part[number]))
        data = b"".join(parts)
        self._digests.seek(0, 2)
        kept = [data[at : at + DIGEST_BYTES] for at in range(0, len(data), DIGEST_BYTES)]
        return kept + self._buckets[number]

    def _in_order(self, marked: IO[bytes], found: dict[int, tuple[int, int]]) -> IO[bytes]:
        """Bring the marks of the buckets into the order of the records."""
        marked.flush()
        marks = [_stored(marked.fileno(), *found[n]) if n in found else repeat(0) for n in range(_BUCKETS)]
        file = self._file()
        self._order.seek(0)
        while block := self._order.read(_BLOCK):
            file.write(bytes([next(marks[bucket]) for bucket in block]))
        file.seek(0)
        return file


class Repeats:
    """Says of each valid record of a window, in order, whether it repeats an earlier one.

    Attributes:
        count: how many do.
    """

    def __init__(self, file: IO[bytes], count: int) -> None:
        self._file = file
        self.count = count

    def next(self, count: int) -> bytes:
        """Return one byte for each of the next so many records: 1 where the record repeats an earlier one, else 0."""
        return self._file.read(count)

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


def _stored(descriptor: int, start: int, length: int) -> Iterator[int]:
    """Yield bytes of a file, reading a little at a time: there are as many of these as buckets."""
    for position in range(start, start + length, _MARKS_READ):
        yield from os.pread(descriptor, min(_MARKS_READ, start + length - position), position)


def _marks(keys: list[bytes], seen: set[bytes]) -> bytearray:
    """Mark what is in ``seen`` or came before; ``seen`` is used up."""
    marks = bytearray(len(keys))
    for index, key in enumerate(keys):
        if key in seen:
            marks[index] = 1
        else:
            seen.add(key)
    return marks
