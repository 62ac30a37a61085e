"""Runs processes and measures what each of them used."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click

PROJECT = Path(__file__).parents[2]
SAMPLE_SECONDS = 0.02


@dataclass(frozen=True)
class Usage:
    """What one process used.

    Attributes:
        seconds: wall time from its start, or that of the first process of its pipe, to its end.
        cpu_seconds: processor time, user and system, including child processes (``wait4``).
        peak_mib: peak of its resident memory, without child processes, in MiB.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float


class _PeakMemory(threading.Thread):
    """Reads VmHWM of a process every 20 ms until there is none.

    ``wait4`` has a peak, too, but that one includes the memory of the parent, which a child shares before exec.
    """

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self._status = Path(f"/proc/{process}/status")
        self.mib = 0.0

    def run(self) -> None:
        try:
            while True:
                self.mib = int(self._status.read_text().split("VmHWM:")[1].split()[0]) / 1024
                time.sleep(SAMPLE_SECONDS)
        except (OSError, IndexError):  # the process has ended
            pass


def measure(*commands: list[str], environment: dict[str, str] | None = None) -> list[Usage]:
    """Run commands as a pipe, with the last standard output to /dev/null.

    Returns:
        One usage for each command.

    Raises:
        click.ClickException: commands failed; the message has the end of their standard errors.
    """
    variables = os.environ | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"} | (environment or {})
    with ExitStack() as stack:
        logs = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in commands]
        begun = time.perf_counter()
        started: list[tuple[subprocess.Popen[bytes], _PeakMemory]] = []
        for command, log in zip(commands, logs, strict=True):
            previous = started[-1][0].stdout if started else None
            process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env=variables,
                stdin=previous or subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if command is commands[-1] else subprocess.PIPE,
                stderr=log,
            )
            if previous:
                previous.close()
            started.append((process, _PeakMemory(process.pid)))
            started[-1][1].start()
        usages, failures = [], []
        for (process, memory), command, log in zip(started, commands, logs, strict=True):
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begun
            process.returncode = os.waitstatus_to_exitcode(status)
            memory.join()
            if process.returncode:
                log.seek(0)
                failures.append(f"{' '.join(command)} ended with {process.returncode}:\n{log.read()[-2000:]}")
            usages.append(Usage(seconds, usage.ru_utime + usage.ru_stime, memory.mib))
    if failures:
        raise click.ClickException("\n".join(failures))
    return usages
