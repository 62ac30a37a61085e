"""Descriptions of failed requests."""

from __future__ import annotations

import errno
import socket
import struct
import threading
from unittest import mock

import pytest
import requests

from tap_cxone.api.error_messages import connection_reason, never_sent


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("reset", "the connection to 127.0.0.1 failed (Connection reset by peer)"),
        ("close", "127.0.0.1 closed the connection without a response"),
        ("cut", "127.0.0.1 closed the connection in the middle of a response"),
    ],
)
def test_the_way_in_which_a_connection_ends_is_named(response: str, reason: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_answer, args=(listener, response))
        thread.start()
        with pytest.raises(requests.RequestException) as caught:
            requests.get(f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout=10)
        thread.join()
    assert connection_reason(caught.value, "http://127.0.0.1/") == reason


def _answer(listener: socket.socket, response: str) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(1 << 16)
        if response == "cut":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")
        elif response == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_lack_of_connections_is_not_blamed_on_the_host() -> None:
    full = OSError(errno.EMFILE, "Too many open files")
    with mock.patch("socket.socket", side_effect=full), pytest.raises(requests.ConnectionError) as caught:
        requests.get("http://127.0.0.1:9/", timeout=1)
    assert connection_reason(caught.value, "http://127.0.0.1:9/") == (
        "no more connections can be opened (Too many open files)"
    )
    assert never_sent(caught.value)
