"""How a range is cut into windows: they touch, never overlap, and none is longer than it may be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cxone.dates import floor_to_milliseconds, format_date, parse_date
from tap_cxone.windows import Window, cut

instants = st.datetimes(timezones=st.just(UTC)).map(floor_to_milliseconds)
spans = st.timedeltas(timedelta(0), timedelta(days=400)).map(
    lambda span: span - timedelta(microseconds=span.microseconds % 1000)
)
lengths = st.integers(1, 30).map(lambda days: timedelta(days=days)) | st.integers(10_000_000, 2_592_000_000).map(
    lambda number: timedelta(milliseconds=number)
)


@given(start=instants, span=spans, length=lengths)
def test_windows_cover_the_range_exactly(start: datetime, span: timedelta, length: timedelta) -> None:
    end = min(start, datetime.max.replace(tzinfo=UTC) - span) + span
    windows = list(cut(start, end, length))
    if start >= end:
        assert windows == []
        return
    assert windows[0].start == start
    assert windows[-1].end == end
    assert all(one.end == other.start for one, other in pairwise(windows)), "they touch"
    assert all(timedelta(0) < window.end - window.start <= length for window in windows)
    assert all(window.end - window.start == length for window in windows[:-1]), "only the last one may be shorter"


@given(start=instants, span=spans)
def test_no_edge_loses_anything_on_the_wire(start: datetime, span: timedelta) -> None:
    end = min(start, datetime.max.replace(tzinfo=UTC) - span) + span
    for window in cut(start, end, timedelta(days=30)):
        assert parse_date(format_date(window.start)) == window.start
        assert parse_date(format_date(window.end)) == window.end


@given(start=instants, span=spans, length=lengths, instant=instants)
def test_every_instant_of_the_range_is_in_one_window_only(
    start: datetime, span: timedelta, length: timedelta, instant: datetime
) -> None:
    end = min(start, datetime.max.replace(tzinfo=UTC) - span) + span
    edges = [start, end, end - timedelta(milliseconds=1) if end > start else end, start + (end - start) / 2, instant]
    windows = list(cut(start, end, length))
    for moment in [*edges, *(window.start for window in windows[:5])]:
        holding = [window for window in windows if window.start <= moment < window.end]
        assert len(holding) == (1 if start <= moment < end else 0)


def test_a_range_may_end_with_all_dates() -> None:
    start, end = datetime(9999, 12, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)
    assert [window.end for window in cut(start, end, timedelta(days=30))] == [datetime(9999, 12, 31, tzinfo=UTC), end]


def test_a_window_must_end_after_it_starts() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    for end in (start, start - timedelta(milliseconds=1)):
        with pytest.raises(ValueError, match="end after it starts"):
            Window(start, end)


@pytest.mark.parametrize("length", [timedelta(0), timedelta(days=-1)])
def test_windows_without_a_length_are_an_error_and_no_endless_loop(length: timedelta) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="end after it starts"):
        list(cut(start, start + timedelta(days=1), length))


def test_a_window_names_itself_as_the_wire_does() -> None:
    [window] = cut(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC), timedelta(days=30))
    assert str(window) == "2024-01-01T00:00:00.000Z/2024-01-02T00:00:00.000Z"
