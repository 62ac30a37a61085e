"""Sandboxes for the tests of the sandbox itself: quick jobs, few events, real HTTP."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tap_cxone.sandbox import Sandbox, SandboxOptions

from .client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator


class Serve(Protocol):
    """Starts a sandbox with these switches and logs a client in."""

    def __call__(self, *, login: bool = True, **switches: Any) -> tuple[Sandbox, Client]: ...


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start sandboxes that end with the test."""
    with ExitStack() as stack:

        def start(*, login: bool = True, **switches: Any) -> tuple[Sandbox, Client]:
            options = SandboxOptions(**{"events_per_day": 48, "job_seconds": 0.0, **switches})
            sandbox = stack.enter_context(Sandbox(options))
            client = Client(sandbox)
            stack.callback(client.session.close)
            if login:
                assert client.token().status_code == 200
            return sandbox, client

        yield start
