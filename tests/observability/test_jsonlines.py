"""Append-only JSON Lines files, and the contents of audit log and quarantine."""

from __future__ import annotations

import errno
import fcntl
import json
import math
import os
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.errors import CxoneError
from tap_cxone.observability.audit_log import AuditLog, Quarantine
from tap_cxone.observability.events import EventName
from tap_cxone.observability.jsonlines import JsonLinesFile
from tests.conftest import read_lines

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, *lines: dict[str, Any]) -> None:
    with JsonLinesFile(str(path), "audit_log_path") as file:
        for line in lines:
            file.write(line)


def rotate(path: Path) -> None:
    """Move the file away, and create a new one that others can read."""
    path.rename(path.with_name("rotated"))
    path.touch()
    path.chmod(0o644)


def test_lines_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    write(path, {"number": 1}, {"text": "ü\n"})
    write(path, {"number": 2})
    assert read_lines(path) == [{"number": 1}, {"text": "ü\n"}, {"number": 2}]


def test_the_folder_is_created_and_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "log.jsonl"
    before = os.umask(0)
    try:
        write(path, {"number": 1})
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602, 0o666], ids=oct)
def test_a_file_that_others_can_read_or_write_is_made_one_of_its_owner(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int
) -> None:
    path = tmp_path / "log.jsonl"
    path.touch()
    path.chmod(mode)
    write(path, {"number": 1})
    write(path, {"number": 2})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    [warning] = caplog.records
    assert warning.levelname == "WARNING"
    assert "'audit_log_path'" in warning.getMessage()


def test_a_file_whose_mode_cannot_be_changed_is_written_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    path = tmp_path / "log.jsonl"
    path.touch()
    path.chmod(0o644)
    monkeypatch.setattr(os, "fchmod", refuse)
    with JsonLinesFile(str(path), "audit_log_path") as file:
        file.write({"number": 1})
        rotate(path)
        file.write({"number": 2})
    assert read_lines(path) == [{"number": 2}]
    [message] = caplog.messages
    assert "'audit_log_path'" in message
    assert "cannot be changed" in message


def test_a_file_that_others_could_read_is_not_opened_silently_after_a_rotation(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "log.jsonl"
    with JsonLinesFile(str(path), "audit_log_path") as file:
        file.write({"number": 1})
        rotate(path)
        file.write({"number": 2})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(caplog.records) == 1


@pytest.mark.parametrize("partial", ["{", '{"number": 1', "x" * 5000], ids=lambda text: text[:12])
def test_a_partial_last_line_is_terminated(tmp_path: Path, partial: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"number": 0}\n' + partial)
    write(path, {"number": 2}, {"number": 3})
    assert path.read_text().split("\n") == ['{"number": 0}', partial, '{"number":2}', '{"number":3}', ""]


def test_a_partial_line_of_another_process_is_terminated(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with JsonLinesFile(str(path), "audit_log_path") as file:
        file.write({"number": 1})
        with path.open("a") as killed:
            killed.write('{"numb')
        file.write({"number": 2})
    assert path.read_text().split("\n") == ['{"number":1}', '{"numb', '{"number":2}', ""]


WRITER = """
import sys
from tap_cxone.observability.jsonlines import JsonLinesFile
with JsonLinesFile(sys.argv[1], "audit_log_path") as file:
    for number in range(300):
        file.write({"who": sys.argv[2], "number": number, "text": "x" * (number * 37 % 9000)})
"""


@pytest.mark.slow
def test_lines_of_several_processes_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*command, str(number)]) for number in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    lines = read_lines(path)
    for number in range(4):
        assert [line["number"] for line in lines if line["who"] == str(number)] == list(range(300))


def test_a_write_waits_for_the_lock_of_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.jsonl"
    lock_requested = threading.Event()
    flock = fcntl.flock

    def signalling_flock(fd: int, operation: int) -> None:
        lock_requested.set()
        flock(fd, operation)

    with JsonLinesFile(str(path), "audit_log_path") as file, path.open("a") as other:
        flock(other, fcntl.LOCK_EX)
        other.write('{"number": ')
        other.flush()
        monkeypatch.setattr(fcntl, "flock", signalling_flock)
        writer = threading.Thread(target=file.write, args=({"number": 2},))
        writer.start()
        assert lock_requested.wait(30)
        other.write("1}\n")
        other.flush()
        flock(other, fcntl.LOCK_UN)
        writer.join()
    assert read_lines(path) == [{"number": 1}, {"number": 2}]


