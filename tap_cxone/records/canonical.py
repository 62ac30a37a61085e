"""The canonical form of a verified export: JSON Lines with one valid record a line.

A line holds the fields that are emitted, in the order of the schema, without blanks and without a line break of its
own. It can be wrapped into a RECORD message, or written to a batch file, without being decoded.
"""

from __future__ import annotations

import contextlib
import tempfile
from array import array
from dataclasses import dataclass
from itertools import compress
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_cxone.records.dedupe import DuplicateFlags

_INVERTED = bytes([1]) + bytes(255)
"""Translates flags: 0 to 1, and 1 to 0."""


@dataclass(frozen=True)
class Lines:
    """Consecutive records.

    Attributes:
        text: one line for each of them, with its line break.
        count: number of records.
    """

    text: bytes
    count: int


class CanonicalFile:
    """The records of a window on disk.

    Args:
        folder: directory for the temporary file. It has no name, so nothing is left of it after ``close`` or the end of
            the process.
    """

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - see close
        # Per block, its bytes and its records. A block is about as long as what was decoded at once.
        self._lengths = array("Q")
        self._counts = array("Q")
        self.size = 0

    def write(self, lines: Lines) -> None:
        """Add records as one block."""
        if lines.count:
            self._file.write(lines.text)
            self._lengths.append(len(lines.text))
            self._counts.append(lines.count)
            self.size += len(lines.text)

    def flush(self) -> None:
        """Write everything to disk."""
        self._file.flush()

    def read(self) -> Iterator[Lines]:
        """Yield the records, block by block."""
        self._file.seek(0)
        for length, count in zip(self._lengths, self._counts, strict=True):
            yield Lines(self._file.read(length), count)

    def close(self) -> None:
        """Delete the file."""
        with contextlib.suppress(OSError):  # what could not be written is not needed any more
            self._file.close()


def split(lines: Lines, duplicates: DuplicateFlags) -> tuple[Lines, Lines]:
    """Return the lines that are not duplicates, and those that are.

    Args:
        lines: the next lines of the file.
        duplicates: which of the file's records are duplicates.
    """
    flags = duplicates.take(lines.count)
    if 1 not in flags:
        return lines, Lines(b"", 0)
    texts = lines.text.splitlines(keepends=True)
    kept = list(compress(texts, flags.translate(_INVERTED)))
    dropped = list(compress(texts, flags))
    return Lines(b"".join(kept), len(kept)), Lines(b"".join(dropped), len(dropped))
