"""Deadlines: a time limit for a call as a whole, whatever its connections bring.

The timeouts of a socket only limit how long it is silent. A server that sends a byte a second, or one interim response
after the other, never exceeds them. When a deadline passes, it shuts down the connections of its call, so that reading
from them ends.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_local = threading.local()


class Deadline:
    """The time limit of the calls that this thread makes within a ``with`` block.

    Blocks may be nested: each limits the connections that are used within it, except for those of inner blocks.

    Args:
        seconds: how long the block may take.

    Attributes:
        seconds: how long the block, or what has begun with the last ``restart``, may take.
        has_passed: whether it took longer.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.has_passed = False
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._duplicates: list[socket.socket] = []
        self._timer: threading.Timer | None = None
        self._outer: Deadline | None = None

    def __enter__(self) -> Self:
        """Start the clock."""
        self._outer = current_deadline()
        _local.deadline = self
        self.restart(self.seconds)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the clock."""
        _local.deadline = self._outer
        if self._timer:
            self._timer.cancel()
        with self._lock:
            for sock in self._duplicates:
                sock.close()
            self._sockets.clear()

    def restart(self, seconds: float) -> None:
        """Give the block this many seconds from now; ``has_passed`` stays as it is."""
        if self._timer:
            self._timer.cancel()
        self.seconds = seconds
        self._timer = threading.Timer(seconds, self._pass)
        self._timer.daemon = True
        self._timer.start()

    def watch(self, sock: socket.socket, *, duplicate: bool = False) -> None:
        """Shut down a connection when the time is up.

        Args:
            sock: the connection; it may be given more than once.
            duplicate: whether the socket is going to be taken over by TLS, so that a duplicate is needed.
        """
        if duplicate:
            sock = socket.fromfd(sock.fileno(), sock.family, sock.type)
        with self._lock:
            self._sockets.append(sock)
            if duplicate:
                self._duplicates.append(sock)
            if self.has_passed:
                _shut_down(sock)

    def _pass(self) -> None:
        with self._lock:
            self.has_passed = True
            for sock in self._sockets:
                _shut_down(sock)


def current_deadline() -> Deadline | None:
    """Return the innermost deadline of this thread."""
    deadline: Deadline | None = getattr(_local, "deadline", None)
    return deadline


def time_is_up() -> bool:
    """Return whether the innermost deadline of this thread has passed. What was read since then may be incomplete."""
    deadline = current_deadline()
    return deadline is not None and deadline.has_passed


def watch(connection: object, *, duplicate: bool = False) -> None:
    """Have the innermost deadline of this thread, if there is one, limit the use of a connection.

    Args:
        connection: its socket, or what has a socket (TLS to a server by way of TLS to a proxy).
        duplicate: whether TLS is going to take the socket over.
    """
    deadline = current_deadline()
    while connection is not None and not isinstance(connection, socket.socket):
        connection = getattr(connection, "socket", None)
    if deadline and connection:
        deadline.watch(connection, duplicate=duplicate)


def _shut_down(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is closed
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not the method of TLS sockets, which must not be used here
