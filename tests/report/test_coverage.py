"""Intervals, held against sets of single moments; and the check."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tap_cxone.report.coverage import NEVER, Gap, Intervals, Window, check, visible
from tap_cxone.report.days import COVERED, MOST_BINS, calendar, unit_for
from tap_cxone.report.days import NEVER as NEVER_COVERED

DAY = 86_400_000
moments = st.integers(0, 40)
intervals = st.tuples(moments, moments)
windows = st.builds(
    lambda edges, records, refused: Window(min(edges), max(edges), records, records + refused, refused),
    intervals.filter(lambda edges: edges[0] != edges[1]),
    st.integers(0, 1000),
    st.integers(0, 50),
)


def points(*held: tuple[int, int]) -> set[int]:
    return {point for start, end in held for point in range(start, end)}


@given(st.lists(intervals), intervals)
def test_intervals_are_the_set_of_their_moments(added: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    held = Intervals(added)
    assert points(*held) == points(*added)
    edges = [edge for interval in held for edge in interval]
    assert edges == sorted(set(edges)), "intervals touch, overlap or are out of order"
    assert points(*held.missing(*asked)) == points(asked) - points(*added)
    assert held.length(*asked) == len(points(asked) & points(*added))


@given(st.lists(windows))
def test_each_moment_is_spoken_for_by_the_latest_window_that_has_it(extracted: list[Window]) -> None:
    pieces = visible(extracted)
    latest = {point: window for window in extracted for point in points((window.start, window.end))}
    assert {point: piece.window for piece in pieces for point in points((piece.start, piece.end))} == latest
    assert sum(piece.end - piece.start for piece in pieces) == len(latest)
    assert all(before.end <= after.start for before, after in pairwise(pieces))


@given(st.lists(windows), intervals, st.floats(0, 1))
def test_gaps_are_what_is_missing_or_refused(
    extracted: list[Window], asked: tuple[int, int], max_refused: float
) -> None:
    pieces = visible(extracted)
    gaps = check("s", pieces, *asked, max_refused)
    good = points(*((piece.start, piece.end) for piece in pieces if piece.window.refused_share <= max_refused))
    assert points(*((gap.start, gap.end) for gap in gaps)) == points(asked) - good
    assert all(gap.start < gap.end for gap in gaps)
    assert gaps == sorted(gaps, key=lambda gap: gap.start)


@given(st.lists(windows, min_size=1))
def test_no_record_is_lost_on_the_calendar(extracted: list[Window]) -> None:
    extracted = [Window(w.start * DAY // 3, w.end * DAY // 3, w.records) for w in extracted]
    pieces = visible(extracted)
    days = calendar("s", pieces, [], "day")
    assert days is not None
    assert abs(sum(item.records for item in days.bins) - sum(p.share * p.window.records for p in pieces)) < 1e-6
    gaps = sum(end - start for start, end in days.gaps)
    assert gaps + sum(piece.end - piece.start for piece in pieces) == days.end - days.start


def test_the_check_tells_what_is_wrong() -> None:
    pieces = visible([Window(0, 10, 99, 100, 1), Window(20, 30, 90, 100, 10), Window(30, 40)])
    assert check("s", pieces, 0, 10, 0.01) == []
    assert check("s", pieces, 5, 40, 0.01) == [
        Gap("s", 10, 20, NEVER),
        Gap("s", 20, 30, "10 of 100 records refused (10.00%)"),
    ]
    assert check("s", pieces, 20, 40, 0.1) == []
    assert check("s", [], 0, 5, 1) == [Gap("s", 0, 5, NEVER)]
    assert check("s", visible([Window(0, 10, 0, 9, 9)]), 6, 4, 0) == []


def test_the_newest_extraction_decides_about_refused_records() -> None:
    bad, good = Window(0, 10, 0, 10, 10), Window(0, 10, 10, 10)
    assert check("s", visible([bad, good]), 0, 10, 0.01) == []
    assert check("s", visible([good, bad]), 0, 10, 0.01)


def test_a_day_without_records_is_not_a_day_never_covered() -> None:
    days = calendar("s", visible([Window(0, DAY, 10), Window(DAY, 2 * DAY)]), [(0, 3 * DAY)], "day")
    assert days is not None
    assert [(item.records, item.status) for item in days.bins] == [(10, COVERED), (0, COVERED), (0, NEVER_COVERED)]
    assert days.gaps == [(2 * DAY, 3 * DAY)]


def test_a_long_time_is_shown_in_larger_units() -> None:
    first, last = -62_135_596_800_000, 253_402_300_799_000  # the years 1 and 9999
    for days, unit in ((30, "day"), (800, "week"), (5000, "month"), (40_000, "year")):
        assert unit_for([(0, days * DAY)]) == unit
        held = calendar("s", visible([Window(0, days * DAY, 500)]), [], unit)
        assert held is not None
        assert len(held.bins) <= MOST_BINS + 2
        assert held.records == 500
    unit = unit_for([(first, last)])
    held = calendar("s", visible([Window(first, last, 7)]), [], unit)
    assert held is not None
    assert len(held.bins) == 100
    assert held.records == 7


def test_records_count_for_their_days_where_the_log_tells_them() -> None:
    window = Window(0, 3 * DAY, 10, days=((0, 7), (2 * DAY, 3)))
    days = calendar("s", visible([window]), [], "day")
    assert days
    assert [item.records for item in days.bins] == [7, 0, 3]
    assert [item.status for item in days.bins] == ["covered"] * 3
    later = calendar("s", visible([window, Window(2 * DAY + DAY // 2, 3 * DAY, 1)]), [], "day")
    assert later
    assert [item.records for item in later.bins] == [7, 0, 2.5], "half of its last day is told by another window"


def test_records_of_days_outside_of_their_window_are_spread() -> None:
    days = calendar("s", visible([Window(0, 2 * DAY, 10, days=((0, 4), (2 * DAY, 6)))]), [], "day")
    assert days
    assert [item.records for item in days.bins] == [7, 3]
