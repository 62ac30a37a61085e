"""StreamState: where a run starts, when the bookmark moves, and which jobs travel with the state."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tap_cxone.api.identity import PlatformIdentity
from tap_cxone.dates import format_date, parse_date
from tap_cxone.errors import CxoneError
from tap_cxone.streams import state as state_module
from tap_cxone.streams.state import JOBS_IN_STATE, PLATFORM_IN_STATE, StreamState, check_form
from tests.conftest import january
from tests.jobs.fakes import DAYS, a_record

NO_LOOKBACK = timedelta(0)
HERE = PlatformIdentity("a.example", "tenant-7")
START_DATE = january(1)


class Written(list[dict[str, Any]]):
    """The states that were written."""

    def state(
        self, content: dict[str, Any], replication_key: str | None = "dateFrom", former_keys: tuple[str, ...] = ()
    ) -> StreamState:
        return StreamState(
            content,
            stream="events",
            replication_key=replication_key,
            write=lambda: self.append(dict(content)),
            former_keys=former_keys,
        )


def bookmark_at(day: int) -> dict[str, Any]:
    return {"replication_key": "dateFrom", "replication_key_value": format_date(january(day))}


def test_a_first_run_starts_at_the_start_date() -> None:
    state = Written().state({})
    assert state.bookmark() is None
    assert state.start(START_DATE, timedelta(days=1)) == START_DATE


def test_a_later_run_starts_at_the_bookmark_less_the_lookback() -> None:
    state = Written().state(bookmark_at(10))
    assert state.start(START_DATE, NO_LOOKBACK) == january(10)
    assert state.start(START_DATE, timedelta(days=3)) == january(7)
    assert state.start(START_DATE, timedelta(days=30)) == START_DATE


def test_a_start_date_after_the_bookmark_wins_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    state = Written().state(bookmark_at(3))
    assert state.start(january(8), NO_LOOKBACK) == january(8)
    assert "'start_date' (2024-01-08T00:00:00.000Z) is later than the bookmark (2024-01-03" in caplog.text


def test_a_look_back_may_begin_before_the_first_date_there_is() -> None:
    first = parse_date("0001-01-01")
    state = Written().state({"replication_key": "dateFrom", "replication_key_value": "0001-01-02"})
    assert state.start(first, timedelta(days=7)) == first
    assert state.start(first, timedelta(hours=1)) == first + timedelta(hours=23)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Stop the clock."""
    monkeypatch.setattr(state_module, "utc_now", lambda: january(10))
    return january(10)


def test_a_start_date_in_the_future_is_logged(now: datetime, caplog: pytest.LogCaptureFixture) -> None:
    state = Written().state({})
    assert state.start(now, NO_LOOKBACK) == now
    assert not caplog.records
    assert state.start(now + timedelta(days=400), NO_LOOKBACK) == now + timedelta(days=400)
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert "'start_date' (2025-02-13T00:00:00.000Z) is in the future" in record.message


@pytest.mark.parametrize("ahead", [timedelta(seconds=1), timedelta(days=1)], ids=str)
def test_a_bookmark_in_the_future_is_logged(now: datetime, caplog: pytest.LogCaptureFixture, ahead: timedelta) -> None:
    state = Written().state(bookmark_at(10) | {"replication_key_value": format_date(now + ahead)})
    assert state.start(START_DATE, timedelta(days=2)) == now + ahead - timedelta(days=2)
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert f"the bookmark ({format_date(now + ahead)}) is in the future" in record.message
    assert "set the clock" in record.message


def test_a_bookmark_that_is_not_in_the_future_is_not_logged(now: datetime, caplog: pytest.LogCaptureFixture) -> None:
    assert Written().state(bookmark_at(10)).start(START_DATE, NO_LOOKBACK) == now
    assert not caplog.records


