"""Intervals, compared with sets of single points."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from tap_cxone.observability.intervals import Intervals
from tests.conftest import JAN_1

edges = st.tuples(st.integers(0, 40), st.integers(0, 40))


def points(*intervals: tuple[int, int]) -> set[int]:
    return {point for start, end in intervals for point in range(start, end)}


def dates(interval: tuple[int, int]) -> tuple[datetime, datetime]:
    start, end = (JAN_1 + timedelta(hours=hours) for hours in interval)
    return start, end


@given(st.lists(edges))
def test_intervals_contain_what_was_added(added: list[tuple[int, int]]) -> None:
    assert points(*Intervals(added)) == points(*added)


@given(st.lists(edges))
def test_intervals_are_ascending_and_do_not_touch(added: list[tuple[int, int]]) -> None:
    found = [edge for interval in Intervals(added) for edge in interval]
    assert found == sorted(set(found))


@given(st.lists(edges), edges)
def test_missing_is_what_was_not_added(added: list[tuple[int, int]], wanted: tuple[int, int]) -> None:
    missing = Intervals(added).missing(*wanted)
    assert points(*missing) == points(wanted) - points(*added)
    found = [edge for interval in missing for edge in interval]
    assert found == sorted(set(found)), "the parts are ascending, not empty, and do not touch"


@given(st.lists(edges), edges)
def test_overlapping_intervals_have_points_in_common(added: list[tuple[int, int]], wanted: tuple[int, int]) -> None:
    assume(wanted[0] < wanted[1])
    assert Intervals(added).overlaps(*wanted) == bool(points(wanted) & points(*added))


@given(st.lists(edges), edges)
def test_dates_behave_like_integers(added: list[tuple[int, int]], wanted: tuple[int, int]) -> None:
    of_dates = Intervals(map(dates, added))
    assert list(of_dates) == list(map(dates, Intervals(added)))
    assert of_dates.missing(*dates(wanted)) == list(map(dates, Intervals(added).missing(*wanted)))


def test_intervals_that_touch_are_joined() -> None:
    intervals = Intervals([(0, 10), (20, 30), (10, 20)])
    assert list(intervals) == [(0, 30)]


def test_empty_intervals_change_nothing() -> None:
    intervals = Intervals([(5, 5), (7, 3)])
    assert list(intervals) == []
    assert intervals.missing(4, 4) == intervals.missing(6, 4) == []
    assert intervals.missing(4, 6) == [(4, 6)]
