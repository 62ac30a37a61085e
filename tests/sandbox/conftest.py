"""Sandboxes for the tests of the sandbox itself: quick jobs, few events, real HTTP."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tap_cxone.sandbox import Sandbox, SandboxOptions

from .client import Client
from .extractor import Extractor

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


class Extract(Protocol):
    """Starts a sandbox with these switches and a client of its Data Extraction API that has a token."""

    def __call__(self, **switches: Any) -> tuple[Sandbox, Extractor]: ...


@pytest.fixture
def extract(serve: Serve) -> Extract:
    """Start sandboxes that take a new extraction at any time and have done it at once, unless told otherwise."""

    def start(**switches: Any) -> tuple[Sandbox, Extractor]:
        sandbox, client = serve(login=False, **{"submit_seconds": 0.0, "rows_per_day": 24, **switches})
        extractor = Extractor(sandbox, client.session)
        assert extractor.token().status_code == 200
        return sandbox, extractor

    return start
