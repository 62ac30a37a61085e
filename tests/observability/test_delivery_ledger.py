"""The delivery ledger: which windows are due to which receiver."""

from __future__ import annotations

import json
import random
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from tap_cxone.dates import format_date
from tap_cxone.observability.audit_files import AuditLogs
from tap_cxone.observability.delivery_ledger import Ledger, read_ledger
from tests.conftest import january
from tests.notify.conftest import Log

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "audit.jsonl")


def ledger(log: Log, own_run: str | None = None) -> Ledger:
    with log.path.open("rb") as file:
        return read_ledger(AuditLogs([file]), own_run)


def due(log: Log, own_run: str | None = None, receiver: str = "bi") -> list[str]:
    return [window.job_id for window in ledger(log, own_run).due(receiver)]


def delivered(
    log: Log, job: str, start: int, end: int, receiver: str = "bi", stream: str = "bot_conversations"
) -> None:
    names = {"stream": stream, "dateFrom": format_date(january(start)), "dateTo": format_date(january(end))}
    log.write("webhook_sync_success", job_id=job, receiver=receiver, **names)


# --- Windows extracted again ------------------------------------------------------------------------------------------


def test_window_extracted_again_is_due_with_its_latest_job(log: Log) -> None:
    log.extract("first", 1, 11)
    log.extract("second", 1, 11)
    assert due(log) == ["second"]


def test_job_resumed_by_a_later_run_is_due_once(log: Log) -> None:
    log.extract("job", 1, 11)
    log.extract("job", 1, 11)
    assert due(log) == ["job"]
    delivered(log, "job", 1, 11)
    log.extract("job", 1, 11)
    assert due(log) == []


def test_longer_later_window_replaces_a_window(log: Log) -> None:
    log.extract("failed-1", 1, 11)
    log.extract("failed-2", 11, 12)
    log.extract("again-1", 1, 11)
    log.extract("again-2", 11, 13)
    assert due(log) == ["again-1", "again-2"]


def test_shorter_later_windows_replace_a_window(log: Log) -> None:
    log.extract("failed", 1, 11)
    log.extract("again-1", 1, 6)
    log.extract("again-2", 6, 12)
    assert due(log) == ["again-1", "again-2"]


def test_partly_covered_window_stays_due(log: Log) -> None:
    log.extract("loaded", 1, 11)
    log.extract("looked-back", 10, 12)
    assert due(log) == ["loaded", "looked-back"]


def test_delivered_window_is_due_again_with_another_job(log: Log) -> None:
    log.extract("first", 1, 11)
    delivered(log, "first", 1, 11)
    assert due(log) == []
    log.extract("second", 1, 11)
    assert due(log) == ["second"]
    assert due(log, receiver="another") == ["second"]


def test_streams_and_receivers_are_independent(log: Log) -> None:
    log.extract("job", 1, 11)
    log.extract("job", 1, 11, stream="qm_workflows")
    delivered(log, "job", 1, 11)
    assert [window.stream for window in ledger(log).due("bi")] == ["qm_workflows"]
    assert len(ledger(log).due("another")) == 2


def test_counts_are_those_of_the_same_job_and_window(log: Log) -> None:
    names = {"stream": "s", "job_id": "half", "dateFrom": "2024-01-01", "dateTo": "2024-01-02"}
    log.write("validation_summary", **names, duplicates=100, schema_errors=100)
    log.extract("job", 1, 11, records=7)
    log.write("window_extracted", **(names | {"job_id": "other"}), record_count=3)
    first, second = ledger(log).windows
    assert (first.record_count, first.duplicates, first.schema_errors) == (7, 1, 2)
    assert (second.record_count, second.duplicates, second.schema_errors) == (3, 0, 0)


def test_webhook_id_does_not_depend_on_the_date_format(log: Log) -> None:
    log.extract("job", 1, 11)
    log.extract("job", 1, 11, dateFrom="2024-01-01", dateTo="2024-01-11T01:00:00+01:00")
    [window] = ledger(log).windows
    delivered(log, "job", 1, 11)
    assert due(log) == []
    assert ledger(log).delivered_at("bi", window)


def test_job_ids_may_be_numbers(log: Log) -> None:
    log.extract("7", 1, 11)
    dates = {"dateFrom": format_date(january(1)), "dateTo": format_date(january(11))}
    log.write("webhook_sync_success", stream="bot_conversations", job_id=7, receiver="bi", **dates)
    assert due(log) == []


def test_missing_fields_are_zero_or_empty(log: Log) -> None:
    log.write("window_extracted", dateFrom="2024-01-01", dateTo="2024-01-02")
    [window] = ledger(log).windows
    assert (window.stream, window.job_id, window.record_count, window.run_id) == ("", "", 0, None)


# --- Unusable lines ---------------------------------------------------------------------------------------------------


