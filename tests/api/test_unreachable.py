"""Hosts to which no connection can be made: a wrong address is reported soon, a host that was reached is waited for."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tap_cxone.api.retry import UNREACHABLE_ATTEMPTS
from tap_cxone.errors import UnavailableError
from tests.http_server import json_response
from tests.scripted_platform import get

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.scripted_platform import Platform, Serve

    Way = Callable[[Platform], tuple[str, str]]


def closed_port() -> str:
    """Return the address of a port at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def refused(_: Platform) -> tuple[str, str]:
    return f"http://{closed_port()}", "the connection to 127.0.0.1 failed (Connection refused)"


def unknown_name(_: Platform) -> tuple[str, str]:
    return "http://cxone.invalid", "the name cxone.invalid was not found"


def without_tls(platform: Platform) -> tuple[str, str]:
    return platform.url.replace("http:", "https:"), "the TLS connection to 127.0.0.1 failed"


WAYS = pytest.mark.parametrize("way", [refused, unknown_name, without_tls])


@WAYS
def test_a_token_endpoint_that_cannot_be_reached_ends_the_run_after_three_attempts(serve: Serve, way: Way) -> None:
    platform = serve()
    url, reason = way(platform)
    with pytest.raises(UnavailableError) as caught:
        get(platform.client(api_url=url, auth_url=f"{url}/token"))
    assert caught.value.message == (
        f"Platform call 'token': {reason}: check the setting 'auth_url', or 'api_url' if that is not set."
    )
    assert len(platform.pauses) == UNREACHABLE_ATTEMPTS - 1
    assert sum(platform.pauses) < 5


@WAYS
def test_so_does_an_api_that_cannot_be_reached_although_a_token_was_issued(serve: Serve, way: Way) -> None:
    platform = serve()
    url, reason = way(platform)
    with pytest.raises(UnavailableError, match="check the setting 'api_url'") as caught:
        get(platform.client(api_url=url))
    assert reason in caught.value.message
    assert len(platform.pauses) == UNREACHABLE_ATTEMPTS - 1


def test_a_host_that_was_reached_before_is_waited_for(serve: Serve) -> None:
    platform = serve(x=[json_response("done", Connection="close")])
    client = platform.client(retry_budget=10)
    get(client)
    platform.server.stop()
    with pytest.raises(UnavailableError, match="gave up"):
        get(client)
    assert len(platform.pauses) >= UNREACHABLE_ATTEMPTS
