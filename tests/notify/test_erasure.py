"""``cxone-notify erase`` removes records from audit log and quarantine, and nothing else."""

from __future__ import annotations

import json
import re
import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from tap_cxone.errors import CxoneError
from tap_cxone.notify.cli import main as notify_command
from tap_cxone.notify.erasure import ErasureResult, erase
from tap_cxone.notify.text_search import TextSearch
from tap_cxone.observability.audit_log import MAX_ID_CHARACTERS, AuditLog, Quarantine
from tap_cxone.observability.events import EventName
from tap_cxone.observability.jsonlines import JsonLinesFile
from tap_cxone.report.cli import main as report_command
from tests.conftest import PROJECT, read_lines

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ID = "0b7c-jane"
NAME = 'Jäne "JD" Doe\n'
SHOWN_NAMES = ("Jäne", "J\\u00e4ne")
OLD = PROJECT / "tests" / "data" / "v0_1_0"
WINDOW = {"stream": "qm", "job_id": "job-1", "dateFrom": "2024-01-01T00:00:00.000Z"}


class Files:
    """An audit log and a quarantine, written by the classes that the tap uses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.audit_log = folder / "audit.jsonl"
        self.quarantine = folder / "quarantine.jsonl"
        self._events = AuditLog(str(self.audit_log))
        self._rejected = Quarantine(str(self.quarantine))

    def reject(self, record_id: str | None, record: object) -> None:
        fields: dict[str, Any] = {**WINDOW, "reason": "missing fields", "missing_fields": ["type"]}
        self._events.event(EventName.SCHEMA_VALIDATION_FAILURE, log=False, **fields, record_id=record_id)
        self._rejected.keep(record, **fields)

    def extract(self, *sample: object) -> None:
        self._events.event(
            EventName.WINDOW_EXTRACTED, log=False, **WINDOW, record_count=9, days={"2024-01-01": 9}, sample=sample
        )

    def close(self) -> None:
        self._events.close()
        self._rejected.close()

    def erase(self, *record_ids: str, values: Sequence[str] = ()) -> ErasureResult:
        return erase([str(self.audit_log)], [str(self.quarantine)], TextSearch(record_ids, values))

    @property
    def record_ids(self) -> list[Any]:
        return [line["record_id"] for line in read_lines(self.audit_log) if "record_id" in line]

    @property
    def samples(self) -> list[Any]:
        return [line["sample"] for line in read_lines(self.audit_log) if "sample" in line]

    @property
    def rejected(self) -> list[Any]:
        return [line["record"] for line in read_lines(self.quarantine)]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Return files in which Jane and others have rejected records and are part of samples."""
    files = Files(tmp_path)
    files.reject(ID, {"id": ID, "score": "x"})
    files.reject(f"{ID}, q-1", {"workflow": ID, "question": "q-1"})
    files.reject("other", {"id": "other", "comment": f"with {NAME}"})
    files.reject(None, ["17", ID, "a cell too many"])
    files.reject("bob", {"id": "bob", "nested": [{"agent": "Bob"}]})
    files.extract({"id": ID, "score": 1.50}, {"id": "bob", "score": 2.50}, {"id": "n", "by": [{"agent": NAME}]})
    files.extract({"id": "bob"})
    files.close()
    return files


def without_record_values(path: Path) -> list[dict[str, Any]]:
    return [{key: line[key] for key in line if key not in {"record_id", "sample"}} for line in read_lines(path)]


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_erase_removes_every_trace_of_a_record(files: Files) -> None:
    before = without_record_values(files.audit_log)
    result = files.erase(ID, values=[NAME])
    assert result == ErasureResult(record_ids=2, sample_records=2, rejected_records=4)
    assert files.record_ids == [None, None, "other", None, "bob"]
    assert files.samples == [[{"id": "bob", "score": 2.5}], [{"id": "bob"}]]
    assert files.rejected == [{"id": "bob", "nested": [{"agent": "Bob"}]}]
    assert without_record_values(files.audit_log) == before
    found = everything_in(files.folder)
    assert not [text for text in (ID, *SHOWN_NAMES) if text.encode() in found]


