"""Fixtures for the tests of the sandbox: short jobs, few events, real HTTP, and a clock that tests can move."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tap_cxone.sandbox import Sandbox, SandboxOptions, endpoint, jobs, platform, storage

from .export_client import ExportClient
from .extraction_client import ExtractionClient

if TYPE_CHECKING:
    from collections.abc import Iterator


class Clock:
    """Replaces the module `time` in the sandbox. The time only changes when a test advances it."""

    def __init__(self) -> None:
        self._now = 1_000.0

    def monotonic(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let the test move the clock of the sandboxes that it starts."""
    clock = Clock()
    for module in (endpoint, jobs, platform, storage):
        monkeypatch.setattr(module, "time", clock)
    return clock


class Serve(Protocol):
    """Starts a sandbox with these switches and returns it with a client, which has a token if `login` is true."""

    def __call__(self, *, login: bool = True, **switches: Any) -> tuple[Sandbox, ExportClient]: ...


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start sandboxes that are stopped after the test."""
    with ExitStack() as stack:

        def start(*, login: bool = True, **switches: Any) -> tuple[Sandbox, ExportClient]:
            options = SandboxOptions(**{"events_per_day": 48, "job_seconds": 0.0, **switches})
            sandbox = stack.enter_context(Sandbox(options))
            client = ExportClient(sandbox)
            stack.callback(client.session.close)
            if login:
                assert client.token().status_code == 200
            return sandbox, client

        yield start


class ServeExtractions(Protocol):
    """Starts a sandbox with these switches and returns it with a Data Extraction client that has a token."""

    def __call__(self, **switches: Any) -> tuple[Sandbox, ExtractionClient]: ...


@pytest.fixture
def serve_extractions(serve: Serve) -> ServeExtractions:
    """Start sandboxes where extraction jobs can follow each other at once and finish at once by default."""

    def start(**switches: Any) -> tuple[Sandbox, ExtractionClient]:
        sandbox, export_client = serve(login=False, **{"submit_seconds": 0.0, "rows_per_day": 24, **switches})
        client = ExtractionClient(sandbox, export_client.session)
        assert client.token().status_code == 200
        return sandbox, client

    return start
