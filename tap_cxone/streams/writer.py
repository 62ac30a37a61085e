"""Standard output, where the target is: the writer of Singer messages, and whether anybody reads them.

One thread writes, line by line; a reader that has gone ends the run with one sentence.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
from typing import TYPE_CHECKING

from singer_sdk.contrib.msgspec import MsgSpecWriter
from typing_extensions import override

from tap_cxone.errors import RunCancelledError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.singerlib.encoding.simple import Message

_STDOUT = 1


class OutputClosedError(RunCancelledError):
    """Nobody reads standard output any more."""

    def __init__(self) -> None:
        super().__init__("The target has ended: nobody reads the tap's output any more.")


class MessageWriter(MsgSpecWriter):
    """Writes Singer messages."""

    @override
    def write_message(self, message: Message) -> None:
        """Write one message as a line; raises OutputClosedError where the reader has gone."""
        # A copy: the SDK writes every message into one and the same buffer.
        self.write_block(bytes(self.format_message(message)))

    @staticmethod
    def write_block(lines: bytes) -> None:
        """Write messages that are encoded already; raises OutputClosedError where the reader has gone."""
        with _reader_there():
            # Without a buffer (PYTHONUNBUFFERED) a write that a signal interrupts has written a part, and says so.
            while lines:
                lines = lines[sys.stdout.buffer.write(lines) :]
            sys.stdout.flush()


@contextlib.contextmanager
def _reader_there() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        # What is left in the buffer would fail once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)
        raise OutputClosedError from None


def check_output() -> None:
    """Look, without writing, whether standard output is a pipe whose reader has gone.

    Raises:
        OutputClosedError: it is.
    """
    if not hasattr(select, "poll"):  # pragma: no cover - Windows
        return
    try:
        number = sys.stdout.fileno()
    except (OSError, ValueError, AttributeError):
        return  # captured, as in tests
    poll = select.poll()
    poll.register(number, 0)  # errors are told without being asked for
    if any(event & (select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0)):
        raise OutputClosedError
