"""The canonical form of a verified export: JSON Lines with one valid record a line.

A line holds the fields that are emitted, in the order of the schema, without blanks and without a line break of its
own. It can be wrapped into a RECORD message, or written to a batch file, without being decoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cxone.records.dedupe import DuplicateFlags

_BLOCK_BYTES = 1 << 17
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


def read_lines(file: IO[bytes]) -> Iterator[Lines]:
    """Yield the lines of a canonical file in blocks of a limited size."""
    file.seek(0)
    while block := file.read(_BLOCK_BYTES):
        if not block.endswith(b"\n"):
            block += file.readline()
        yield Lines(block, block.count(b"\n"))


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
