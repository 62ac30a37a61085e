"""``cxone-notify prune`` removes old lines, keeps those of due windows, and does not disturb the tap."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tap_cxone.dates import format_date, utc_now
from tap_cxone.errors import CxoneError
from tap_cxone.notify.pruning import prune
from tap_cxone.observability.audit_files import AuditLogs
from tap_cxone.observability.delivery_ledger import read_ledger
from tap_cxone.observability.jsonlines import JsonLinesFile
from tests.conftest import january, read_lines
from tests.notify.conftest import Log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.notify.conftest import Listener, Notify

LONG_AGO = format_date(january(1))


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Return an audit log with two old windows and a new one."""
    log = Log(tmp_path / "audit.jsonl")
    log.extract("job-1", 1, 11, logged_at=LONG_AGO)
    log.extract("job-2", 11, 21, logged_at=LONG_AGO)
    log.extract("job-3", 21, 31)
    return log


def files_in_folder_of(log: Log) -> list[str]:
    return sorted(path.name for path in log.path.parent.iterdir())


def backdate(log: Log, events: int) -> None:
    """Make the last lines of the log old."""
    lines = log.lines
    for line in lines[-events:]:
        line["logged_at"] = LONG_AGO
    log.path.unlink()
    for line in lines:
        log.write(**line)


def test_prune_removes_old_lines_except_those_of_due_windows(
    notify: Notify, log: Log, listen: Callable[..., Listener]
) -> None:
    listener = listen(answers=[204, 503], always=204)
    urls = f"bi={listener.url} other={listener.url}"
    recent = log.path.read_bytes().splitlines()[8:]
    log.path.write_bytes(b"\n".join(log.path.read_bytes().splitlines()[:8]) + b"\n")
    notify("send", webhook_url=f"bi={listener.url}", max_attempts="1")  # the second one fails
    backdate(log, 3)
    with log.path.open("ab") as file:
        file.write(b"\n".join(recent) + b"\nhalf a li")

    code, _, err = notify("prune", "--keep-days", "30", webhook_url=f"bi={listener.url}")
    assert code == 0
    assert "1 old windows are still due" in err
    kept = log.path.read_bytes()
    assert b'"job-1"' not in kept
    assert kept.endswith(b"\n".join(recent) + b"\nhalf a li"), "lines that are not old are unchanged"
    old = [line["event"] for line in map(json.loads, kept.splitlines()[: -len(recent) - 1])]
    assert old == ["validation_summary", "window_extracted", "webhook_sync_failure"]

    listener.clear()
    notify("send", webhook_url=urls)
    assert listener.jobs == ["job-2", "job-3", "job-2", "job-3"]
    assert listener.messages[0]["duplicates"] == 1
    assert log.path.stat().st_mode & 0o777 == 0o600
    assert files_in_folder_of(log) == ["audit.jsonl", "audit.jsonl.lock"]


def test_prune_keeps_deliveries_to_other_receivers(notify: Notify, listener: Listener) -> None:
    down = "down=http://127.0.0.1:9/"
    notify("send", webhook_url=f"bi={listener.url} {down}", max_attempts="1")
    before = listener.jobs[:]
    assert before == ["job-1", "job-2", "job-3"]
    notify("prune", "--keep-days=30", webhook_url=f"bi={listener.url} {down}")
    notify("send", webhook_url=f"bi={listener.url}")
    assert listener.jobs == before
    notify("send", webhook_url=f"down={listener.url}")
    assert listener.jobs == before + before


@pytest.mark.parametrize("line", [b"[" * 100_000, b'{"event":"window_extracted","logged_at":' + b"[" * 100_000])
def test_prune_survives_a_deeply_nested_line(notify: Notify, log: Log, line: bytes) -> None:
    lines = log.path.read_bytes()
    log.path.write_bytes(line + b"\n" + lines)
    assert notify("prune", "--keep-days", "30", webhook_url="http://127.0.0.1:9/")[0] == 0
    assert notify("status")[0] == 0
    assert len(log.path.read_bytes()) < len(line)


def test_prune_keeps_the_counts_of_a_recent_window(log: Log) -> None:
    lines = log.lines
    log.path.write_bytes(b"\xff half a li\n[]\n{}\n")
    for line in lines[:-1]:
        log.write(**(line | {"logged_at": LONG_AGO}))
    log.write(**lines[-1])
    prune([log.path], [], utc_now() - timedelta(days=1))
    with log.path.open("rb") as file:
        assert [window.duplicates for window in read_ledger(AuditLogs([file])).windows] == [1, 1, 1]
    assert len(log.lines) == 6


def test_prune_without_receivers_keeps_every_window(notify: Notify, log: Log, listener: Listener) -> None:
    notify("prune", "--keep-days", "30")
    assert len(log.lines) == 4 + 4
    notify("send", webhook_url=listener.url)
    assert listener.jobs == ["job-1", "job-2", "job-3"]
    notify("prune", "--keep-days", "30", webhook_url=listener.url)
    assert listener.jobs == ["job-1", "job-2", "job-3"]
    notify("send", webhook_url=listener.url)
    assert len(listener.jobs) == 3


