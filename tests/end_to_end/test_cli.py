"""Invalid files, paths and expressions are reported in one sentence, without a traceback or standard output."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.conftest import config_for

if TYPE_CHECKING:
    from tests.conftest import StartSandbox, Tap

CONFIG = {"sandbox": True, "start_date": "2024-01-01", "end_date": "2024-01-02"}


@pytest.mark.parametrize("option", ["config", "state", "catalog"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{bad", "is not valid JSON (line 1, column 2)"),
        (b"", "is empty"),
        (b"\xef\xbb\xbf{}", "It begins with a byte-order mark: save it as UTF-8 without one."),
        (b"[1]", "must hold a JSON object"),
        (b'"\xff"', "is not in UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (None, "cannot be read (No such file or directory)"),
    ],
)
@pytest.mark.parametrize("joined", [False, True])
def test_a_file_that_cannot_be_read_is_named(
    tap: Tap, option: str, content: bytes | None, reason: str, *, joined: bool
) -> None:
    (tap.folder / "good.json").write_text(json.dumps(CONFIG))
    if content is not None:
        (tap.folder / "given.json").write_bytes(content)
    arguments = [f"--{option}=given.json"] if joined else [f"--{option}", "given.json"]
    code, out, log = tap.run_with_options(*([] if option == "config" else ["--config", "good.json"]), *arguments)
    assert code == 2
    assert not out
    assert "Traceback" not in log
    assert f"Option '--{option}': the file 'given.json' " in log
    assert reason in log


@pytest.mark.parametrize("expression", ["nofunc(id)", "id +"])
def test_a_stream_map_that_does_not_compile_is_named(tap: Tap, expression: str) -> None:
    run = tap(CONFIG | {"stream_maps": {"bot_conversations": {"x": expression}}})
    assert run.code == 2
    assert "Traceback" not in run.log
    assert "Setting 'stream_maps': " in run.errors[-1]
    assert expression in run.errors[-1]


@pytest.mark.parametrize("setting", ["quarantine_path", "audit_log_path", "journal_path"])
def test_an_unusable_path_is_reported_before_the_first_request(
    start_sandbox: StartSandbox, tap: Tap, setting: str
) -> None:
    sandbox = start_sandbox()
    run = tap(config_for(sandbox) | {setting: "/proc/nowhere/file"})
    assert run.code == 2
    [error] = run.errors
    assert f"'{setting}'" in error
    assert sandbox.requests == []