@pytest.mark.parametrize("value", ["2024-01-11T00:00:00.001Z", "9999-12-31T23:59:59.999Z"])
def test_a_bookmark_more_than_a_day_in_the_future_is_an_error(now: datetime, value: str) -> None:
    state = Written().state({"replication_key": "dateFrom", "replication_key_value": value})
    with pytest.raises(CxoneError, match=r"'events' in the state .* is more than a day in the future: set the clock"):
        state.bookmark()
    with pytest.raises(CxoneError):
        state.platform()


@pytest.mark.parametrize("value", ["soon", "2024-13-01", 7, 10**400, ["2024-01-01"], {"a": 1}])
def test_a_bookmark_that_is_not_a_date_is_an_error(value: Any) -> None:
    state = Written().state({"replication_key": "dateFrom", "replication_key_value": value})
    with pytest.raises(CxoneError, match="'events' in the state is not an ISO 8601 date"):
        state.bookmark()


@pytest.mark.parametrize("key", [None, "dateTo"])
def test_a_bookmark_of_another_replication_key_is_not_used(key: str | None) -> None:
    assert Written().state(bookmark_at(10), replication_key=key).bookmark() is None


def test_a_bookmark_under_an_earlier_name_is_valid_and_renamed() -> None:
    written = Written()
    state = written.state(bookmark_at(10), replication_key="date_from", former_keys=("start", "dateFrom"))
    assert state.bookmark() == january(10)
    assert state.start(START_DATE, NO_LOOKBACK) == january(10)
    assert state.commit(january(4), january(4)) == "2024-01-10T00:00:00.000Z", "it does not move backwards"
    assert written == [{"replication_key": "date_from", "replication_key_value": "2024-01-10T00:00:00.000Z"}]
    assert Written().state(bookmark_at(10), replication_key=None, former_keys=("dateFrom",)).bookmark() is None
    odd = {"replication_key": ["dateFrom"], "replication_key_value": "2024-01-10"}
    assert Written().state(odd, former_keys=("start",)).bookmark() is None


def test_each_finished_window_moves_the_bookmark_and_writes_the_state() -> None:
    written = Written()
    state = written.state({})
    assert state.commit(january(2), january(2)) == "2024-01-02T00:00:00.000Z"
    state.commit(january(3), january(3))
    assert [entry["replication_key_value"][:10] for entry in written] == ["2024-01-02", "2024-01-03"]


def test_a_bookmark_never_moves_backwards() -> None:
    written = Written()
    state = written.state(bookmark_at(10))
    assert state.commit(january(4), january(4)) == "2024-01-10T00:00:00.000Z"
    assert written[-1] == bookmark_at(10)


def test_a_window_that_has_not_settled_moves_the_bookmark_only_so_far() -> None:
    noon = january(1) + timedelta(hours=12)
    assert Written().state({}).commit(noon, january(2)) == format_date(noon)


def test_a_full_read_writes_no_bookmark() -> None:
    written = Written()
    state = written.state({}, replication_key=None)
    assert not state.is_incremental
    assert state.commit(january(2), january(2)) is None
    assert written == [{}]


def test_a_job_travels_with_the_state_until_its_window_is_committed() -> None:
    written = Written()
    state = written.state({})
    jobs = [a_record(f"job-{number}", DAYS[number]) for number in range(3)]
    for job in jobs:
        state.add_job(job)
    assert state.jobs() == jobs
    assert [entry["job_id"] for entry in written[-1][JOBS_IN_STATE]] == ["job-0", "job-1", "job-2"]
    state.commit(DAYS[0].end, DAYS[0].end)
    assert state.jobs() == jobs[1:]
    state.commit(DAYS[2].end, DAYS[2].end)
    assert JOBS_IN_STATE not in written[-1]


def test_a_new_job_replaces_the_one_of_the_same_window() -> None:
    state = Written().state({})
    state.add_job(a_record("old", DAYS[0]))
    newer = a_record("new", DAYS[0])
    state.add_job(newer)
    assert state.jobs() == [newer]


