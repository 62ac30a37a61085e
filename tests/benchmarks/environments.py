"""Virtual environments for what is measured beside the tap; they are kept in ``.venv-benchmark-*`` of the checkout."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).parents[2]
REQUIREMENTS = {
    # As in meltano.yml: target-duckdb loses rows with later versions of DuckDB.
    "target-duckdb": ("target-duckdb==0.8.0", "duckdb>=1.2,<1.3"),
    "target-jsonl": ("target-jsonl>=0.1.4,<1",),
    "dlt": ("dlt[duckdb]>=1.31,<2", "pyarrow>=20", "requests>=2.32"),
}

SHOWN = {"target-jsonl": ("target-jsonl",), "target-duckdb": ("target-duckdb", "duckdb"), "dlt": ("dlt", "duckdb")}
"""Packages whose versions are shown."""


@cache
def programs(name: str) -> Path:
    """Return the folder of an environment's programs; the environment is created if necessary."""
    folder = PROJECT / f".venv-benchmark-{name}"
    uv = (sys.executable, "-m", "uv")
    if not folder.exists():
        subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([*uv, "pip", "install", "--quiet", "--python", python, *REQUIREMENTS[name]], check=True)
    return folder / "bin"


def versions() -> str:
    """Return the versions of what was measured."""
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    found = []
    for name, packages in SHOWN.items():
        command = [str(programs(name) / "python"), "-c", code, *packages]
        numbers = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        found.append(" with ".join(f"{package} {number}" for package, number in zip(packages, numbers, strict=True)))
    return ", ".join(found)
