"""The sender on audit logs of the tap: two pipelines with one log, a load that failed, and both surfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conftest import config_for, read_lines
from tests.end_to_end.helpers import RECORDINGS, SUBMIT_INTERVAL, catalog_for, extraction_config

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartSandbox, Tap
    from tests.notify.conftest import Listener, Notify


def test_windows_of_another_running_pipeline_are_not_announced(
    start_sandbox: StartSandbox, tap: Tap, notify: Notify, listener: Listener, tmp_path: Path
) -> None:
    sandbox = start_sandbox()
    log = tmp_path / "taps-audit.jsonl"
    config = config_for(sandbox, audit_log_path=str(log), window_days=30, sample_size=2)
    for run, end in (("one", "2024-01-11"), ("other", "2024-01-06")):
        assert tap(config | {"end_date": end}, environment={"MELTANO_PARENT_CONTEXT_UUID": run}).code == 0
    settings = {"CXONE_NOTIFY_WEBHOOK_URL": listener.url, "CXONE_NOTIFY_AUDIT_LOG_PATH": str(log)}

    assert notify("send", **settings, MELTANO_PARENT_CONTEXT_UUID="other")[0] == 0
    [message] = listener.messages
    assert (message["dateFrom"], message["dateTo"]) == ("2024-01-01T00:00:00.000Z", "2024-01-06T00:00:00.000Z")
    assert message["record_count"] == 5 * 24
    assert len(message["data_sample"]) == 2

    assert notify("send", **settings, MELTANO_PARENT_CONTEXT_UUID="one")[0] == 0
    assert [message["dateTo"] for message in listener.messages] == [
        "2024-01-06T00:00:00.000Z",
        "2024-01-11T00:00:00.000Z",
    ]
    assert {message["job_id"] for message in listener.messages} == {job.id for job in sandbox.jobs}


def test_repeated_load_is_announced_once(
    start_sandbox: StartSandbox, tap: Tap, notify: Notify, listener: Listener, tmp_path: Path
) -> None:
    sandbox = start_sandbox()
    log = tmp_path / "taps-audit.jsonl"
    config = config_for(sandbox, audit_log_path=str(log))
    for run in ("failed", "again"):  # the load of the first run fails: no state is kept, nothing is sent
        assert tap(config, environment={"MELTANO_PARENT_CONTEXT_UUID": run}).code == 0
    settings = {"CXONE_NOTIFY_WEBHOOK_URL": listener.url, "CXONE_NOTIFY_AUDIT_LOG_PATH": str(log)}
    for _ in range(2):
        assert notify("send", **settings, MELTANO_PARENT_CONTEXT_UUID="again")[0] == 0
    extracted = [line for line in read_lines(log) if line["event"] == "window_extracted" and line["run_id"] == "again"]
    assert listener.jobs == [line["job_id"] for line in extracted]


def test_payload_says_which_surface_a_window_came_from(
    start_sandbox: StartSandbox, tap: Tap, notify: Notify, listener: Listener, tmp_path: Path
) -> None:
    sandbox = start_sandbox(submit_seconds=SUBMIT_INTERVAL, rows_per_day=12)
    log = tmp_path / "taps-audit.jsonl"
    assert tap(config_for(sandbox, audit_log_path=str(log))).code == 0
    config = extraction_config(sandbox, audit_log_path=str(log), extraction_window_days=3)
    assert tap(config, catalog=catalog_for(RECORDINGS)).code == 0
    written = {(line["stream"], line["surface"]) for line in read_lines(log) if line["event"] == "window_extracted"}
    assert written == {("bot_conversations", "analytics"), (RECORDINGS, "data_extraction")}
    assert notify("send", webhook_url=listener.url, audit_log_path=str(log))[0] == 0
    messages = listener.messages
    assert [message["surface"] for message in messages] == ["analytics"] * 4 + ["data_extraction"]
    for message in messages:
        assert list(message)[:5] == ["source", "job_id", "record_count", "timestamp", "data_sample"]
