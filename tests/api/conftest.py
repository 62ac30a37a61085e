"""Fixtures of the tests of ``api``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.scripted_platform import scripted_platforms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.scripted_platform import Serve


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start platforms with scripted responses; they stop with the test."""
    with scripted_platforms() as start:
        yield start
