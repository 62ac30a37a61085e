"""Virtual environments for programs that run beside the tap in tests and benchmarks, with requirements of their own.

They are kept in ``.venv-NAME-X.Y`` of the checkout, where X.Y is the version of Python.
"""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).parents[1]
EXAMPLE = PROJECT / "examples" / "dlt"
DLT = ("-r", str(EXAMPLE / "requirements.txt"))
"""What the example for dlt needs."""


class InstallError(Exception):
    """An environment cannot be made."""


@cache
def install(name: str, *requirements: str) -> Path:
    """Return the folder of an environment's programs; what is missing is installed first.

    Args:
        name: name of the environment.
        requirements: arguments of ``pip install``.

    Raises:
        InstallError: something cannot be installed.
    """
    folder = PROJECT / f".venv-{name}-{sys.version_info.major}.{sys.version_info.minor}"
    uv = (sys.executable, "-m", "uv", "--quiet")
    python = folder / "bin" / "python"
    if not python.exists():
        _succeed(folder, *uv, "venv", "--allow-existing", "--python", sys.executable, str(folder))
    _succeed(folder, *uv, "pip", "install", "--python", str(python), *requirements)
    return folder / "bin"


def _succeed(folder: Path, *command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    if done.returncode:
        message = f"{folder.name} cannot be made:\n{done.stderr}"
        raise InstallError(message)
