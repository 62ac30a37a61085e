"""Logs that are moved, rotated and read as a folder, pruned and erased from: what was delivered stays delivered."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.notify.conftest import VALUE, Log

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.notify.conftest import Listener, Notify, Request


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Return an audit log with two windows, in a folder of its own, as the tap labels them."""
    (tmp_path / "logs").mkdir()
    log = Log(tmp_path / "logs" / "audit.jsonl", {"tenant": "acme", "host": "na1.nice-incontact.com"})
    log.begin("run-1", None)
    log.extract("job-1", 1, 11, run_id="run-1", sample=[{"id": VALUE}])
    log.extract("job-2", 11, 21, run_id="run-1")
    return log


def rotate(log: Log) -> Log:
    """Move a log; return it under its new name. The tap goes on under the old name."""
    moved = Log(log.path.with_name("audit-1.jsonl"))
    log.path.rename(moved.path)
    return moved


def test_rotated_log_is_read_as_a_folder(notify: Notify, log: Log, listener: Listener) -> None:
    settings = {"webhook_url": f"bi={listener.url}", "audit_log_path": str(log.path.parent)}
    notify("send", **settings)
    rotate(log)
    log.begin("run-2", 21)
    log.extract("job-3", 21, 31, run_id="run-2")
    for _ in range(2):
        notify("send", **settings)
    assert listener.jobs == ["job-1", "job-2", "job-3"]
    notify("prune", "--keep-days=1", **settings)
    notify("erase", "--record-id", VALUE, audit_log_path=str(log.path.parent))
    notify("send", **settings)
    assert listener.jobs == ["job-1", "job-2", "job-3"]


def test_run_may_begin_in_one_file_and_be_loaded_in_another(notify: Notify, log: Log, listener: Listener) -> None:
    moved = rotate(log)
    log.extract("job-3", 21, 31, run_id="run-1")
    settings = {"webhook_url": f"bi={listener.url}", "audit_log_path": str(log.path.parent)}
    notify("send", **settings)
    assert listener.jobs == ["job-1", "job-2", "job-3"]
    assert [event["run_id"] for event in moved.events("load_confirmed")] == ["run-1"]
    assert [event["job_id"] for event in log.events("webhook_sync_success")] == ["job-3"], "in the file of the window"


def test_deliveries_to_a_log_that_is_moved_meanwhile_are_remembered(
    notify: Notify, log: Log, listener: Listener
) -> None:
    def move(_: Request) -> None:
        listener.on_request = None
        rotate(log)

    listener.on_request = move
    settings = {"webhook_url": f"bi={listener.url}", "audit_log_path": str(log.path.parent)}
    assert notify("send", **settings)[0] == 0
    assert len(log.events("webhook_sync_success")) == 2, "in a new file of the old name"
    for _ in range(2):
        assert notify("send", **settings)[0] == 0
    assert listener.jobs == ["job-1", "job-2"]
    notify("prune", "--keep-days=1", **settings)
    notify("send", **settings)
    assert listener.jobs == ["job-1", "job-2"]


def test_deliveries_in_another_file_are_pruned_and_kept_with_their_window(
    notify: Notify, log: Log, listener: Listener
) -> None:
    settings = {"webhook_url": f"bi={listener.url}", "audit_log_path": str(log.path.parent)}
    notify("send", **settings)
    deliveries = [line for line in log.lines if line["event"] == "webhook_sync_success"]
    others = [line for line in log.lines if line["event"] != "webhook_sync_success"]
    log.path.unlink()
    log.labels = {}
    for line in others:
        log.write(**line)
    elsewhere = Log(log.path.with_name("deliveries.jsonl"))
    for delivery in deliveries:
        elsewhere.write(**(delivery | {"logged_at": "2024-01-01T00:00:00.000Z"}))
    notify("prune", "--keep-days=30", **settings)
    assert elsewhere.lines, "the windows are not old"
    notify("send", **settings)
    assert listener.jobs == ["job-1", "job-2"]
    log.path.write_text(log.path.read_text().replace('"logged_at":"20', '"logged_at":"19'))
    notify("prune", "--keep-days=30", **settings)
    assert not elsewhere.events("webhook_sync_success")
    assert not log.path.read_bytes()


def test_senders_prune_and_erase_on_a_file_and_on_its_folder_take_turns(
    notify: Notify, log: Log, listen: Callable[..., Listener]
) -> None:
    for day in range(21, 27):
        log.extract(f"job-{day}", day, day + 1, run_id="run-1")
    listener = listen(seconds=0.2)
    paths = (log.path, log.path.parent, log.path.parent / "*.jsonl")
    url = f"bi={listener.url}"
    commands = [notify.start("send", webhook_url=url, audit_log_path=str(path)) for path in paths]
    commands += [
        notify.start("prune", "--keep-days=1", webhook_url=url, audit_log_path=str(log.path.parent)),
        notify.start("erase", "--record-id", VALUE, audit_log_path=str(log.path.parent)),
    ]
    assert [(command.communicate(timeout=60), command.returncode)[1] for command in commands] == [0] * 5
    notify("send", webhook_url=url)
    assert len(listener.jobs) == len(set(listener.jobs)) == 8
    assert VALUE not in log.path.read_text()


def test_delivery_that_a_killed_sender_did_not_record_is_repeated_after_prune_and_erase(
    notify: Notify, log: Log, listener: Listener
) -> None:
    process: subprocess.Popen[str]

    def kill(_: Request) -> None:
        """Kill the sender after the receiver has the message."""
        process.send_signal(signal.SIGKILL)
        process.wait()

    listener.on_request = kill
    process = notify.start("send", webhook_url=f"bi={listener.url}")
    process.communicate(timeout=60)
    listener.on_request = None
    log.path.write_text(log.path.read_text().replace('"logged_at":"20', '"logged_at":"19'))
    notify("prune", "--keep-days=1", webhook_url=f"bi={listener.url}")
    notify("erase", "--record-id", VALUE)
    assert VALUE not in log.path.read_text()
    rotate(log)
    notify("send", webhook_url=f"bi={listener.url}", audit_log_path=str(log.path.parent))
    first, again, other = listener.requests
    assert (again.message["job_id"], other.message["job_id"]) == ("job-1", "job-2")
    assert first.webhook_id == again.webhook_id
    assert again.message["data_sample"] == []


def test_receiver_whose_deliveries_are_erased_is_a_new_one(notify: Notify, log: Log, listener: Listener) -> None:
    url = f"bi={listener.url} other={listener.url}"
    notify("send", webhook_url=url)
    listener.clear()
    code, _, err = notify("erase", "--receiver", "bi")
    assert code == 0
    assert "lines about deliveries: 2" in err
    assert '"bi"' not in log.path.read_text()
    notify("send", webhook_url=url)
    assert listener.jobs == ["job-1", "job-2"]
    assert {event["receiver"] for event in log.events("webhook_sync_success")} == {"bi", "other"}


def test_log_that_is_not_given_is_forgotten(notify: Notify, log: Log, listener: Listener) -> None:
    notify("send", webhook_url=f"bi={listener.url}")
    rotate(log)
    assert notify("send", webhook_url=f"bi={listener.url}")[0] == 0
    log.extract("job-2", 11, 21)
    notify("send", webhook_url=f"bi={listener.url}")
    assert listener.jobs == ["job-1", "job-2", "job-2"], "as docs/notify.md says"
