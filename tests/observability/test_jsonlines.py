"""Append-only files of whole lines, and what goes into audit log and quarantine."""

from __future__ import annotations

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
from tap_cxone.observability.jsonlines import JsonLinesFile
from tests.conftest import read_lines

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, *lines: dict[str, Any]) -> None:
    with JsonLinesFile(str(path), "audit_log_path") as file:
        for line in lines:
            file.write(line)


def test_lines_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    write(path, {"number": 1}, {"text": "ü\n"})
    write(path, {"number": 2})
    assert read_lines(path) == [{"number": 1}, {"text": "ü\n"}, {"number": 2}]


def test_the_folder_is_made_and_only_the_owner_may_read(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "log.jsonl"
    before = os.umask(0)
    try:
        write(path, {"number": 1})
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("half", ["{", '{"number": 1', "x" * 5000], ids=lambda text: text[:12])
def test_half_a_line_at_the_end_is_closed_off(tmp_path: Path, half: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"number": 0}\n' + half)
    write(path, {"number": 2}, {"number": 3})
    assert path.read_text().split("\n") == ['{"number": 0}', half, '{"number":2}', '{"number":3}', ""]


def test_half_a_line_that_another_process_leaves_is_closed_off(tmp_path: Path) -> None:
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


def test_a_line_waits_until_another_process_has_written_its_own(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with JsonLinesFile(str(path), "audit_log_path") as file, path.open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write('{"number": ')
        other.flush()
        waiting = threading.Thread(target=file.write, args=({"number": 2},))
        waiting.start()
        waiting.join(0.1)
        other.write("1}\n")
        other.flush()
        fcntl.flock(other, fcntl.LOCK_UN)
        waiting.join()
    assert read_lines(path) == [{"number": 1}, {"number": 2}]


def test_lines_of_several_threads_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with JsonLinesFile(str(path), "audit_log_path") as file:

        def run(who: int) -> None:
            for number in range(200):
                file.write({"who": who, "number": number, "text": "x" * 500})

        threads = [threading.Thread(target=run, args=(who,)) for who in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(read_lines(path)) == 800


def unusable(folder: Path) -> list[str]:
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
def test_a_path_that_cannot_be_written_ends_in_one_sentence_that_names_the_setting(tmp_path: Path, number: int) -> None:
    path = unusable(tmp_path)[number]
    for opened in (lambda: AuditLog(path), lambda: Quarantine(path)):
        with pytest.raises(CxoneError, match=r"^Setting '(audit_log|quarantine)_path': .*\.$") as caught:
            opened()
        assert "\n" not in caught.value.message


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux")  # noqa: PTH110 - a device
def test_a_full_disk_names_the_setting() -> None:
    with (
        JsonLinesFile("/dev/full", "audit_log_path") as file,
        pytest.raises(CxoneError, match=r"'audit_log_path'.*space"),
    ):
        file.write({"number": 1})


def test_half_a_line_that_a_full_disk_left_is_closed_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.jsonl"
    with JsonLinesFile(str(path), "audit_log_path") as file:
        whole = os.write
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda fd, data: whole(fd, data[:5]))
            with pytest.raises(CxoneError, match=r"'audit_log_path'.*full"):
                file.write({"number": 1})
        file.write({"number": 2})
    assert path.read_text() == '{"num\n{"number":2}\n'


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("record", "kept"),
    [
        ({"id": "\ud800", "\udc00": 1}, {"id": "\\ud800", "\\udc00": 1}),
        ({"duration": math.nan, "more": [math.inf, -math.inf]}, {"duration": "nan", "more": ["inf", "-inf"]}),
        ({"duration": 10**40}, {"duration": 10**40}),
        (["a", "row"], ["a", "row"]),
        (None, None),
        ("text", "text"),
        (deep(50), deep(50)),
        (deep(980), "(nested too deeply to be kept)"),
    ],
    ids=["half characters", "infinities", "big number", "row", "null", "text", "nested", "nested too deeply"],
)
def test_the_quarantine_keeps_whatever_was_refused(tmp_path: Path, record: object, kept: object) -> None:
    path = tmp_path / "quarantine.jsonl"
    quarantine = Quarantine(str(path))
    quarantine.keep(record, reason="because")
    quarantine.close()
    [line] = path.read_text().splitlines()
    found = json.loads(line)
    assert found["record"] == kept
    assert found["reason"] == "because"


def test_no_value_of_a_record_goes_to_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    path = tmp_path / "audit.jsonl"
    audit = AuditLog(str(path))
    audit.event("schema_validation_failure", record_id="id-of-a-record", reason="missing fields")
    audit.event("window_extracted", sample=[{"id": "id-of-a-sample"}], record_count=1)
    audit.event("export_job_created", log=False, job_id="only in the file")
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


def test_without_a_path_the_events_go_to_the_log_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    audit, quarantine = AuditLog(), Quarantine()
    audit.event("export_job_failed", job_id="1", reason="no")
    quarantine.keep({"id": 1}, reason="no")
    audit.close()
    quarantine.close()
    assert caplog.messages == ["export_job_failed job_id=1 reason=no"]
    assert caplog.records[0].levelname == "WARNING"
