"""The text of an export without byte-order mark and leading white space, as all three readers expect it."""

from __future__ import annotations

from typing import IO

from tap_cxone.records.batch import BATCH_BYTES, WHITESPACE

_BOM = b"\xef\xbb\xbf"


class PlainText:
    """A binary stream whose first bytes can be examined before they are read.

    Args:
        stream: decompressed bytes; ``read(n)`` returns fewer than n bytes at the end only.

    Attributes:
        last: the last byte that was read; empty before the first one.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._head = b""
        self.last = b""

    def peek(self) -> bytes:
        """Skip byte-order mark and white space, and return the first bytes of the text; none if it is empty."""
        head = self._stream.read(len(_BOM)).removeprefix(_BOM).lstrip(WHITESPACE)
        while not head and (more := self._stream.read(BATCH_BYTES)):
            head = more.lstrip(WHITESPACE)
        self._head = head
        return head

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes, fewer at the end only."""
        head, self._head = self._head[:size], self._head[size:]
        data = head + self._stream.read(size - len(head)) if head else self._stream.read(size)
        self.last = data[-1:] or self.last
        return data
