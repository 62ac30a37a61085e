"""Finds and kills the process of a tap that a scheduler has started. Linux only: reads /proc."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest


def kill_tap(variable: str, value: str | Path) -> bytes:
    """Kill the tap that extracts with this environment variable; return the environment that it had."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue
        is_ours = f"{variable}={value}".encode() in environment.split(b"\0")
        if is_ours and b"--catalog" in command and any(word.endswith(b"/tap-cxone") for word in command):
            os.kill(int(folder.name), signal.SIGKILL)
            return environment
    pytest.fail("no tap is running")
