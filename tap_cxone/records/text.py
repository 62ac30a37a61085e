"""The text of an export: without its gzip layers, byte-order mark and leading white space.

The first bytes decide whether a file is compressed, not its name. isal decompresses several times as fast as zlib. It
reads all members of a gzip file and raises an error if a trailer is missing or wrong.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import zlib
from codecs import BOM_UTF8
from typing import IO, TYPE_CHECKING, TypeVar, cast

from isal import igzip, isal_zlib

from tap_cxone.errors import CorruptExportError
from tap_cxone.records.batch import BATCH_BYTES, MAX_RECORD_BYTES, WHITESPACE, check_length

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

_GZIP_MAGIC = b"\x1f\x8b"
_MAX_LAYERS = 3
"""A compressed export that is compressed again for transport has two layers. A file with more than three is damaged."""
_BUFFER_BYTES = 1 << 18
_HEAD_BYTES = 1 << 16

T = TypeVar("T")


class ExportText:
    """A stream of decompressed bytes whose first ones can be examined before they are read.

    Args:
        stream: ``read(n)`` returns fewer than n bytes at the end only.

    Attributes:
        last: the last byte that was read; empty before the first one.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._head = b""
        self.last = b""

    def peek(self) -> bytes:
        """Skip byte-order mark and white space, and return the start of the text; nothing if it is empty."""
        head = self._stream.read(_HEAD_BYTES).removeprefix(BOM_UTF8).lstrip(WHITESPACE)
        while not head and (more := self._stream.read(_HEAD_BYTES)):
            head = more.lstrip(WHITESPACE)
        self._head = head
        return head

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes, fewer at the end only."""
        head, self._head = self._head[:size], self._head[size:]
        data = head + self._stream.read(size - len(head)) if head else self._stream.read(size)
        self.last = data[-1:] or self.last
        return data

    def parts(self, take: Callable[..., tuple[T, int]], what: str = "record") -> Generator[T, None, bytes]:
        """Yield the parts that a function takes from the start of the text; return what it leaves at the end.

        Args:
            take: reads as much as it can from the start of a text. It gets the text, and as ``at_end`` whether nothing
                follows. It returns what it has read, and the number of bytes: 0 if it needs more text.
            what: what is read until it is complete, for the message of the error.

        Raises:
            UnfitExportError: nothing can be taken from ``MAX_RECORD_BYTES``.
        """
        rest, wanted, at_end = b"", BATCH_BYTES, False
        while not at_end:
            more = self.read(wanted)
            at_end = len(more) < wanted
            rest += more
            while rest:
                part, used = take(rest, at_end=at_end)
                rest = rest[used:]
                if used:
                    yield part
                del part  # not needed while the next one is read
                if not used or not at_end:
                    break
            check_length(len(rest), what)
            # Doubled, so that a long record is parsed only a few times; at most a byte more than a record may have.
            wanted = min(max(BATCH_BYTES, len(rest)), MAX_RECORD_BYTES + 1 - len(rest))
        return rest


@contextlib.contextmanager
def open_text(path: Path) -> Iterator[ExportText]:
    """Open a downloaded export.

    Raises:
        CorruptExportError: while reading, if the file is truncated or a checksum is wrong.
    """
    with contextlib.ExitStack() as stack:
        stream: IO[bytes] = stack.enter_context(path.open("rb"))
        for _ in range(_MAX_LAYERS):
            buffered = io.BufferedReader(cast("io.RawIOBase", stream), _BUFFER_BYTES)
            with _gzip_errors_as_corrupt_export():
                is_gzip = buffered.peek(2)[:2] == _GZIP_MAGIC
            stream = cast("IO[bytes]", buffered)
            if not is_gzip:
                break
            stream = cast("IO[bytes]", stack.enter_context(igzip.IGzipFile(fileobj=stream, mode="rb")))  # type: ignore[no-untyped-call]
        with _gzip_errors_as_corrupt_export():
            yield ExportText(stream)


@contextlib.contextmanager
def _gzip_errors_as_corrupt_export() -> Iterator[None]:
    try:
        yield
    except EOFError:
        msg = "the file is cut off"
        raise CorruptExportError(msg) from None
    except (gzip.BadGzipFile, isal_zlib.IsalError, zlib.error, OverflowError):  # type: ignore[misc]  # stub error
        msg = "the file is damaged: its compressed data or checksum is wrong"
        raise CorruptExportError(msg) from None
