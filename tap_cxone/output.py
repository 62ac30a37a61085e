"""Standard output of a process: a write that fails raises an error with one sentence, wherever it happens."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

from typing_extensions import override

from tap_cxone.errors import OutputError

if TYPE_CHECKING:
    from typing_extensions import Buffer

_STDOUT = 1


def check_output() -> None:
    """Have every write to standard output that fails raise OutputError, or BrokenPipeError if its reader has gone.

    A terminal stays as it is. Standard output that is closed becomes one that cannot be written. Otherwise Python would
    discard what is printed, and the next file that is opened would become standard output.
    """
    old = sys.stdout
    if old is not None and old.isatty():
        return
    if old is None:
        _open_without_reader()
    buffer = io.BufferedWriter(_Output(is_closed=old is None))
    sys.stdout = io.TextIOWrapper(buffer, old.encoding, old.errors) if old else io.TextIOWrapper(buffer, "utf-8")


class _Output(io.FileIO):
    """Standard output; after the first write that fails, what is written is discarded, so that it fails only once."""

    def __init__(self, *, is_closed: bool) -> None:
        super().__init__(_STDOUT, "wb", closefd=False)
        self._is_closed = is_closed
        self._has_failed = False

    @override
    def write(self, data: Buffer, /) -> int:
        if self._has_failed:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except BaseException as err:  # an interruption, too: perhaps nobody is going to read the rest
            self._has_failed = True
            if not isinstance(err, OSError) or (isinstance(err, BrokenPipeError) and not self._is_closed):
                raise
            reason = "it is closed" if self._is_closed else err.strerror or type(err).__name__
            raise OutputError(reason) from None


def _open_without_reader() -> None:
    """Open standard output as a pipe that nobody reads, as ``is_output_closed`` recognises it."""
    reader, writer = os.pipe()
    os.close(reader)
    if writer != _STDOUT:
        os.dup2(writer, _STDOUT)
        os.close(writer)
