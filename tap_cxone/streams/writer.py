"""Standard output: writes Singer messages, and detects that the target no longer reads them."""

from __future__ import annotations

import select
import sys
from typing import TYPE_CHECKING

from singer_sdk.contrib.msgspec import MsgSpecWriter
from typing_extensions import override

from tap_cxone.errors import RunCancelledError

if TYPE_CHECKING:
    from singer_sdk.singerlib.encoding.simple import Message


class OutputClosedError(RunCancelledError):
    """The reader of standard output has gone."""

    def __init__(self) -> None:
        super().__init__("The target has ended: nobody reads the tap's output any more.")


class MessageWriter(MsgSpecWriter):
    """Writes Singer messages. Used by the main thread only."""

    @override
    def write_message(self, message: Message) -> None:
        """Write one message as a line; raises OutputClosedError if the reader has gone."""
        # A copy, because the SDK encodes every message into the same buffer.
        self.write_block(bytes(self.format_message(message)))

    @staticmethod
    def write_block(*pieces: bytes | memoryview) -> None:
        """Write encoded messages, given in pieces; raises OutputClosedError if the reader has gone."""
        try:
            for piece in pieces:
                left = memoryview(piece)
                # Without a buffer (a terminal, PYTHONUNBUFFERED), a signal can interrupt a write after a part of it.
                while left:
                    left = left[sys.stdout.buffer.write(left) :]
            sys.stdout.flush()
        except BrokenPipeError:
            raise OutputClosedError from None


def is_output_closed() -> bool:
    """Return, without writing, whether standard output is a pipe whose reader has gone."""
    if not hasattr(select, "poll"):  # pragma: no cover - Windows
        return False
    try:
        number = sys.stdout.fileno()
    except (OSError, ValueError, AttributeError):
        return False  # captured, as in tests
    poll = select.poll()
    poll.register(number, 0)  # errors are reported in any case
    return any(event & (select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0))
