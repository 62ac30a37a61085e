"""A run with an invalid setting: one sentence that names it, exit code 2, and no request."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.config.configurations import SECRET, VALID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Tap


@pytest.fixture
def silent_platform() -> Iterator[socket.socket]:
    """A port that accepts connections; the tap must not make one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        yield listener


def assert_one_error(code: int, out: str, log: str, name: str) -> None:
    assert code == 2
    assert out == ""
    errors = [line for line in log.splitlines() if "| ERROR" in line or "| CRITICAL" in line]
    assert len(errors) == 1, log
    assert f"'{name}'" in errors[0]
    assert "Traceback" not in log
    assert SECRET not in log


def was_not_called(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize(
    ("source", "invalid"),
    [
        ("file", {"start_date": None}),
        ("file", {"end_date": "2023-01-01"}),
        ("file", {"window_days": 31}),
        ("file", {"client_secret": ""}),
        ("environment", {"start_date": "today"}),
        ("environment", {"window_days": "many"}),
        ("environment", {"sandbox": "maybe"}),
        ("environment", {"export_format": "xml"}),
    ],
    ids=str,
)
def test_invalid_setting_ends_a_run_before_any_request(
    silent_platform: socket.socket, tmp_path: Path, invalid: dict[str, Any], source: str
) -> None:
    config = VALID | {"api_url": f"http://127.0.0.1:{silent_platform.getsockname()[1]}"} | invalid
    command, environment = [sys.executable, "-m", "tap_cxone", "--config"], dict(os.environ)
    if source == "file":
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config))
        command.append(str(path))
    else:
        command.append("ENV")
        environment |= {f"TAP_CXONE_{name.upper()}": str(value) for name, value in config.items() if value is not None}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path, env=environment
    )
    assert_one_error(done.returncode, done.stdout, done.stderr, next(iter(invalid)))
    assert was_not_called(silent_platform)


def test_unwritable_audit_log_ends_a_run_before_any_request(
    silent_platform: socket.socket, tap: Tap, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    url = f"http://127.0.0.1:{silent_platform.getsockname()[1]}"
    run = tap(VALID | {"api_url": url, "audit_log_path": str(tmp_path / "file" / "audit.jsonl")})
    assert run.code == 2
    [error] = run.errors
    assert "'audit_log_path'" in error
    assert "Traceback" not in run.log
    assert was_not_called(silent_platform)