def test_lines_without_the_record_are_kept_byte_for_byte(files: Files) -> None:
    kept = [line for line in files.audit_log.read_bytes().splitlines() if b'"bob"' in line and ID.encode() not in line]
    assert len(kept) == 2
    files.erase(ID)
    lines = files.audit_log.read_bytes().splitlines()
    assert [line for line in lines if line in kept] == kept
    assert b'{"id":"bob","score":2.5}' in files.audit_log.read_bytes(), "a record beside an erased one"


def test_record_id_is_a_whole_word_and_value_any_text(tmp_path: Path) -> None:
    files = Files(tmp_path)
    ids = ["4711", "14711", "4711-b", "a_4711", "x, 4711", "4711, x", "id 4711."]
    for record_id in ids:
        files.reject(record_id, {"id": record_id})
    files.reject("number", {"id": 4711})
    files.close()
    longer = ["14711", "4711-b", "a_4711"]
    assert files.erase("4711").record_ids == 4
    assert [text for text in files.record_ids if text] == [*longer, "number"]
    assert files.rejected == [{"id": text} for text in longer]
    assert files.erase(values=["4711"]) == ErasureResult(record_ids=3, rejected_records=3)
    assert b"4711" not in everything_in(tmp_path)


def test_record_id_may_be_any_text(tmp_path: Path) -> None:
    ids = ["a b", "c.d", 'e"f', "g, h", "é", "x\\ud83d", "\\", "🙂"]
    files = Files(tmp_path)
    for record_id in ids:
        files.reject(record_id, {"id": record_id})
    files.close()
    for record_id in ids:
        assert files.erase(record_id) == ErasureResult(record_ids=1, rejected_records=1), record_id


@pytest.mark.parametrize("parts", [("{long}",), ("x" * 150, "{long}"), ("{long}", "second part")])
def test_record_id_that_the_audit_log_has_cut_off(tmp_path: Path, parts: tuple[str, ...]) -> None:
    long = "a name " * 40
    whole = ", ".join(parts).format(long=long)
    files = Files(tmp_path)
    files.reject(whole[:MAX_ID_CHARACTERS], {})
    others = ["a name", "b" * MAX_ID_CHARACTERS, "b" * (MAX_ID_CHARACTERS - 2) + ", "]
    for other in others:
        files.reject(other, {})
    files.close()
    assert files.erase(long).record_ids == 1
    assert files.record_ids == [None, *others]


HOSTILE = [
    b"\n",
    b"\xff\xfe not UTF-8\n",
    b"[]\n",
    b'{"event":7}\n',
    b'{"event":"unknown"}\r\n',
    b'{"event":"window_extracted","sample":7}\n',
    b'{"event":"schema_validation_failure","record_id":["other"]}\n',
    b'{"record":"other"}\n',
    b"[" * 5000 + b"\n",
    b"half a li",
]


def test_hostile_lines_are_kept_without_the_value(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"".join(HOSTILE))
    assert erase([str(path)], [], TextSearch([ID], [NAME])) == ErasureResult()
    assert erase([], [str(path)], TextSearch([ID], [NAME])) == ErasureResult()
    assert path.read_bytes() == b"".join(HOSTILE)


@pytest.mark.parametrize(
    "line",
    [
        b"\xff %s\n",
        b'["%s"]\n',
        b'{"event":"unknown","record_id":"%s"}\n',
        b'{"event":["%s"]}\n',
        b'{"record":"%s"}\n',
        b'{"event":"window_extracted","record_id":"%s"\n',
        b"[" * 5000 + b"%s\n",
        b'{"half":"%s',
    ],
)
@pytest.mark.parametrize("text", [b"secret-\xc3\xa4", rb"secret-\u00e4", rb"s\u0065cret\u002d\u00E4"])
def test_hostile_lines_with_the_value_are_removed(tmp_path: Path, line: bytes, text: bytes) -> None:
    for number, kind in enumerate(("audit", "quarantine")):
        path = tmp_path / f"{kind}.jsonl"
        path.write_bytes(b"first\n" + line.replace(b"%s", text))
        arguments: tuple[list[str], list[str]] = ([str(path)], []) if number == 0 else ([], [str(path)])
        assert erase(*arguments, TextSearch([], ["secret-ä"])) == ErasureResult(other_lines=1)
        assert path.read_bytes() == b"first\n"