def test_lines_of_several_threads_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with JsonLinesFile(str(path), "audit_log_path") as file:

        def write_lines(who: int) -> None:
            for number in range(200):
                file.write({"who": who, "number": number, "text": "x" * 500})

        threads = [threading.Thread(target=write_lines, args=(who,)) for who in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(read_lines(path)) == 800


def unusable_paths(folder: Path) -> list[str]:
    (folder / "file").write_text("")
    return [
        str(folder),
        str(folder / "file" / "log"),
        f"{folder}/x\0y",
        "~no-such-user-here/log",
        "/proc/no/log",
        f"{folder}/" + "x" * 300,
    ]


@pytest.mark.parametrize("number", range(6))
def test_an_unusable_path_is_reported_with_its_setting(tmp_path: Path, number: int) -> None:
    path = unusable_paths(tmp_path)[number]
    for open_file in (lambda: AuditLog(path), lambda: Quarantine(path)):
        with pytest.raises(CxoneError, match=r"^Setting '(audit_log|quarantine)_path': .*\.$") as caught:
            open_file()
        assert "\n" not in caught.value.message


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux")  # noqa: PTH110 - a device
def test_a_full_disk_is_reported_with_the_setting() -> None:
    with (
        JsonLinesFile("/dev/full", "audit_log_path") as file,
        pytest.raises(CxoneError, match=r"'audit_log_path'.*space"),
    ):
        file.write({"number": 1})


def test_a_partial_line_after_a_full_disk_is_terminated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.jsonl"
    with JsonLinesFile(str(path), "audit_log_path") as file:
        write_all = os.write
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda fd, data: write_all(fd, data[:5]))
            with pytest.raises(CxoneError, match=r"'audit_log_path'.*full"):
                file.write({"number": 1})
        file.write({"number": 2})
    assert path.read_text() == '{"num\n{"number":2}\n'


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"id": "\ud800", "\udc00": 1}, {"id": "\\ud800", "\\udc00": 1}),
        ({"duration": math.nan, "more": [math.inf, -math.inf]}, {"duration": "nan", "more": ["inf", "-inf"]}),
        ({"duration": 10**40}, {"duration": 10**40}),
        (["a", "row"], ["a", "row"]),
        (None, None),
        ("text", "text"),
        (nested(50), nested(50)),
        (nested(980), "(nested too deeply to be kept)"),
    ],
    ids=["lone surrogates", "infinities", "big number", "row", "null", "text", "nested", "nested too deeply"],
)
def test_the_quarantine_keeps_any_rejected_record(tmp_path: Path, record: object, expected: object) -> None:
    path = tmp_path / "quarantine.jsonl"
    quarantine = Quarantine(str(path))
    quarantine.keep(record, reason="because")
    quarantine.close()
    [line] = path.read_text().splitlines()
    entry = json.loads(line)
    assert entry["record"] == expected
    assert entry["reason"] == "because"


def test_record_values_are_in_the_audit_log_but_never_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    path = tmp_path / "audit.jsonl"
    audit = AuditLog(str(path))
    audit.event(EventName.SCHEMA_VALIDATION_FAILURE, record_id="id-of-a-record", reason="missing fields")
    audit.event(EventName.WINDOW_EXTRACTED, sample=[{"id": "id-of-a-sample"}], record_count=1)
    audit.event(EventName.EXPORT_JOB_CREATED, log=False, job_id="only in the file")
    audit.close()
    assert [event["event"] for event in read_lines(path)] == [
        "schema_validation_failure",
        "window_extracted",
        "export_job_created",
    ]
    assert read_lines(path)[0]["record_id"] == "id-of-a-record"
    assert "reason=missing fields" in caplog.text
    assert "id-of" not in caplog.text
    assert "only in the file" not in caplog.text


def test_without_a_path_events_are_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    audit, quarantine = AuditLog(), Quarantine()
    audit.event(EventName.EXPORT_JOB_FAILED, job_id="1", reason="no")
    quarantine.keep({"id": 1}, reason="no")
    audit.close()
    quarantine.close()
    assert caplog.messages == ["export_job_failed job_id=1 reason=no"]
    assert caplog.records[0].levelname == "WARNING"


def test_a_closed_file_is_never_written_nor_closed_again(tmp_path: Path) -> None:
    """The number of its descriptor may belong to another file by then."""
    closed = JsonLinesFile(str(tmp_path / "closed"), "journal_path")
    closed.close()
    with (tmp_path / "another").open("wb") as another:
        closed.close()
        with pytest.raises(CxoneError, match=r"'journal_path': the file '.*' has been closed"):
            closed.write({"a": 1})
        another.write(b"still open")
    assert (tmp_path / "another").read_bytes() == b"still open"
    assert (tmp_path / "closed").read_bytes() == b""
