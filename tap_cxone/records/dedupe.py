"""Deduplication: finds the records of a window whose key has occurred before, exactly and in bounded memory.

Each key is stored on disk as a 128-bit digest, in one of 256 buckets chosen by the first byte of the digest. Equal keys
are always in the same bucket, so each bucket can be sorted by itself, and only a 256th of the keys has to be in memory
at a time. The result is one bit per record.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from itertools import repeat
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from xxhash import xxh3_128_digest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Table = NDArray[np.uint64]
    """A row per key: both halves of the digest, and the position of the record."""

_BUCKETS = 256
_ROW_BYTES = 24
_MANY_IN_BUCKET = 1 << 11
"""Keys of one flush in one bucket that show that keys repeat: 256 are expected."""
_FLUSH_KEYS = 1 << 16
"""Digests kept in memory before they are written to disk."""
_SEED = secrets.randbits(64)
"""Digests are seeded at random, so that nobody can make keys that all get into one bucket."""


class RecordKeys:
    """The keys of the valid records of one window, in the order of the records.

    Args:
        folder: directory for the temporary file. It has no name, so nothing is left of it after ``close`` or the end of
            the process.
    """

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - see close
        self._digests: list[bytes] = []  # not yet written
        self._count = 0  # of all keys
        self._flushed = 0  # keys that have been flushed
        self._written = 0  # rows on disk
        self._repeats: list[tuple[int, bytes]] = []  # per flush with repeats: its first position, and a bit per key
        self._ends: list[NDArray[np.int64]] = []  # per flush: the row at which each bucket ends

    def add(self, keys: Sequence[str]) -> None:
        """Add the keys of the next records."""
        self._digests += map(xxh3_128_digest, map(str.encode, keys), repeat(_SEED))
        self._count += len(keys)
        if len(self._digests) >= _FLUSH_KEYS:
            self.flush()

    def flush(self) -> None:
        """Write all keys to disk, sorted by bucket."""
        digests = np.frombuffer(b"".join(self._digests), np.uint64).reshape(-1, 2)
        rows = np.column_stack((digests, np.arange(self._flushed, self._count, dtype=np.uint64)))
        buckets = (digests[:, 0] % _BUCKETS).astype(np.uint8)
        counts = np.bincount(buckets, minlength=_BUCKETS)
        if counts.max() > _MANY_IN_BUCKET:  # the same few keys: a bucket must fit into memory
            is_repeat = np.isin(rows[:, 2], _repeated(rows[:0], rows))
            self._repeats.append((self._flushed, np.packbits(is_repeat).tobytes()))
            rows, buckets = rows[~is_repeat], buckets[~is_repeat]
            counts = np.bincount(buckets, minlength=_BUCKETS)
        self._file.write(rows[buckets.argsort(kind="stable")].tobytes())
        self._file.flush()  # so that a full disk is found while the file is verified
        self._ends.append(self._written + counts.cumsum())
        self._digests.clear()
        self._flushed = self._count
        self._written += len(rows)

    def duplicates(self, previous: RecordKeys | None) -> DuplicateFlags | None:
        """Find the records whose key occurs earlier in this window, or anywhere in the previous one.

        Args:
            previous: keys of the previous window, if there is one.

        Returns:
            A flag per record; None if there are no duplicates.
        """
        for keys in filter(None, (self, previous)):
            if keys._digests:  # noqa: SLF001 - of the same class
                keys.flush()
        flags = DuplicateFlags(self._count)
        for first, bits in self._repeats:
            flags.add(first + np.flatnonzero(np.unpackbits(np.frombuffer(bits, np.uint8))))
        for number in range(_BUCKETS):
            own = self._bucket(number)
            earlier = previous._bucket(number) if previous else own[:0]  # noqa: SLF001 - of the same class
            flags.add(_repeated(earlier, own))
        return flags if flags.count else None

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._written * _ROW_BYTES

    def close(self) -> None:
        """Delete the temporary file."""
        with contextlib.suppress(OSError):  # what could not be written is not needed any more
            self._file.close()

    def _bucket(self, number: int) -> Table:
        """Return the rows of a bucket in the order of the records; all keys have been flushed."""
        parts = []
        start = 0
        for ends in self._ends:
            first = ends[number - 1] if number else start
            self._file.seek(int(first) * _ROW_BYTES)
            parts.append(self._file.read(int(ends[number] - first) * _ROW_BYTES))
            start = ends[-1]
        self._file.seek(0, 2)
        return np.frombuffer(b"".join(parts), np.uint64).reshape(-1, 3)


class DuplicateFlags:
    """One bit per valid record of a window, in the order of the records: whether it is a duplicate.

    Args:
        records: number of records.

    Attributes:
        count: number of duplicates.
    """

    def __init__(self, records: int) -> None:
        self._bits = np.zeros(records // 8 + 1, np.uint8)
        self._position = 0
        self.count = 0

    def add(self, positions: NDArray[Any]) -> None:
        """Flag the records at these positions, each of which is given once."""
        np.bitwise_or.at(
            self._bits, (positions // 8).astype(np.intp), np.uint8(128) >> (positions % 8).astype(np.uint8)
        )
        self.count += len(positions)

    def take(self, count: int) -> bytes:
        """Return the flags of the next ``count`` records, a byte each: 1 for a duplicate, else 0."""
        first, start = divmod(self._position, 8)
        self._position += count
        return np.unpackbits(self._bits[first : self._position // 8 + 1])[start : start + count].tobytes()


def _repeated(earlier: Table, own: Table) -> NDArray[Any]:
    """Return the positions of the own records whose key occurs among the earlier ones, or before among the own."""
    halves = np.sort(np.concatenate((earlier[:, 0], own[:, 0])))
    if not (halves[1:] == halves[:-1]).any():  # quick: in most buckets no two digests share even a half
        return own[:0, 2]
    rows = np.concatenate((earlier, own))
    order = np.lexsort((rows[:, 1], rows[:, 0]))  # stable: equal keys stay in their order
    digests = rows[order, :2]
    is_repeat = np.zeros(len(rows), bool)
    is_repeat[order[1:]] = (digests[1:] == digests[:-1]).all(axis=1)
    positions: NDArray[Any] = own[is_repeat[len(earlier) :], 2]
    return positions