def test_repeated_fields_and_odd_types_hide_nothing(tmp_path: Path) -> None:
    audit_log, quarantine = tmp_path / "audit.jsonl", tmp_path / "quarantine.jsonl"
    audit_log.write_text(
        f'{{"event":"window_extracted","record_count":3,"sample":[{{"id":"{ID}"}}],"sample":[]}}\n'
        f'{{"event":"window_extracted","record_count":4,"sample":{{"id":"{ID}"}}}}\n'
        f'{{"event":"schema_validation_failure","record_id":{{"{ID}":1}}}}\n'
    )
    quarantine.write_text(f'{{"quarantined_at":"","record":"{ID}","record":1}}\n')
    result = erase([str(audit_log)], [str(quarantine)], TextSearch([ID], []))
    assert result.remaining_lines == 0
    assert ID.encode() not in everything_in(tmp_path)
    assert [line.get("record_count") for line in read_lines(audit_log)] == [3, 4, None]


def test_files_that_are_mixed_up_lose_no_event(files: Files) -> None:
    before = without_record_values(files.audit_log)
    result = erase([str(files.quarantine)], [str(files.audit_log)], TextSearch([ID], [NAME]))
    assert result == ErasureResult(record_ids=2, sample_records=2, rejected_records=4)
    assert without_record_values(files.audit_log) == before


def test_lines_with_the_text_in_other_fields_are_counted(files: Files) -> None:
    before = read_lines(files.audit_log), read_lines(files.quarantine)
    assert files.erase("job-1") == ErasureResult(remaining_lines=7 + 5)
    assert (read_lines(files.audit_log), read_lines(files.quarantine)) == before