@pytest.mark.parametrize("nonsense", [None, "text", {"job_id": 1}, [None, 1, {}, {"job_id": ""}]], ids=str)
def test_jobs_in_the_state_that_make_no_sense_are_ignored(nonsense: Any) -> None:
    state = Written().state({JOBS_IN_STATE: nonsense})
    assert state.jobs() == []
    state.commit(january(2), january(2))


# --- The form ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bookmarks", [None, [], [{}], "text", 7, True], ids=str)
def test_bookmarks_that_are_not_an_object_are_an_error(bookmarks: Any) -> None:
    with pytest.raises(CxoneError, match="'bookmarks' is not an object: correct it, or"):
        check_form({"bookmarks": bookmarks})


@pytest.mark.parametrize(
    "part",
    [
        None,
        [],
        "text",
        7,
        {"progress_markers": "text"},
        {"partitions": None},
        {"partitions": {}},
        {"partitions": ["text"]},
        {"partitions": [{"progress_markers": 1}]},
    ],
    ids=str,
)
def test_a_stream_whose_state_has_another_form_is_named(part: Any) -> None:
    with pytest.raises(CxoneError, match=r"for stream 'events' is not .*: correct it, or remove it"):
        check_form({"bookmarks": {"other": {}, "events": part}})


@pytest.mark.parametrize(
    "state",
    [{}, {"bookmarks": {}}, {"other": 1}, {"bookmarks": {"events": bookmark_at(1) | {"partitions": [{}]}}}],
    ids=str,
)
def test_a_state_of_the_right_form_is_accepted(state: dict[str, Any]) -> None:
    check_form(state)


# --- The platform -----------------------------------------------------------------------------------------------------


def test_each_commit_writes_the_platform_that_the_state_was_bound_to() -> None:
    written = Written()
    state = written.state({})
    state.bind(HERE)
    state.add_job(a_record("job-0", DAYS[0]))
    assert PLATFORM_IN_STATE not in written[-1], "there is no bookmark yet that belongs to a platform"
    state.commit(january(2), january(2))
    assert written[-1][PLATFORM_IN_STATE] == {"host": "a.example", "tenant": "tenant-7"}
    assert state.platform() == HERE


def test_a_state_without_a_platform_or_a_bookmark_belongs_to_no_platform() -> None:
    assert Written().state(bookmark_at(3)).platform() is None
    assert Written().state({PLATFORM_IN_STATE: HERE.to_dict()}).platform() is None


@pytest.mark.parametrize("nonsense", [None, "a.example", [], {}, {"host": 7}, {"tenant": "tenant-7"}], ids=str)
def test_a_platform_in_the_state_that_makes_no_sense_is_ignored(nonsense: Any) -> None:
    assert Written().state(bookmark_at(3) | {PLATFORM_IN_STATE: nonsense}).platform() is None


@pytest.mark.parametrize(
    ("bound_to", "expected"),
    [
        (PlatformIdentity("a.example"), HERE),
        (PlatformIdentity("a.example", "tenant-8"), PlatformIdentity("a.example", "tenant-8")),
        (PlatformIdentity("b.example"), PlatformIdentity("b.example")),
    ],
    ids=str,
)
def test_a_tenant_that_is_not_named_again_is_kept_on_its_host(
    bound_to: PlatformIdentity, expected: PlatformIdentity
) -> None:
    written = Written()
    state = written.state(bookmark_at(3) | {PLATFORM_IN_STATE: HERE.to_dict()})
    state.bind(bound_to)
    state.commit(january(3), january(3))
    assert written == [bookmark_at(3) | {PLATFORM_IN_STATE: expected.to_dict()}]


def test_a_full_read_belongs_to_no_platform() -> None:
    written = Written()
    state = written.state(bookmark_at(3) | {PLATFORM_IN_STATE: HERE.to_dict()}, replication_key=None)
    assert state.platform() is None
    state.bind(PlatformIdentity("b.example"))
    state.commit(january(4), january(4))
    assert written[-1][PLATFORM_IN_STATE] == HERE.to_dict()
