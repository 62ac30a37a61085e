"""The real target-postgres, in a virtual environment of its own, behind any process that writes Singer messages."""

from __future__ import annotations

import json
import os
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests import environments
from tests.postgresql import HOST, SUPERUSER, clean_environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgresql import Database

REQUIREMENT = "meltanolabs-target-postgres>=0.8,<0.9"

SCHEMA = "cxone"
"""Where the target creates its tables."""

COPY: dict[str, Any] = {"use_copy": True, "validate_records": False}
"""The settings with which the target is fastest. By default it inserts, and validates every record."""


class LoadError(Exception):
    """The tap or the target failed."""


@dataclass(frozen=True)
class Load:
    """One finished load.

    Attributes:
        state: the last state that the target wrote, or None.
        seconds: from the start of the processes to the end of the last one.
        tap_cpu: processor seconds of the process that wrote the messages.
        target_cpu: processor seconds of the target.
    """

    state: dict[str, Any] | None
    seconds: float
    tap_cpu: float
    target_cpu: float


def install() -> Path:
    """Install the target unless it is there already, and return its command."""
    return environments.install("target-postgres", REQUIREMENT) / "target-postgres"


def load(source: list[str], target: Path, database: Database, folder: Path, **settings: Any) -> Load:
    """Pipe the output of a command into the target and wait for both.

    Args:
        source: the command line of the tap.
        target: the command of the target.
        database: where the tables are to be, in the schema SCHEMA.
        folder: for the logs and the configuration of the target.
        settings: settings of the target besides the connection.

    Raises:
        LoadError: one of the two failed; the message has its log.
    """
    config = folder / "target.json"
    config.write_text(json.dumps(_connection(database) | settings))
    logs = {name: folder / f"{name}.log" for name in ("source", "target")}
    states = folder / "states.jsonl"
    with ExitStack() as stack:
        source_log, target_log, output = (stack.enter_context(path.open("w")) for path in (*logs.values(), states))
        begun = time.perf_counter()
        tap = subprocess.Popen(source, stdout=subprocess.PIPE, stderr=source_log, cwd=folder)
        stack.callback(_kill, tap)
        loader = subprocess.Popen(
            [target, "--config", config],
            stdin=tap.stdout,
            stdout=output,
            stderr=target_log,
            cwd=folder,
            env=clean_environment(),
        )
        stack.callback(_kill, loader)
        assert tap.stdout
        tap.stdout.close()  # so that the tap notices if the target ends
        target_cpu, tap_cpu = _wait(loader), _wait(tap)
        seconds = time.perf_counter() - begun
    for name, process in (("target", loader), ("source", tap)):
        if process.returncode:
            message = f"The {name} ended with {process.returncode}:\n{logs[name].read_text()}"
            raise LoadError(message)
    lines = states.read_text().splitlines()
    return Load(json.loads(lines[-1]) if lines else None, seconds, tap_cpu, target_cpu)


def _connection(database: Database) -> dict[str, Any]:
    return {
        "host": HOST,
        "port": database.server.port,
        "user": SUPERUSER,
        "password": "none is needed, but the target insists on one",
        "database": database.name,
        "default_target_schema": SCHEMA,
    }


def _wait(process: subprocess.Popen[bytes]) -> float:
    """Wait for the end of a process; return the processor seconds of it and its children."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()
