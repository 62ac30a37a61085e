"""The job journal: what is read back, and which lines are ignored."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.dates import parse_date
from tap_cxone.jobs.journal import JobRecord, Journal
from tests.conftest import january, read_lines
from tests.jobs.fakes import DAYS, SETTLE, a_record

if TYPE_CHECKING:
    from pathlib import Path

LONG_AFTER = january(31)


def written(path: Path, *records: JobRecord, scope: str = "scope") -> None:
    with Journal(str(path), scope, SETTLE) as journal:
        for record in records:
            journal.record(record)


def read_back(path: Path, scope: str = "scope") -> list[JobRecord]:
    with Journal(str(path), scope, SETTLE) as journal:
        return journal.records()


def test_jobs_and_intentions_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    job = a_record("job", DAYS[0], requested_at=LONG_AFTER, until=january(1) + timedelta(hours=5))
    intention = a_record(None, DAYS[1], requested_at=LONG_AFTER, active_before=("a", "b"))
    written(tmp_path / "journal", job, intention)
    assert read_back(tmp_path / "journal") == [job, intention]
    assert [line["event"] for line in read_lines(tmp_path / "journal")] == ["created", "intended"]


def test_without_a_path_nothing_is_recorded() -> None:
    with Journal(None, "scope", SETTLE) as journal:
        journal.record(a_record("job", DAYS[0]))
        journal.record_start(january(1))
        journal.record_completion(january(2))
        assert journal.records() == []


def test_lines_of_another_scope_are_ignored_but_their_time_counts(tmp_path: Path) -> None:
    written(tmp_path / "journal", a_record("job", DAYS[0], requested_at=LONG_AFTER), scope="another stream")
    with Journal(str(tmp_path / "journal"), "scope", SETTLE) as journal:
        assert journal.records() == []
        assert journal.last_request == LONG_AFTER


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"half a li",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        pytest.param(b"[" * 100_000, id="nested"),
        pytest.param(b'{"event": ' * 100_000, id="nested objects"),
        b'{"event": "created"}',
        b'{"event": "created", "scope": "scope", "job_id": ""}',
        b'{"event": "created", "scope": "scope", "job_id": 1, "dateFrom": "2024-01-01"}',
        b'{"event": "began", "scope": "scope", "behind": "never"}',
        b'{"event": "created", "scope": "scope", "job_id": "a", "dateFrom": "2024-01-02", "dateTo": "2024-01-01"}',
    ],
    ids=lambda line: line[:60],
)
def test_an_invalid_line_is_skipped(tmp_path: Path, line: bytes) -> None:
    job = a_record("job", DAYS[0], requested_at=LONG_AFTER)
    (tmp_path / "journal").write_bytes(line + b"\n")
    written(tmp_path / "journal", job)
    assert read_back(tmp_path / "journal") == [job]


def test_jobs_that_a_later_bookmark_has_passed_are_dropped(tmp_path: Path) -> None:
    jobs = [a_record(f"job-{number}", DAYS[number], requested_at=LONG_AFTER) for number in range(3)]
    path = tmp_path / "journal"
    with Journal(str(path), "scope", SETTLE) as journal:
        for job in jobs:
            journal.record(job)
        journal.record_start(january(3))
    assert read_back(path) == jobs[2:]


def test_the_same_bookmark_again_keeps_the_jobs_of_a_look_back(tmp_path: Path) -> None:
    """After a crash during a look-back the bookmark is unchanged, so the jobs before it are still needed."""
    path = tmp_path / "journal"
    with Journal(str(path), "scope", SETTLE) as journal:
        journal.record_start(january(3))
        journal.record(a_record("job", DAYS[0], requested_at=LONG_AFTER))
        journal.record_start(january(3))
    assert [job.job_id for job in read_back(path)] == ["job"]


def test_a_completed_run_drops_the_jobs_of_its_look_back(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(str(path), "scope", SETTLE) as journal:
        journal.record_start(january(3))
        journal.record(a_record("job", DAYS[0], requested_at=LONG_AFTER))
        journal.record_completion(january(3))
    assert read_back(path) == []


def test_a_run_that_begins_at_the_end_of_a_completed_run_uses_none_of_its_jobs(tmp_path: Path) -> None:
    """The bookmark may be before the end of a window that has been loaded: the run had used an older job."""
    path = tmp_path / "journal"
    later = a_record("later", DAYS[2], requested_at=LONG_AFTER)
    with Journal(str(path), "scope", SETTLE) as journal:
        journal.record_start(january(1))
        journal.record(a_record("job", DAYS[1], requested_at=LONG_AFTER))
        journal.record_end(january(2))
        assert len(read_back(path)) == 1, "the target may not have read it"
        journal.record_start(january(1))
        assert len(read_back(path)) == 1, "it has not"
        journal.record_start(january(2))
        journal.record(later)
    assert read_back(path) == [later]


def test_a_job_of_an_unfinished_day_counts_as_loaded_up_to_its_run_end() -> None:
    noon = january(1) + timedelta(hours=12)
    job = a_record("job", DAYS[0], requested_at=noon + timedelta(hours=1), until=noon)
    assert job.is_loaded_at(noon, SETTLE)
    assert not job.is_loaded_at(noon - timedelta(hours=1), SETTLE)


@pytest.mark.parametrize("value", [None, 1, [], "text", {"job_id": 1}, {"job_id": "a", "dateFrom": 1}], ids=str)
def test_a_value_of_another_form_is_not_a_record(value: Any) -> None:
    assert JobRecord.from_dict(value) is None


def test_a_record_survives_json() -> None:
    record = a_record("job", DAYS[0], requested_at=LONG_AFTER)
    assert JobRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record


@pytest.mark.parametrize("at", ["0001-01-01", "9999-12-31T23:59:59.999Z"])
def test_a_job_with_an_impossible_time_is_compared_with_a_bookmark(tmp_path: Path, at: str) -> None:
    path = tmp_path / "journal"
    written(path, a_record("job", DAYS[0], requested_at=parse_date(at)))
    with Journal(str(path), "scope", SETTLE) as journal:
        assert [job.had_settled(SETTLE) for job in journal.records()] == [at.startswith("9999")]
        journal.record_start(january(2))
    assert read_back(path) == []
