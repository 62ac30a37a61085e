"""Coverage: latest parts of windows, gaps and the calendar, compared with sets of points."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tap_cxone.observability.tenants import Tenant
from tap_cxone.report.coverage import NEVER, CoveredWindow, Gap, StreamKey, check, latest_parts
from tap_cxone.report.days import COVERED, MAX_BINS, calendar, coverage, covered_share, unit_for
from tap_cxone.report.days import NEVER as NEVER_COVERED

DAY = 86_400_000
KEY = StreamKey(Tenant("acme"), "s")
times = st.integers(0, 40)
intervals = st.tuples(times, times)
windows = st.builds(
    lambda edges, records, rejected: CoveredWindow(min(edges), max(edges), records, records + rejected, rejected),
    intervals.filter(lambda edges: edges[0] != edges[1]),
    st.integers(0, 1000),
    st.integers(0, 50),
)


def points(*intervals: tuple[int, int]) -> set[int]:
    return {point for start, end in intervals for point in range(start, end)}


@given(st.lists(windows))
def test_each_point_belongs_to_the_latest_window(extracted: list[CoveredWindow]) -> None:
    parts = latest_parts(extracted)
    latest = {point: window for window in extracted for point in points((window.start, window.end))}
    assert {point: part.window for part in parts for point in points((part.start, part.end))} == latest
    assert sum(part.end - part.start for part in parts) == len(latest)
    assert all(before.end <= after.start for before, after in pairwise(parts))


@given(st.lists(windows), intervals, st.floats(0, 1))
def test_gaps_are_missing_or_have_too_many_rejected_records(
    extracted: list[CoveredWindow], range_: tuple[int, int], max_rejected: float
) -> None:
    parts = latest_parts(extracted)
    gaps = check(KEY, parts, *range_, max_rejected)
    good = points(*((part.start, part.end) for part in parts if part.window.rejected_share <= max_rejected))
    assert points(*((gap.start, gap.end) for gap in gaps)) == points(range_) - good
    assert all(gap.start < gap.end for gap in gaps)
    assert gaps == sorted(gaps, key=lambda gap: gap.start)


@given(st.lists(windows, min_size=1))
def test_calendar_loses_no_records(extracted: list[CoveredWindow]) -> None:
    extracted = [CoveredWindow(w.start * DAY // 3, w.end * DAY // 3, w.records) for w in extracted]
    parts = latest_parts(extracted)
    days = calendar("s", parts, [], "day")
    assert days is not None
    assert abs(sum(item.records for item in days.bins) - sum(p.share * p.window.records for p in parts)) < 1e-6
    gaps = sum(end - start for start, end in days.gaps)
    assert gaps + sum(part.end - part.start for part in parts) == days.end - days.start


def test_check_says_why() -> None:
    parts = latest_parts([CoveredWindow(0, 10, 99, 100, 1), CoveredWindow(20, 30, 90, 100, 10), CoveredWindow(30, 40)])
    assert check(KEY, parts, 0, 10, 0.01) == []
    assert check(KEY, parts, 5, 40, 0.01) == [
        Gap("s", 10, 20, NEVER, KEY.tenant),
        Gap("s", 20, 30, "10 of 100 records refused (10.00%)", KEY.tenant),
    ]
    assert check(KEY, parts, 20, 40, 0.1) == []
    assert check(KEY, [], 0, 5, 1) == [Gap("s", 0, 5, NEVER, KEY.tenant)]
    assert check(KEY, latest_parts([CoveredWindow(0, 10, 0, 9, 9)]), 6, 4, 0) == []


def test_latest_extraction_decides_about_rejected_records() -> None:
    bad, good = CoveredWindow(0, 10, 0, 10, 10), CoveredWindow(0, 10, 10, 10)
    assert check(KEY, latest_parts([bad, good]), 0, 10, 0.01) == []
    assert check(KEY, latest_parts([good, bad]), 0, 10, 0.01)


def test_covered_day_without_records_is_not_a_gap() -> None:
    days = calendar("s", latest_parts([CoveredWindow(0, DAY, 10), CoveredWindow(DAY, 2 * DAY)]), [(0, 3 * DAY)], "day")
    assert days is not None
    assert [(item.records, item.status) for item in days.bins] == [(10, COVERED), (0, COVERED), (0, NEVER_COVERED)]
    assert days.gaps == [(2 * DAY, 3 * DAY)]


def test_long_ranges_have_longer_units() -> None:
    for days, unit in ((30, "day"), (800, "week"), (5000, "month"), (47_000, "year")):
        assert unit_for([(0, days * DAY)]) == unit
        shown = calendar("s", latest_parts([CoveredWindow(0, days * DAY, 500)]), [], unit)
        assert shown is not None
        assert len(shown.bins) <= MAX_BINS + 2
        assert shown.records == 500
        assert all(before.end == after.start for before, after in pairwise(shown.bins))


def test_records_belong_to_the_days_in_the_log() -> None:
    window = CoveredWindow(0, 3 * DAY, 10, days=((0, 7), (2 * DAY, 3)))
    days = calendar("s", latest_parts([window]), [], "day")
    assert days
    assert [item.records for item in days.bins] == [7, 0, 3]
    assert [item.status for item in days.bins] == ["covered"] * 3
    later = calendar("s", latest_parts([window, CoveredWindow(2 * DAY + DAY // 2, 3 * DAY, 1)]), [], "day")
    assert later
    assert [item.records for item in later.bins] == [7, 0, 2.5], "half of its last day belongs to another window"


def test_coverage_of_several_streams_is_their_mean() -> None:
    found = [
        calendar("a", latest_parts([CoveredWindow(0, DAY)]), [(0, 2 * DAY)], "day"),
        calendar("b", latest_parts([CoveredWindow(0, DAY // 2), CoveredWindow(DAY, 3 * DAY)]), [], "day"),
    ]
    streams = [days for days in found if days]
    assert [item.covered for item in coverage(streams)] == [0.75, 0.5, 1]
    assert covered_share(streams) == 0.7


def test_records_of_days_outside_the_window_are_spread() -> None:
    days = calendar("s", latest_parts([CoveredWindow(0, 2 * DAY, 10, days=((0, 4), (2 * DAY, 6)))]), [], "day")
    assert days
    assert [item.records for item in days.bins] == [7, 3]
