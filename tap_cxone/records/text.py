"""The text of an export without byte-order mark and leading white space, as all three readers expect it."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING

from typing_extensions import override

from tap_cxone.records.batch import BATCH_BYTES, WHITESPACE

if TYPE_CHECKING:
    from typing_extensions import Buffer

_BOM = b"\xef\xbb\xbf"


class PlainText(io.RawIOBase):
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

    @override
    def readable(self) -> bool:
        return True

    @override
    def read(self, size: int = -1) -> bytes:
        """Return ``size`` bytes, fewer at the end only; all that is left if ``size`` is negative."""
        head, self._head = (self._head, b"") if size < 0 else (self._head[:size], self._head[size:])
        wanted = size - len(head) if size >= 0 else -1
        data = head + self._stream.read(wanted) if head else self._stream.read(wanted)
        self.last = data[-1:] or self.last
        return data

    @override
    def readinto(self, buffer: Buffer) -> int:
        target = memoryview(buffer)
        data = self.read(len(target))
        target[: len(data)] = data
        return len(data)
