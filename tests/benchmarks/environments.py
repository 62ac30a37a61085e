"""Virtual environments for what is measured beside the tap."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests import environments

if TYPE_CHECKING:
    from pathlib import Path

REQUIREMENTS = {
    # As in meltano.yml: target-duckdb loses rows with later versions of DuckDB.
    "target-duckdb": ("target-duckdb==0.8.0", "duckdb>=1.2,<1.3"),
    "target-jsonl": ("target-jsonl>=0.1.4,<1",),
    "dlt": environments.DLT,
}

SHOWN = {"target-jsonl": ("target-jsonl",), "target-duckdb": ("target-duckdb", "duckdb"), "dlt": ("dlt", "duckdb")}
"""Packages whose versions are shown."""


def programs(name: str) -> Path:
    """Return the folder of an environment's programs; the environment is created if necessary."""
    return environments.install(name, *REQUIREMENTS[name])


def versions() -> str:
    """Return the versions of what was measured."""
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    found = []
    for name, packages in SHOWN.items():
        command = [str(programs(name) / "python"), "-c", code, *packages]
        numbers = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        found.append(" with ".join(f"{package} {number}" for package, number in zip(packages, numbers, strict=True)))
    return ", ".join(found)
