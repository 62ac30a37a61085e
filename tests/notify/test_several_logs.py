"""Several audit logs and tenants: ``send``, ``status`` and ``prune`` as a process."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tap_cxone.dates import format_date, utc_now
from tap_cxone.notify.pruning import prune
from tap_cxone.notify.receivers import read_receivers
from tests.notify.conftest import VALUE, Log

if TYPE_CHECKING:
    from pathlib import Path

    from tests.notify.conftest import Listener, Notify

ACME = {"tenant": "acme", "host": "na1.nice-incontact.com"}
GLOBEX = {"tenant": "globex", "host": "sandbox"}
LONG_AGO = "2020-01-01T00:00:00.000Z"


@pytest.fixture
def two(tmp_path: Path) -> tuple[Log, Log]:
    """Return the logs of two tenants with the same window."""
    (tmp_path / "logs").mkdir()
    logs = Log(tmp_path / "logs" / "acme.jsonl", ACME), Log(tmp_path / "logs" / "globex.jsonl", GLOBEX)
    for log in logs:
        log.begin(f"run-{log.path.stem}", None)
        log.extract("job-1", 1, 11, sample=[{"id": VALUE, "of": log.path.stem}], run_id=f"run-{log.path.stem}")
    return logs


def test_payload_names_tenant_and_host(notify: Notify, two: tuple[Log, Log], listener: Listener) -> None:
    assert notify("send", webhook_url=listener.url, audit_log_path=str(two[0].path))[0] == 0
    [message] = listener.messages
    assert list(message)[:5] == ["source", "job_id", "record_count", "timestamp", "data_sample"]
    assert list(message)[-3:] == ["tenant", "host", "surface"]
    assert (message["tenant"], message["host"]) == ("acme", "na1.nice-incontact.com")
    notify("test", webhook_url=listener.url)
    assert list(listener.messages[1]) == [*list(message)[:1], "type", "test", *list(message)[1:]]


def test_windows_of_two_tenants_are_announced_once_each(
    notify: Notify, two: tuple[Log, Log], listener: Listener
) -> None:
    folder = two[0].path.parent
    for _ in range(2):
        assert notify("send", webhook_url=f"bi={listener.url}", audit_log_path=str(folder))[0] == 0
        assert [message["tenant"] for message in listener.messages] == ["acme", "globex"]
    assert [message["data_sample"][0]["of"] for message in listener.messages] == ["acme", "globex"]
    assert len({request.webhook_id for request in listener.requests}) == 2
    for log, labels in zip(two, (ACME, GLOBEX), strict=True):
        [success] = log.events("webhook_sync_success")
        assert (success["tenant"], success["platform_host"]) == (labels["tenant"], labels["host"])
        assert success["host"] == "127.0.0.1", "of the receiver"
        [confirmed] = log.events("load_confirmed")
        assert confirmed["run_id"] == f"run-{log.path.stem}", "in the file of the run"
    assert len(two[0].events("webhook_metrics")) == 0
    assert len(two[1].events("webhook_metrics")) == 2, "in the last file"
    assert notify("send", webhook_url=f"bi={listener.url}", audit_log_path=str(two[0].path))[0] == 0
    assert len(listener.requests) == 2, "each log alone knows its deliveries"


def test_status_names_the_tenants_of_several_logs(notify: Notify, two: tuple[Log, Log], listener: Listener) -> None:
    options = ("--audit-log-path", str(two[0].path), "--audit-log-path", str(two[1].path))
    code, out, _ = notify("status", "--json", *options, webhook_url=f"bi={listener.url}")
    assert code == 0
    [receiver] = json.loads(out)["receivers"]
    assert [(window["tenant"], window["host"]) for window in receiver["windows"]] == [
        ("acme", "na1.nice-incontact.com"),
        ("globex (sandbox)", "sandbox"),
    ]
    _, table, _ = notify("status", *options, webhook_url=f"bi={listener.url}")
    assert "globex (sandbox)" in table
    assert "tenant" not in notify("status", webhook_url=f"bi={listener.url}")[1], "without labels as before"


def test_nothing_is_due_where_nothing_matches(notify: Notify, two: tuple[Log, Log], listener: Listener) -> None:
    folder = two[0].path.parent
    (folder / "empty").mkdir()
    for path in (f"{folder}/none-*.jsonl", f"{folder}/empty"):
        code, _, err = notify("send", "--strict", webhook_url=listener.url, audit_log_path=path)
        assert code == 0
        assert "no audit log matches it, so nothing is due" in err
    code, _, err = notify("send", webhook_url=listener.url, audit_log_path=f"{folder}/acme.jsonl {folder}/new.jsonl")
    assert code == 0
    assert "1 of 2 files do not exist" in err
    assert [message["tenant"] for message in listener.messages] == ["acme"]
    assert not (folder / "new.jsonl").exists()
    assert notify("send", webhook_url=listener.url, audit_log_path="[1")[0] == 1


def test_each_log_is_locked_while_it_is_sent_from(notify: Notify, two: tuple[Log, Log], listener: Listener) -> None:
    notify("send", webhook_url=listener.url, audit_log_path=str(two[0].path.parent))
    names = sorted(path.name for path in two[0].path.parent.iterdir())
    assert names == ["acme.jsonl", "acme.jsonl.lock", "globex.jsonl", "globex.jsonl.lock"]


def test_prune_removes_the_old_lines_of_each_file(tmp_path: Path) -> None:
    delivered, waiting = Log(tmp_path / "a.jsonl", ACME), Log(tmp_path / "b.jsonl", GLOBEX)
    for log in (delivered, waiting):
        log.extract("job-1", 1, 11, logged_at=LONG_AGO)
    names = {"stream": "bot_conversations", "receiver": "bi", "job_id": "job-1", "platform_host": ACME["host"]}
    dates = {"dateFrom": "2024-01-01T00:00:00.000Z", "dateTo": "2024-01-11T00:00:00.000Z"}
    delivered.write("webhook_sync_success", **names, **dates, logged_at=LONG_AGO)
    recent = format_date(utc_now())
    for log in (delivered, waiting):
        log.extract("job-2", 11, 21, logged_at=recent)
    (tmp_path / "quarantine.jsonl").write_text('{"quarantined_at":"2020-01-01","record":{}}\n')
    receivers = read_receivers(["bi=https://bi.example.com"], allow_http=False)
    results = prune([delivered.path, waiting.path, tmp_path / "new"], receivers, utc_now() - timedelta(days=1))
    assert [result.due for result in results] == [0, 1]
    assert [line["job_id"] for line in delivered.events("window_extracted")] == ["job-2"]
    assert [line["job_id"] for line in waiting.events("window_extracted")] == ["job-1", "job-2"]
    assert [line["logged_at"] for line in waiting.lines].count(LONG_AGO) == 2, "the window and its counts"


def test_prune_of_a_folder_leaves_other_files_alone(notify: Notify, two: tuple[Log, Log]) -> None:
    other = two[0].path.parent / "journal.jsonl"
    other.write_text('{"event":"created","at":"2020-01-01"}\n' * 3)
    before = other.read_bytes()
    assert notify("prune", "--keep-days", "1", audit_log_path=str(other.parent))[0] == 0
    assert other.read_bytes() == before


def test_prune_keeps_a_job_exported_again_after_an_upgrade(log: Log) -> None:
    log.path.unlink()
    log.extract("job-1", 1, 11, logged_at=LONG_AGO)
    log.labels = ACME
    log.extract("job-1", 1, 11, logged_at=LONG_AGO)
    [result] = prune([log.path], [], utc_now())
    assert result.due == 1
    assert len(log.events("window_extracted")) == 2
