"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.helpers import SUBMIT_INTERVAL
from tests.end_to_end.loading import Pipeline
from tests.end_to_end.recipes import build_wheels
from tests.postgresql import NotInstalledError, running_server
from tests.target_postgres import install

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import StartSandbox, Tap
    from tests.postgresql import Database, Server


@pytest.fixture
def start_extraction_sandbox(start_sandbox: StartSandbox) -> StartSandbox:
    """Start sandboxes that reject a Data Extraction job created too soon after the one before."""
    return lambda **options: start_sandbox(**{"submit_seconds": SUBMIT_INTERVAL, "rows_per_day": 12} | options)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """Run PostgreSQL; without it the test is skipped, also in CI.

    Each worker has a session of its own. Tests with this fixture share the xdist group ``postgresql``, so that only one
    worker starts a server.
    """
    try:
        with running_server() as server:
            yield server
    except NotInstalledError as error:
        pytest.skip(str(error))


@pytest.fixture
def database(postgresql: Server) -> Database:
    """Return an empty database."""
    return postgresql.new_database()


@pytest.fixture(scope="session")
def target_postgres() -> Path:
    """Return the command of target-postgres, which is installed once and stays installed."""
    return install()


@pytest.fixture
def pipeline(tap: Tap, target_postgres: Path, tmp_path: Path) -> Pipeline:
    """Return the tap and the target as one command."""
    return Pipeline(tap, target_postgres, tmp_path)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a wheel of this checkout, and an environment with what the README installs.

    Tests with this fixture share the xdist group ``recipes``, so that only one worker builds it.
    """
    folder = tmp_path_factory.mktemp("wheels")
    build_wheels(folder)
    return folder