def test_report_and_status_are_the_same_as_before(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    shutil.copy(OLD / "audit.jsonl", log)
    ids = re.findall(r'"record_id":"([^"]+)"', log.read_text())
    agents = sorted(set(re.findall(r'"agentId":"([^"]+)"', log.read_text())))
    result = erase([str(log)], [], TextSearch(ids, agents[:2]))
    assert len(ids) == result.record_ids > 0
    assert result.sample_records > 1
    environment = {"CXONE_REPORT_AUDIT_LOG_PATH": str(log), "CXONE_NOTIFY_AUDIT_LOG_PATH": str(log)}
    for command, options, expected in (
        (report_command, ["--json"], "report.json"),
        (report_command, ["--check", "2024-01-01", "2024-01-13", "--json"], "check.json"),
        (notify_command, ["status", "--json"], "notify-status.json"),
    ):
        shown = CliRunner().invoke(command, options, env=environment)
        assert json.loads(shown.stdout) == json.loads((OLD / expected).read_text("utf-8"))
    assert not [text for text in (*ids, *agents[:2]) if text in log.read_text()]


def test_erase_loses_no_line_written_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.touch()
    stop = threading.Event()
    counts = [0, 0]

    def write(number: int) -> None:
        with JsonLinesFile(str(path), "audit_log_path") as file:
            while not stop.is_set():
                event = {"event": EventName.SCHEMA_VALIDATION_FAILURE, "record_id": ID}
                file.write({**event, "writer": number, "count": counts[number]})
                counts[number] += 1

    writers = [threading.Thread(target=write, args=(number,)) for number in (0, 1)]
    for writer in writers:
        writer.start()
    try:
        erased = [erase([str(path)], [], TextSearch([ID], [])).record_ids for _ in range(30)]
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert sum(erased) > 0
    lines = read_lines(path)
    for number in (0, 1):
        assert [line["count"] for line in lines if line["writer"] == number] == list(range(counts[number]))
    assert erase([str(path)], [], TextSearch([ID], [])).record_ids + sum(erased) == len(lines)
    assert ID.encode() not in everything_in(tmp_path)


def test_link_still_leads_to_the_file(files: Files) -> None:
    link = files.folder / "link"
    link.symlink_to(files.audit_log)
    erase([str(link)], [], TextSearch([ID], []))
    assert link.is_symlink()
    assert ID.encode() not in files.audit_log.read_bytes()


def test_new_file_is_private_and_has_the_owner_of_the_old(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    files.audit_log.chmod(0o644)
    owners = []
    owner = files.audit_log.stat()
    monkeypatch.setattr("tap_cxone.notify.replacing.os.getuid", lambda: owner.st_uid + 1)
    monkeypatch.setattr("tap_cxone.notify.replacing.os.fchown", lambda _, *ids: owners.append(ids))
    files.erase(ID)
    assert owners == [(owner.st_uid, owner.st_gid)] * 2
    assert files.audit_log.stat().st_mode & 0o777 == 0o600


def test_failed_erase_leaves_the_file_unchanged(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    before = files.audit_log.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("tap_cxone.notify.replacing.os.fsync", full)
        with pytest.raises(CxoneError, match="the file cannot be replaced"):
            files.erase(ID)
    assert files.audit_log.read_bytes() == before
    assert sorted(path.name for path in files.folder.iterdir()) == [
        "audit.jsonl",
        "audit.jsonl.lock",
        "quarantine.jsonl",
    ]


def test_copy_that_a_killed_process_has_left_is_removed(files: Files) -> None:
    (files.folder / "audit.jsonl.tap-cxone-0123456789abcdef.tmp").write_text(ID)
    backup = files.folder / "audit.jsonl.20240101.tmp"
    backup.touch()
    files.erase(ID)
    assert ID.encode() not in everything_in(files.folder)
    assert backup.exists(), "another program's file"


def run(files: Files, *options: str, text: bytes | None = None, **settings: str | None) -> Result:
    """Run the command in this process."""
    environment = {
        "CXONE_NOTIFY_AUDIT_LOG_PATH": str(files.audit_log),
        "CXONE_NOTIFY_QUARANTINE_PATH": str(files.quarantine),
    } | {f"CXONE_NOTIFY_{name.upper()}": value for name, value in settings.items()}
    result = CliRunner().invoke(notify_command, ["erase", *options], input=text, env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert ID not in result.output
    assert "Jäne" not in result.output
    return result


def test_command_reads_ids_and_values_in_every_way(files: Files) -> None:
    listed = files.folder / "list"
    listed.write_bytes(b"\xef\xbb\xbf  other \r\n\r\n17\n")
    result = run(files, f"--record-id={ID}", "--record-id=none", "--record-id-file", str(listed), "--value=Bob")
    assert result.exit_code == 0
    assert (
        "3 record ids and 1 sample records; from the quarantine: 5 records; damaged or foreign lines: 0"
        in result.stderr
    )
    assert result.stdout == ""
    result = run(files, "--value-file", "-", text=NAME.encode())
    assert "0 record ids and 1 sample records" in result.stderr
    assert "other fields" not in result.stderr
    assert files.samples == [[{"id": "bob", "score": 2.5}], [{"id": "bob"}]]


def test_command_takes_several_files_and_paths_with_blanks(files: Files) -> None:
    other = files.folder / "another log.jsonl"
    shutil.copy(files.audit_log, other)
    result = run(files, "--record-id", ID, audit_log_path=str(other), quarantine_path=None)
    assert "2 record ids" in result.stderr
    assert "'quarantine_path' is not set" in result.stderr
    shutil.copy(files.audit_log, other)
    paths = [option for path in (files.audit_log, other, other) for option in ("--audit-log-path", str(path))]
    assert "4 record ids" in run(files, "--record-id", ID, *paths).stderr


def test_command_takes_folders_and_patterns(files: Files) -> None:
    shutil.copy(files.audit_log, files.folder / "audit-2.jsonl")
    result = run(files, "--record-id", ID, audit_log_path=str(files.folder), quarantine_path=None)
    assert "4 record ids and 2 sample records; from the quarantine: 0 records" in result.stderr
    result = run(
        files, "--value", "other", audit_log_path=f"{files.folder}/a*.jsonl {files.folder}", quarantine_path=None
    )
    assert "2 record ids" in result.stderr


def test_command_says_what_remains(files: Files) -> None:
    result = run(files, "--value", "2024-01-01")
    assert result.exit_code == 0
    assert "12 lines contain one of the texts in fields that are not taken from records" in result.stderr


@pytest.mark.parametrize(
    ("options", "settings", "sentence"),
    [
        ((), {}, "there is nothing to erase"),
        (("--record-id-file", "-"), {}, "there is nothing to erase"),
        (("--record-id", " "), {}, "Option '--record-id': the text is empty"),
        (("--record-id", ID, "--value", ""), {}, "Option '--value': the text is empty"),
        (("--record-id-file", "-", "--value-file", "-"), {}, "only one of them can be standard input"),
        (("--record-id", ID), {"audit_log_path": None, "quarantine_path": None}, "at least one of them is needed"),
        (("--record-id", ID), {"quarantine_path": "missing"}, "Setting 'quarantine_path': there is no such file"),
        (("--record-id", ID), {"audit_log_path": "a\0b"}, "Setting 'audit_log_path'"),
        (("--record-id", ID), {"audit_log_path": "missing"}, "Setting 'audit_log_path': there is no such file"),
        (("--record-id", ID, "--audit-log-path", "m*"), {}, "a folder or a pattern names no audit log"),
    ],
)
def test_command_fails_before_it_changes_a_file(
    files: Files, options: tuple[str, ...], settings: dict[str, str | None], sentence: str
) -> None:
    before = everything_in(files.folder)
    if settings.get("audit_log_path") == "a\0b":
        options, settings = (*options, "--audit-log-path", "a\0b"), {}
    result = run(files, *options, text=b"\n \n", **settings)
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert everything_in(files.folder) == before


def test_command_wants_utf_8(files: Files) -> None:
    result = run(files, "--value-file", "-", text=b"\xff")
    assert result.exit_code == 1
    assert "Option '--value-file': the file is not valid UTF-8" in result.stderr


# --- Deliveries to a receiver -----------------------------------------------------------------------------------------


def deliver(log: Path, receiver: str, job: str, event: str = "webhook_sync_success") -> None:
    with log.open("a") as file:
        names = {**WINDOW, "dateTo": "2024-01-02T00:00:00.000Z", "job_id": job, "host": "bi.example.com"}
        line = {"event": event, "logged_at": "2024-01-03", "receiver": receiver, **names}
        file.write(json.dumps(line, separators=(",", ":")) + "\n")


def test_receiver_is_forgotten(files: Files) -> None:
    before = files.audit_log.read_bytes()
    deliver(files.audit_log, "bi", "job-1")
    deliver(files.audit_log, "bi-2", "job-1")
    deliver(files.audit_log, "bi", "job-2", "webhook_sync_failure")
    other = files.folder / "audit-2.jsonl"
    shutil.copy(files.audit_log, other)
    kept = before + files.audit_log.read_bytes()[len(before) :].splitlines(keepends=True)[1]
    result = run(files, "--receiver", "bi", audit_log_path=str(files.folder), quarantine_path=None)
    assert result.exit_code == 0
    assert "0 record ids and 0 sample records" in result.stderr
    assert "lines about deliveries: 4" in result.stderr
    assert "WARNING" not in result.stderr
    assert files.audit_log.read_bytes() == other.read_bytes() == kept
    status = CliRunner().invoke(notify_command, ["status", "--json", "--audit-log-path", str(files.folder)])
    assert [receiver["receiver"] for receiver in json.loads(status.stdout)["receivers"]] == ["bi-2"]


def test_deliveries_are_forgotten_in_the_log_only(files: Files) -> None:
    result = run(files, "--receiver", "bi", audit_log_path=None)
    assert result.exit_code == 1
    assert "'audit_log_path' is not set" in result.stderr


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b'{"event":"webhook_sync_success","receiver":"other"}\n',
        b'{"event":"webhook_sync_success","receiver":["bi"]}\n',
        b'{"receiver":"bi"}\n',
        b'{"event":"webhook_sync_success","receiver":"bi"',
    ],
)
def test_other_lines_are_kept_when_a_receiver_is_forgotten(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(line)
    assert erase([str(path)], [], TextSearch([], []), ["bi"]) == ErasureResult()
    assert path.read_bytes() == line


def test_erasing_a_record_forgets_no_delivery(files: Files) -> None:
    deliver(files.audit_log, "bi", "job-1")
    line = files.audit_log.read_bytes().splitlines()[-1]
    run(files, "--record-id", ID, "--value", NAME, "--value", "bi", "--value", "job-1")
    assert files.audit_log.read_bytes().splitlines()[-1] == line
