"""Several audit logs: which files paths name, and the order in which their events are read."""

from __future__ import annotations

import json
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from tap_cxone.errors import CxoneError, SettingsError
from tap_cxone.observability.audit_files import (
    AuditLogs,
    file_number,
    find_audit_logs,
    open_audit_logs,
    split_audit_log_paths,
)
from tap_cxone.observability.audit_reader import AuditLogReader

if TYPE_CHECKING:
    from pathlib import Path

EVENT = '{"event":"run_started","logged_at":"2024-01-01T00:00:00.000Z"}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two audit logs and other files, and a third audit log in a folder below it."""
    for name in ("b.jsonl", "a.jsonl", "audit.txt", "below/c.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(EVENT)
    (tmp_path / "cut.jsonl").write_text('{"event":"run_fin\n' + EVENT)
    (tmp_path / "quarantine.jsonl").write_text('{"quarantined_at":"2024","record":{"event":"x","logged_at":"y"}}\n')
    (tmp_path / "journal.jsonl").write_text('{"event":"created","at":"2024-01-01"}\n')
    (tmp_path / "a.jsonl.lock").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (["."], ["a.jsonl", "b.jsonl", "cut.jsonl"]),
        (["b.jsonl", "."], ["b.jsonl", "a.jsonl", "cut.jsonl"]),
        (["a*"], ["a.jsonl", "audit.txt"]),
        (["**/*.jsonl"], ["a.jsonl", "b.jsonl", "c.jsonl", "cut.jsonl"]),
        (["below", "bel*"], ["c.jsonl"]),
        (["b.jsonl", "new.jsonl"], ["b.jsonl", "new.jsonl"]),
        (["new-*.jsonl"], []),
    ],
)
def test_paths_are_files_folders_and_patterns(
    folder: Path, paths: list[str], found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert sorted(path.name for path in find_audit_logs(paths)) == sorted(found)
    if len(paths) > 1:
        assert [path.name for path in find_audit_logs(paths)] == found, "in the order of the paths"
    assert find_audit_logs(["new.jsonl"], only_existing=True) == []


@pytest.mark.parametrize("name", ["quarantine.jsonl", "journal.jsonl"])
def test_another_file_that_is_named_is_an_error(folder: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=rf"{name}' is not an audit log: name another one"):
        find_audit_logs([str(folder / name)])


def test_file_named_like_a_pattern_is_a_file(folder: Path) -> None:
    (folder / "[a].jsonl").write_text(EVENT)
    assert [path.name for path in find_audit_logs([str(folder / "[a].jsonl")])] == ["[a].jsonl"]


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("a.jsonl", ["a.jsonl"]),
        ("a.jsonl\n  b.jsonl\n", ["a.jsonl", "b.jsonl"]),
        ('["a.jsonl", "my logs/b.jsonl"]', ["a.jsonl", "my logs/b.jsonl"]),
        ("my logs/c.jsonl", ["my logs/c.jsonl"]),
        ("my logs", ["my logs"]),
        ("my logs/*.jsonl", ["my logs/*.jsonl"]),
    ],
)
def test_setting_holds_one_path_or_several(
    folder: Path, text: str, paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "below").rename(folder / "my logs")
    assert split_audit_log_paths(text) == paths
    with pytest.raises(CxoneError, match="'audit_log_path'"):
        split_audit_log_paths("[1")


def write(path: Path, *hours: str) -> Path:
    path.write_text(
        "".join(json.dumps({"event": "e", "logged_at": hour, "run_id": f"{path.name} {hour}"}) + "\n" for hour in hours)
    )
    return path


def test_events_are_read_in_the_order_of_time(tmp_path: Path) -> None:
    paths = [write(tmp_path / "x", "02", "05", "04", "09"), write(tmp_path / "y", "01", "03", "06")]
    with open_audit_logs([*paths, tmp_path / "missing"]) as logs:
        reader = AuditLogReader({"e"})
        entries = list(logs.entries(reader.read))
        runs = [entry.event.run_id for entry in entries]
        assert runs == ["y 01", "x 02", "y 03", "x 05", "x 04", "y 06", "x 09"], "each file in its own order"
        assert reader.lines == 7
        assert [entry.event.run_id for entry in logs.entries(AuditLogReader({"e"}).read)] == runs, "a second time"
        for entry in entries:
            file, position = logs.locate(entry.offset)
            file.seek(position)
            assert file.readline() == entry.line
            assert str(entry.event.run_id)[0] == paths[file_number(entry.offset)].name
        assert logs.describe(entries[0].offset) == "byte 0 of y"


def test_offset_in_a_single_file_is_its_position(tmp_path: Path) -> None:
    with write(tmp_path / "x", "01", "02").open("rb") as file:
        logs = AuditLogs([file])
        first, second = logs.entries(AuditLogReader({"e"}).read)
        assert (first.offset, second.offset) == (0, len(first.line))
        assert logs.describe(second.offset) == f"byte {len(first.line)}"


def test_memory_does_not_grow_with_the_files(tmp_path: Path) -> None:
    line = '{"event":"e","logged_at":"2024-01-01T00:00:00.000Z","reason":"' + "x" * 200 + '"}\n'
    for name in ("x", "y", "z"):
        (tmp_path / name).write_text(line * 20_000)
    with open_audit_logs([tmp_path / name for name in ("x", "y", "z")]) as logs:
        tracemalloc.start()
        assert sum(1 for _ in logs.entries(AuditLogReader({"e"}).read)) == 60_000
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 1_000_000
