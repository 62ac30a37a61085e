"""One run of the tap as a process, which may be killed on the way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tests.schedules.schedule import Kill

LONGEST_RUN_SECONDS = 60
PIPE_BYTES = 4096
"""A pipe this small keeps the tap from running far ahead of its target, so that kills meet it anywhere."""
_CHECK_SECONDS = 0.005


@dataclass
class Output:
    """What a run has left: its exit code, its whole lines of output, what came after the last of them, and its log."""

    code: int
    messages: list[dict[str, Any]]
    torn: bytes
    log: str


def run_tap(
    folder: Path, now: datetime, kill: Kill | None, requests: Callable[[], int], **files: dict[str, Any] | None
) -> Output:
    """Run the tap and read its output to the end.

    Args:
        folder: where the files are written.
        now: what the tap takes for the current time.
        kill: when to kill it.
        requests: returns how many requests the platform has answered.
        files: the contents of the files that the tap gets: config, state, catalog.
    """
    command = [sys.executable, str(Path(__file__).with_name("tap_at.py")), now.isoformat()]
    for name, content in files.items():
        if content is not None:
            path = folder / f"{name}.json"
            path.write_text(json.dumps(content))
            command += [f"--{name}", str(path)]
    log_path = folder / "tap.log"
    with (
        log_path.open("w") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, cwd=folder, bufsize=0, pipesize=PIPE_BYTES
        ) as process,
    ):
        assert process.stdout
        watchdog = threading.Timer(LONGEST_RUN_SECONDS, process.kill)
        watchdog.start()
        lines = _read(process, process.stdout, kill, requests)
        code = process.wait()
        watchdog.cancel()
    torn = b"" if not lines or lines[-1].endswith(b"\n") else lines.pop()
    return Output(code, list(map(json.loads, lines)), torn, log_path.read_text())


def _read(
    process: subprocess.Popen[bytes], stdout: IO[bytes], kill: Kill | None, requests: Callable[[], int]
) -> list[bytes]:
    if kill and kill.unit != "lines":
        threading.Thread(target=_kill_later, args=(process, kill, requests), daemon=True).start()
    lines = []
    for line in iter(stdout.readline, b""):
        lines.append(line)
        if kill and kill.unit == "lines" and len(lines) == kill.after:
            process.send_signal(signal.Signals[kill.signal])
    return lines


def _kill_later(process: subprocess.Popen[bytes], kill: Kill, requests: Callable[[], int]) -> None:
    started, before = time.monotonic(), requests()
    while process.poll() is None:
        passed = requests() - before if kill.unit == "requests" else 1000 * (time.monotonic() - started)
        if passed >= kill.after:
            process.send_signal(signal.Signals[kill.signal])
            return
        time.sleep(_CHECK_SECONDS)