def test_prune_keeps_waiting_windows_and_their_runs(tmp_path: Path) -> None:
    log = Log(tmp_path / "audit.jsonl")
    for run in ("failed", "next"):
        log.write("run_started", stream="bot_conversations", run_id=run, bookmark=None, logged_at=LONG_AGO)
        if run == "failed":
            log.extract("job-1", 1, 11, run_id=run, logged_at=LONG_AGO)
    log.write("export_job_created", logged_at=LONG_AGO)
    [result] = prune([log.path], [], utc_now())
    assert result.due == 1
    assert [line["event"] for line in log.lines] == [
        "run_started",
        "validation_summary",
        "window_extracted",
        "run_started",
    ]


def test_prune_loses_no_line_written_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    stop = threading.Event()
    counts = [0, 0]

    def write(number: int) -> None:
        with JsonLinesFile(str(path), "audit_log_path") as file:
            while not stop.is_set():
                file.write({"event": "window", "writer": number, "count": counts[number], "logged_at": "2099-01-01"})
                counts[number] += 1

    writers = [threading.Thread(target=write, args=(number,)) for number in (0, 1)]
    for writer in writers:
        writer.start()
    for _ in range(30):
        prune([path], [], utc_now() - timedelta(days=1))
    stop.set()
    for writer in writers:
        writer.join()
    lines = read_lines(path)
    for number in (0, 1):
        assert [line["count"] for line in lines if line["writer"] == number] == list(range(counts[number]))


def test_failed_prune_leaves_the_log_unchanged(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tap_cxone.notify.pruning.shutil.copyfileobj", full)
    before = log.path.read_bytes()
    with pytest.raises(Exception, match="No space left on device"):
        prune([log.path], [], utc_now())
    assert log.path.read_bytes() == before
    assert files_in_folder_of(log) == ["audit.jsonl", "audit.jsonl.lock"]


def test_prune_without_a_log_does_nothing(notify: Notify, log: Log) -> None:
    log.path.unlink()
    assert notify("prune", "--keep-days", "1")[0] == 0
    assert not log.path.exists()
    assert notify("prune", "--keep-days", str(10**9))[0] == 1


def test_prune_keeps_the_delivery_of_a_job_that_was_extracted_again(
    notify: Notify, log: Log, listener: Listener
) -> None:
    log.path.unlink()
    log.extract("job-1", 1, 11, logged_at=LONG_AGO)
    notify("send", webhook_url=listener.url)
    backdate(log, 2)
    log.extract("job-1", 1, 11)  # a later run without state has adopted the job
    assert notify("prune", "--keep-days=30", webhook_url=listener.url)[0] == 0
    assert [line["event"] for line in log.lines if line["logged_at"] == LONG_AGO] == [
        "validation_summary",
        "window_extracted",
        "webhook_sync_success",
    ]
    notify("send", webhook_url=listener.url)
    assert listener.jobs == ["job-1"]


def test_prune_keeps_only_the_last_failure_of_a_window(
    notify: Notify, log: Log, listen: Callable[..., Listener]
) -> None:
    down, up = listen(always=503), listen()
    for _ in range(3):
        notify("send", webhook_url=f"down={down.url} up={up.url}", max_attempts="1")
    lines = log.lines
    log.path.unlink()
    for number, line in enumerate(lines):
        log.write(**(line | {"logged_at": format_date(january(1) + timedelta(seconds=number))}))
    assert len(log.events("webhook_sync_failure")) == 6
    notify("prune", "--keep-days=30", webhook_url=f"down={down.url} up={up.url}")
    assert len(log.events("webhook_sync_failure")) == 2
    [status] = json.loads(notify("status", "--json", webhook_url=f"down={down.url}")[1])["receivers"]
    assert (status["failed"], status["due"]) == (2, 1)
    notify("prune", "--keep-days=30", webhook_url=f"up={up.url}")
    assert not log.events("webhook_sync_failure"), "that receiver is forgotten"
    assert not log.events("webhook_sync_success")


def test_prune_keeps_a_waiting_window_that_a_later_waiting_one_covers(tmp_path: Path) -> None:
    log = Log(tmp_path / "audit.jsonl")
    for run, end in (("first", 11), ("second", 21), ("third", None)):
        log.write("run_started", stream="bot_conversations", run_id=run, bookmark=None, logged_at=LONG_AGO)
        if end:
            log.extract(run, 1, end, run_id=run, logged_at=LONG_AGO)
    prune([log.path], [], utc_now())
    log.begin("fourth", 11)
    with log.path.open("rb") as file:
        assert [window.job_id for window in read_ledger(AuditLogs([file])).windows] == ["first"]


def test_log_that_is_moved_during_a_prune_is_unchanged(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    before, moved = log.path.read_bytes(), log.path.with_name("moved.jsonl")

    def move(path: Path) -> None:
        """Do what a log rotation does, and the tap after it."""
        path.rename(moved)
        log.extract("job-4", 11, 21)

    monkeypatch.setattr("tap_cxone.notify.replacing.remove_leftovers", move)
    with pytest.raises(CxoneError, match="it was moved in the meantime"):
        prune([log.path], [], utc_now())
    assert moved.read_bytes() == before
    assert [line["job_id"] for line in log.events("window_extracted")] == ["job-4"]
