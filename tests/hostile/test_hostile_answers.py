"""Plays the table of hostile answers to the real tap, in a process with limits on memory and time."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.hostile.cases import CASES, OK
from tests.hostile.fork_server import MAX_SECONDS, Ended
from tests.hostile.server import HostileServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.hostile.cases import Case, Surface

MAX_MIB = 150
SECRETS = ("client-secret-value", "token-that-is-secret", "signed-secret")
START, END = "2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z"
STREAMS: dict[Surface, str] = {"analytics": "bot_conversations", "extraction": "recording_interaction_metadata"}
SETTINGS: dict[Surface, dict[str, Any]] = {
    "analytics": {"client_id": "client", "client_secret": SECRETS[0], "start_date": START, "end_date": END},
    "extraction": {
        "auth_method": "access_key",
        "access_key_id": "key-id",
        "access_key_secret": SECRETS[0],
        "start_date": "2024-01-01",
        "end_date": "2024-01-02",
        "submit_interval": 0,
    },
}


CATALOG = {
    "streams": [
        {
            "tap_stream_id": STREAMS["extraction"],
            "stream": STREAMS["extraction"],
            "key_properties": ["segment_id"],
            "schema": {"type": "object", "properties": {"segment_id": {"type": ["string", "null"]}}},
            "metadata": [{"breadcrumb": [], "metadata": {"selected": True}}],
        }
    ]
}


@pytest.fixture(scope="module")
def server() -> Iterator[HostileServer]:
    server = HostileServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def fork_server() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.hostile.fork_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin
        process.stdin.close()


class Run:
    """A run of the tap against a case."""

    def __init__(self, folder: Path, ended: Ended) -> None:
        self.ended = ended
        self.stderr = (folder / "stderr").read_bytes()
        self.text = self.stderr.decode("utf-8", "backslashreplace")
        self.stdout = (folder / "stdout").read_bytes()
        messages = [json.loads(line) for line in self.stdout.splitlines()]
        self.records = [message["record"] for message in messages if message["type"] == "RECORD"]
        self.states = [message["value"] for message in messages if message["type"] == "STATE"]
        self.files = b"".join(path.read_bytes() for path in folder.glob("*.jsonl"))


@pytest.fixture
def run(fork_server: subprocess.Popen[str], server: HostileServer, tmp_path: Path) -> Any:
    def play(case: Case) -> Run:
        server.play(case)
        length = {"end_date": f"2024-01-{case.days + 1:02}", "window_days": case.days if case.days > 3 else 1}
        config = (
            SETTINGS[case.surface]
            | (length if case.days else {})
            | {
                "api_url": server.url,
                "audit_log_path": str(tmp_path / "audit.jsonl"),
                "quarantine_path": str(tmp_path / "quarantine.jsonl"),
                "journal_path": str(tmp_path / "journal.jsonl"),
                "work_dir": str(tmp_path / "work"),
                "work_dir_max_mib": 32,
            }
        )
        (tmp_path / "config.json").write_text(json.dumps(config))
        arguments = ["--config", str(tmp_path / "config.json")]
        if case.surface == "extraction":
            (tmp_path / "catalog.json").write_text(json.dumps(CATALOG))
            arguments += ["--catalog", str(tmp_path / "catalog.json")]
        assert fork_server.stdin
        assert fork_server.stdout
        fork_server.stdin.write(json.dumps({"arguments": arguments, "folder": str(tmp_path)}) + "\n")
        fork_server.stdin.flush()
        return Run(tmp_path, Ended(**json.loads(fork_server.stdout.readline())))

    return play


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.surface}-{case.call}-{case.name}".replace(" ", "_"))
def test_a_hostile_answer_ends_in_all_records_or_one_sentence(case: Case, server: HostileServer, run: Any) -> None:
    found: Run = run(case)
    ended, text = found.ended, found.text
    assert "Traceback" not in text, text
    assert ended.exit_code >= 0, f"ended by signal {-ended.exit_code} after {ended.seconds} s\n{text}"
    assert ended.seconds < MAX_SECONDS
    assert ended.peak_mib < MAX_MIB
    for secret in SECRETS:
        assert secret not in text
        assert secret.encode() not in found.stdout + found.files
    assert not any(byte < 32 and byte != 10 for byte in found.stderr), "control characters in the log"
    assert server.calls.count("create") <= case.most_jobs
    if ended.exit_code:
        errors = [line for line in text.splitlines() if "ERROR" in line]
        assert len(errors) == 1, text
        assert case.error is not OK, text
        assert case.error in errors[0]
        windows = case.days if 1 < case.days <= 3 else 1
        assert len(found.records) <= 2 * (windows - 1), "of the windows before the one that failed"
        assert len({_bookmark(state, case.surface) for state in found.states} - {None}) <= windows - 1
    else:
        assert case.error in {"", OK}, text
        if case.error is OK:
            assert {_id(record, case.surface) for record in found.records} >= {"event-1", "event-2"}


def _bookmark(state: dict[str, Any], surface: Surface) -> object:
    return state.get("bookmarks", {}).get(STREAMS[surface], {}).get("replication_key_value")


def _id(record: dict[str, Any], surface: Surface) -> object:
    return record["id" if surface == "analytics" else "segment_id"]