def test_unusable_lines_are_logged_with_their_offsets(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "cxone-notify")
    log.path.write_bytes(b'{"event":"window_extracted"}\n{"event":"window_extracted","str\n')
    log.extract("job", 1, 11)
    assert due(log) == ["job"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "without dates at byte 0" in caplog.messages[0]
    assert "unreadable line at byte 29" in caplog.messages[1]


def test_unusable_lines_are_not_logged_on_request(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "cxone-notify")
    log.path.write_bytes(b'{"event":"window_extracted"}\n{"event":"window_extracted","str\n')
    with log.path.open("rb") as file:
        assert read_ledger(AuditLogs([file]), log_problems=False).windows == []
    assert not caplog.records


# --- Runs -------------------------------------------------------------------------------------------------------------


def test_run_of_the_caller_counts_as_loaded(log: Log) -> None:
    log.begin("run-1", None)
    log.extract("job-1", 1, 11, run_id="run-1")
    assert due(log, "run-1") == ["job-1"]
    assert due(log) == ["job-1"], "the last run of the stream, if the caller names none"
    assert due(log, "a run that the log does not know") == ["job-1"]
    assert ledger(log, "run-1").unconfirmed == {"run-1": 0}


def test_running_pipeline_waits_for_its_own_sender(log: Log) -> None:
    log.begin("ours", None)
    log.begin("theirs", None)
    log.extract("their-job", 1, 11, run_id="theirs")
    log.extract("our-job", 1, 11, run_id="ours")
    assert due(log, "ours") == ["our-job"]
    assert [window.job_id for window in ledger(log, "ours").waiting] == ["their-job"]
    log.write("load_confirmed", run_id="theirs")
    log.begin("ours-2", 11)
    assert due(log, "ours-2") == ["our-job"]


def test_failed_load_is_not_due_after_a_shorter_run(log: Log) -> None:
    log.begin("failed", None)
    log.extract("failed-1", 1, 11, run_id="failed")
    log.extract("failed-2", 11, 21, run_id="failed")
    log.begin("next", None)
    log.extract("next-1", 1, 6, run_id="next")
    assert due(log, "next") == ["next-1"]


def test_windows_before_a_later_bookmark_are_due(log: Log) -> None:
    log.begin("failed", None)
    log.extract("failed-1", 1, 11, run_id="failed")
    log.extract("failed-2", 11, 21, run_id="failed")
    log.begin("next", 11)
    log.extract("next-1", 11, 16, run_id="next")
    assert due(log, "next") == ["failed-1", "next-1"]


def test_confirmed_run_stays_due_after_a_state_reset(log: Log) -> None:
    log.begin("run-1", None)
    log.extract("job-1", 1, 11, run_id="run-1")
    log.write("load_confirmed", run_id="run-1")
    log.begin("run-2", None)  # the state was reset, and this run has no windows yet
    assert due(log, "run-2") == ["job-1"]
    assert ledger(log, "run-2").unconfirmed == {"run-2": 0}


def test_every_window_whose_load_is_not_known_is_in_the_ledger(log: Log) -> None:
    """The earlier window may be due after all: a bookmark may pass it, but not the later one that covers it."""
    for run, end in (("first", 11), ("second", 21)):
        log.begin(run, None)
        log.extract(run, 1, end, run_id=run)
    log.begin("third", None)
    assert [window.job_id for window in ledger(log).waiting] == ["second"]
    assert [window.job_id for window in ledger(log).not_loaded] == ["first", "second"]
    log.begin("fourth", 11)
    assert due(log) == ["first"]


def test_time_does_not_grow_with_runs_times_windows(log: Log) -> None:
    with log.path.open("w") as file:
        for number in range(20_000):
            run = {"event": "run_started", "stream": "s", "run_id": str(number), "bookmark": "2020-01-01"}
            names = {"stream": "s", "job_id": number, "dateFrom": "2024-01-01", "dateTo": "2024-01-02"}
            window = {"event": "window_extracted", "run_id": str(number), **names}
            file.write(json.dumps(run) + "\n" + json.dumps(window) + "\n")
    began = time.process_time()
    assert due(log) == ["19999"]
    assert time.process_time() - began < 20


# --- Large logs -------------------------------------------------------------------------------------------------------


def test_memory_does_not_grow_with_other_events(log: Log) -> None:
    with log.path.open("w") as file:
        for number in range(100_000):
            file.write(
                f'{{"event": "schema_validation_failure", "record_id": "{number}", "reason": "window_extracted"}}\n'
            )
    log.extract("job", 1, 11, sample=[{"text": "x" * 1000}] * 1000)
    tracemalloc.start()
    assert due(log) == ["job"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000


def test_windows_are_in_the_order_of_their_extraction(log: Log) -> None:
    days = list(range(1, 31))
    random.Random(5).shuffle(days)
    for day in days:
        log.extract(f"job-{day}", day, day + 1)
    assert due(log) == [f"job-{day}" for day in days]


# --- Surfaces ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "surface"),
    [
        ({"stream": "bot_conversations", "surface": "analytics"}, "analytics"),
        ({"stream": "anything", "surface": "data_extraction"}, "data_extraction"),
        ({"stream": "bot_conversations"}, "analytics"),
        ({"stream": "qm_workflows"}, "data_extraction"),
        ({}, None),
    ],
)
def test_surface_of_older_lines_follows_from_the_stream(log: Log, fields: dict[str, str], surface: str | None) -> None:
    log.write("window_extracted", dateFrom="2024-01-01", dateTo="2024-01-02", **fields)
    [window] = ledger(log).windows
    assert window.surface == surface
