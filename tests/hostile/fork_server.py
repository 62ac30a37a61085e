"""Runs the tap again and again in forked processes: ``python -m tests.hostile.fork_server``.

The imports of a run take ten times as long as what is tested here, so they are done once. Each line of standard input
describes a run, each line of standard output says how it ended.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from tap_cxone import cli, commands
from tap_cxone.api import client, downloads, retry, transport
from tap_cxone.jobs import creation
from tap_cxone.jobs.context import JobPolicy
from tap_cxone.jobs.data_extraction import DataExtraction
from tap_cxone.streams import extraction

MAX_SECONDS = 60
MAX_ADDRESS_SPACE = 2 << 30
BUDGET_SECONDS = 0.4
STALL_SECONDS = 0.6


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes:
        exit_code: exit code; negative for a signal.
        seconds: wall time.
        peak_mib: most memory in use at once.
    """

    exit_code: int
    seconds: float
    peak_mib: int


def main() -> None:
    assert cli  # imported here, and not in every run
    gc.freeze()
    for line in sys.stdin:
        run = json.loads(line)
        print(json.dumps(asdict(_run(run["arguments"], Path(run["folder"])))), flush=True)


def _run(arguments: list[str], folder: Path) -> Ended:
    begun = time.monotonic()
    child = os.fork()
    if not child:
        _become_the_tap(arguments, folder)
    while time.monotonic() - begun < MAX_SECONDS:
        found, status, usage = os.wait4(child, os.WNOHANG)
        if found:
            break
        time.sleep(0.01)
    else:
        os.kill(child, signal.SIGKILL)
        _, status, usage = os.wait4(child, 0)
    return Ended(os.waitstatus_to_exitcode(status), round(time.monotonic() - begun, 2), usage.ru_maxrss >> 10)


def _become_the_tap(arguments: list[str], folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESS_SPACE, MAX_ADDRESS_SPACE))
    for descriptor, name in ((0, os.devnull), (1, str(folder / "stdout")), (2, str(folder / "stderr"))):
        opened = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    # The real limits, made short: the time that they allow is not what is tested.
    retry.RETRY_AFTER_CAP_SECONDS = 0.1
    client.MIN_DOWNLOAD_ATTEMPTS = 2
    client.MAX_STORAGE_REFUSALS = 2
    transport.MIN_ATTEMPT_SECONDS = BUDGET_SECONDS
    retry.RETRY_BUDGET_SECONDS = BUDGET_SECONDS
    downloads.STALL_SECONDS = STALL_SECONDS
    DataExtraction.min_poll_seconds = 0.05
    creation.FIRST_BUSY_PAUSE_SECONDS = creation.LONGEST_BUSY_PAUSE_SECONDS = 0.05
    extraction.JobPolicy = partial(JobPolicy, max_failed_creates=3)  # type: ignore[assignment, attr-defined]
    sys.argv = ["tap-cxone", *arguments]
    code = 1
    try:
        commands.tap()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - shown as the interpreter would show it
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
