"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.helpers import SUBMIT_INTERVAL

if TYPE_CHECKING:
    from tests.conftest import StartSandbox


@pytest.fixture
def start_extraction_sandbox(start_sandbox: StartSandbox) -> StartSandbox:
    """Start sandboxes that reject a Data Extraction job created too soon after the one before."""
    return lambda **options: start_sandbox(**{"submit_seconds": SUBMIT_INTERVAL, "rows_per_day": 12} | options)
