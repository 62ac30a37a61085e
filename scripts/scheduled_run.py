"""Runs `meltano run` once for a scheduler, prints the verdict of the audit log, and exits by it.

    scheduled_run.py --environment=prod run tap-cxone target-postgres

Exit codes: 0 loaded, 1 failed and worth a retry, 10 failed and not worth one, 128 + n stopped by signal n.

The environment has to name the run (TAP_CXONE_ORCHESTRATOR_RUN_ID, another one for each attempt), the audit log
(TAP_CXONE_AUDIT_LOG_PATH) and the system database (MELTANO_DATABASE_URI). The folder that holds meltano.yml is the
current one or MELTANO_PROJECT_ROOT, and its plugins are installed. Each run gets a system folder of its own, with links
to the installed plugins: two runs with the same one read each other's catalog.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

RETRY, DO_NOT_RETRY, SIGNAL_EXIT_CODE = 1, 10, 128
REQUIRED = ("TAP_CXONE_ORCHESTRATOR_RUN_ID", "TAP_CXONE_AUDIT_LOG_PATH", "MELTANO_DATABASE_URI")
PLUGINS = ("extractors", "loaders", "mappers", "utilities")


def main(arguments: list[str]) -> int:
    """Run Meltano with these arguments and return the exit code of this program."""
    missing = [name for name in REQUIRED if not os.environ.get(name)]
    if missing:
        print("not set:", *missing, file=sys.stderr)
        return DO_NOT_RETRY
    project = Path(os.environ.get("MELTANO_PROJECT_ROOT", ".")).resolve()
    with tempfile.TemporaryDirectory(prefix="meltano-") as folder:
        for name in PLUGINS:
            if (installed := project / ".meltano" / name).is_dir():
                Path(folder, name).symlink_to(installed)
        code = run_meltano(arguments, project, folder)
    if code == 0:
        return 0
    if code > SIGNAL_EXIT_CODE:  # stopped from outside, so there is no verdict
        return code
    found = verdict(project)
    print(json.dumps(found), flush=True)
    return RETRY if found.get("retryable", True) else DO_NOT_RETRY


def run_meltano(arguments: list[str], project: Path, folder: str) -> int:
    """Run Meltano with a system folder and hand SIGTERM and SIGINT on; return its exit code."""
    environment = os.environ | {"MELTANO_SYS_DIR_ROOT": folder}
    process = subprocess.Popen(["meltano", *arguments], cwd=project, env=environment)  # noqa: S603, S607
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: process.send_signal(received))
    code = process.wait()
    return code if code >= 0 else SIGNAL_EXIT_CODE - code


def verdict(project: Path) -> dict[str, Any]:
    """Return what the audit log says of this run: nothing if the tap never began, so that a retry is right."""
    report = project / ".meltano" / "extractors" / "tap-cxone" / "venv" / "bin" / "cxone-report"
    run, log = os.environ["TAP_CXONE_ORCHESTRATOR_RUN_ID"], os.environ["TAP_CXONE_AUDIT_LOG_PATH"]
    command = [report, "--audit-log-path", log, "--run", run, "--last-run", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)  # noqa: S603
    result: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
