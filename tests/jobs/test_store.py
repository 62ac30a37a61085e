"""JobStore: which jobs of earlier runs are used, each once, and how this run's jobs are recorded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tap_cxone.dates import utc_now
from tap_cxone.jobs import store as store_module
from tap_cxone.jobs.model import ExportJob
from tap_cxone.windows import Window
from tests.conftest import january, read_lines
from tests.jobs.fakes import DAYS, SETTLE, FakeApi, a_record, a_store

if TYPE_CHECKING:
    from pathlib import Path

    from tap_cxone.jobs.journal import JobRecord


def test_the_newest_job_of_a_window_comes_first_and_each_once() -> None:
    now = utc_now()
    old = a_record("old", DAYS[0], requested_at=now - timedelta(hours=2))
    new = a_record("new", DAYS[0], requested_at=now - timedelta(hours=1))
    store = a_store(FakeApi(), [new, old])
    assert [store.take_job(DAYS[0]) for _ in range(3)] == [new, old, None]
    assert store.take_job(DAYS[1]) is None


def test_a_job_in_state_and_journal_is_taken_once(tmp_path: Path) -> None:
    api = FakeApi()
    first = a_store(api, path=tmp_path / "journal")
    job = ExportJob("job", DAYS[0], utc_now())
    record = first.record_job(job)
    store = a_store(api, [record], path=tmp_path / "journal")
    assert store.take_job(DAYS[0]) == record
    assert store.take_job(DAYS[0]) is None


def test_a_job_is_not_used_after_a_day() -> None:
    too_old = a_record("old", DAYS[0], requested_at=utc_now() - timedelta(hours=25))
    assert a_store(FakeApi(), [too_old]).windows() == []


def test_a_job_of_another_query_is_not_used() -> None:
    assert a_store(FakeApi(), [a_record("job", DAYS[0], fingerprint="another")]).windows() == []


def test_a_job_is_not_used_if_its_window_had_not_settled() -> None:
    """Events at the end of the window reached the platform after the request: the file lacks them."""
    now = utc_now()
    young, settled = (Window(now - timedelta(days=1), now - age) for age in (timedelta(minutes=10), SETTLE))
    assert a_store(FakeApi(), [a_record("job", young, requested_at=now)], end=now).windows() == []
    assert a_store(FakeApi(), [a_record("job", settled, requested_at=now)], end=now).windows() == [settled]


@pytest.mark.parametrize("ahead", [timedelta(seconds=1), timedelta(days=365)], ids=str)
def test_a_job_of_the_future_is_not_used_but_is_ours(monkeypatch: pytest.MonkeyPatch, ahead: timedelta) -> None:
    monkeypatch.setattr(store_module, "utc_now", lambda: january(20))
    jobs = [a_record(job_id, DAYS[0], requested_at=january(20) + ahead) for job_id in ("job", None)]
    store = a_store(FakeApi(), jobs)
    assert store.windows() == []
    assert store.take_job(DAYS[0]) is None
    assert store.open_intention(DAYS[0]) is None
    assert store.ours(["job", "other"]) == {"job"}, "it may be active, and counts towards our limit"


def test_a_job_of_the_first_year_is_too_old() -> None:
    first = datetime.min.replace(tzinfo=UTC)
    store = a_store(FakeApi(), [a_record("job", DAYS[0], requested_at=first)])
    assert store.windows() == []
    assert store.last_request == first


def test_a_job_of_a_window_that_has_not_ended_is_used() -> None:
    unfinished = a_record("job", DAYS[2], requested_at=utc_now())
    assert a_store(FakeApi(), [unfinished], end=DAYS[2].start + timedelta(hours=1)).windows() == [DAYS[2]]


def test_the_newest_record_decides_whether_an_outcome_is_open() -> None:
    now = utc_now() - timedelta(minutes=1)
    job = a_record("job", DAYS[0], requested_at=now - timedelta(hours=1))
    intention = a_record(None, DAYS[0], requested_at=now, active_before=("a",))
    assert a_store(FakeApi(), [job, intention]).open_intention(DAYS[0]) == intention
    answered = a_record("job", DAYS[0], requested_at=now + timedelta(seconds=1))
    assert a_store(FakeApi(), [intention, answered]).open_intention(DAYS[0]) is None
    assert a_store(FakeApi()).open_intention(DAYS[0]) is None


def test_an_intention_is_in_the_journal_before_the_job_exists(tmp_path: Path) -> None:
    store = a_store(FakeApi(), path=tmp_path / "journal")
    requested_at = store.record_intention(DAYS[0], ["other"])
    [line] = read_lines(tmp_path / "journal")
    assert (line["event"], line["job_id"], line["active_before"]) == ("intended", None, ["other"])
    store.record_job(ExportJob("job", DAYS[0], requested_at))
    assert [line["event"] for line in read_lines(tmp_path / "journal")] == ["intended", "created"]


def test_a_job_beyond_the_end_of_the_run_remembers_that_end() -> None:
    noon = DAYS[0].start + timedelta(hours=12)
    store = a_store(FakeApi(), end=noon)
    assert store.record_job(ExportJob("job", DAYS[0], utc_now())).until == noon
    assert store.record_job(ExportJob("job", DAYS[-1], utc_now())).until == noon
    assert a_store(FakeApi()).record_job(ExportJob("job", DAYS[0], utc_now())).until is None


def test_announcing_a_job_passes_it_to_the_owner_of_the_state() -> None:
    announced: list[JobRecord] = []
    record = a_record("job", DAYS[0])
    a_store(FakeApi(), announce=announced.append).announce(record)
    assert announced == [record]


def test_the_last_request_is_the_latest_of_state_and_journal(tmp_path: Path) -> None:
    assert a_store(FakeApi()).last_request is None
    in_journal = january(3)
    a_store(FakeApi(), path=tmp_path / "journal").record_job(ExportJob("job", DAYS[0], in_journal))
    old = a_record("old", DAYS[0], requested_at=january(2))
    new = a_record("new", DAYS[0], requested_at=january(4))
    assert a_store(FakeApi(), [old], path=tmp_path / "journal").last_request == in_journal
    assert a_store(FakeApi(), [new], path=tmp_path / "journal").last_request == january(4)


def test_many_threads_take_each_job_once_and_record_their_own() -> None:
    api = FakeApi()
    records = [a_record(f"old-{window}-{number}", window) for window in DAYS for number in range(20)]
    store = a_store(api, records)

    def use(number: int) -> list[str | None]:
        taken = []
        for window in DAYS:
            while record := store.take_job(window):
                taken.append(record.job_id)
        store.record_job(ExportJob(f"new-{number}", DAYS[0], utc_now()))
        assert f"new-{number}" in store.ours([f"new-{number}", "somebody else's"])
        return taken

    with ThreadPoolExecutor(16) as threads:
        taken = [job_id for found in threads.map(use, range(64)) for job_id in found]
    assert sorted(map(str, taken)) == sorted(str(record.job_id) for record in records)
    assert len(store.ours([f"new-{number}" for number in range(64)])) == 64
