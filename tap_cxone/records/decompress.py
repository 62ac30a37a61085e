"""Decompression: removes the gzip layers of a file, if it has any. The first bytes decide, not the file's name.

isal decompresses several times as fast as zlib. It reads all members of a gzip file and raises an error if a trailer is
missing or wrong.
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
_MAX_LAYERS = 3
"""A compressed export that is compressed again for transport has two layers. A file with more than three is damaged."""
_BUFFER_BYTES = 1 << 18


@contextlib.contextmanager
def open_inflated(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading its decompressed bytes. ``read(n)`` returns fewer than n bytes at the end only.

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
            yield stream


@contextlib.contextmanager
def _gzip_errors_as_corrupt_export() -> Iterator[None]:
    try:
        yield
    except EOFError:
        msg = "the file is cut off"
        raise CorruptExportError(msg) from None
    except (gzip.BadGzipFile, isal_zlib.IsalError, zlib.error):  # type: ignore[misc]  # stub error
        msg = "the file is damaged: its compressed data or checksum is wrong"
        raise CorruptExportError(msg) from None
