"""From the bytes of a file to plain bytes: gzip or not, as the bytes themselves say, however often they were packed.

isal inflates several times as fast as zlib, reads all members of a file, and raises on a missing or wrong trailer.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import zlib
from typing import IO, TYPE_CHECKING, cast

from isal import igzip, isal_zlib

from tap_cxone.errors import CorruptExportError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_GZIP_MAGIC = b"\x1f\x8b"
_MOST_LAYERS = 3
"""Compressed as a payload and once more in transport makes two; more than three is damage."""
_BUFFER_BYTES = 1 << 18


@contextlib.contextmanager
def open_inflated(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading what is inside its gzip layers, if any. ``read(n)`` returns less than n at the end only.

    Raises:
        CorruptExportError: while reading: the file is cut off, or a checksum is wrong.
    """
    with contextlib.ExitStack() as stack:
        stream: IO[bytes] = stack.enter_context(path.open("rb"))
        for _ in range(_MOST_LAYERS):
            buffered = io.BufferedReader(cast("io.RawIOBase", stream), _BUFFER_BYTES)
            with _damage_named():
                packed = buffered.peek(2)[:2] == _GZIP_MAGIC
            stream = cast("IO[bytes]", buffered)
            if not packed:
                break
            stream = cast("IO[bytes]", stack.enter_context(igzip.IGzipFile(fileobj=stream, mode="rb")))  # type: ignore[no-untyped-call]
        with _damage_named():
            yield stream


@contextlib.contextmanager
def _damage_named() -> Iterator[None]:
    try:
        yield
    except EOFError:
        msg = "the file is cut off"
        raise CorruptExportError(msg) from None
    except (gzip.BadGzipFile, isal_zlib.IsalError, zlib.error):  # type: ignore[misc]  # stub error
        msg = "the file is damaged: its compressed data or checksum is wrong"
        raise CorruptExportError(msg) from None
