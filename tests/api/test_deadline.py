"""Deadlines: connections end when the time of their call is up, whatever arrives on them."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tap_cxone.api.deadline import Deadline, current_deadline, watch

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_reading_ends_when_the_time_is_up(pair: tuple[socket.socket, socket.socket]) -> None:
    with Deadline(0.05) as deadline:
        watch(pair[0])
        assert pair[0].recv(1) == b""
        assert deadline.has_passed


def test_a_connection_that_is_used_after_the_time_is_shut_down_at_once(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    with Deadline(0.01) as deadline:
        while not deadline.has_passed:
            time.sleep(0.005)
        watch(pair[0])
        assert pair[0].recv(1) == b""


def test_a_restart_gives_new_time(pair: tuple[socket.socket, socket.socket]) -> None:
    with Deadline(0.2) as deadline:
        deadline.restart(60)
        watch(pair[0])
        pair[1].sendall(b"x")
        assert pair[0].recv(1) == b"x"
        assert not deadline.has_passed
        assert deadline.seconds == 60


def test_a_connection_remains_usable_after_the_block(pair: tuple[socket.socket, socket.socket]) -> None:
    with Deadline(60):
        watch(pair[0])
    pair[1].sendall(b"x")
    assert pair[0].recv(1) == b"x"


def test_blocks_may_be_nested_and_belong_to_their_thread(pair: tuple[socket.socket, socket.socket]) -> None:
    found: list[Deadline | None] = []
    with Deadline(60) as outer:
        with Deadline(0.01) as inner:
            assert current_deadline() is inner
            while not inner.has_passed:
                time.sleep(0.005)
        assert current_deadline() is outer
        watch(pair[0])
        pair[1].sendall(b"x")
        assert pair[0].recv(1) == b"x"
        thread = threading.Thread(target=lambda: found.append(current_deadline()))
        thread.start()
        thread.join()
    assert found == [None]
    assert current_deadline() is None
    watch(pair[0])  # without a deadline, nothing is limited


def test_a_connection_by_way_of_a_proxy_is_limited_by_its_socket(pair: tuple[socket.socket, socket.socket]) -> None:
    class OverProxy:
        socket = pair[0]

    with Deadline(0.05):
        watch(OverProxy())
        assert pair[0].recv(1) == b""
