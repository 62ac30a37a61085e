"""Windows of a range: they touch, never overlap, and none is longer than allowed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tap_cxone.dates import floor_to_milliseconds, format_date, parse_date
from tap_cxone.windows import Window, cut

LATEST = floor_to_milliseconds(datetime.max.replace(tzinfo=UTC))
any_instant = st.datetimes(timezones=st.just(UTC)).map(floor_to_milliseconds)
any_span = st.timedeltas(timedelta(0), timedelta(days=400)).map(
    lambda span: span - timedelta(microseconds=span.microseconds % 1000)
)
any_length = st.integers(1, 30).map(lambda days: timedelta(days=days)) | st.integers(10_000_000, 2_592_000_000).map(
    lambda number: timedelta(milliseconds=number)
)


@given(start=any_instant, span=any_span, length=any_length)
def test_windows_cover_the_range_exactly(start: datetime, span: timedelta, length: timedelta) -> None:
    end = min(start, LATEST - span) + span
    windows = list(cut(start, end, length))
    if start >= end:
        assert windows == []
        return
    assert windows[0].start == start
    assert windows[-1].end == end
    assert all(earlier.end == later.start for earlier, later in pairwise(windows)), "windows touch"
    assert all(timedelta(0) < window.end - window.start <= length for window in windows)
    assert all(window.end - window.start == length for window in windows[:-1]), "only the last window is shorter"


@given(start=any_instant, span=any_span)
@example(start=datetime(9999, 11, 4, tzinfo=UTC), span=timedelta(days=58))
def test_window_bounds_survive_formatting_and_parsing(start: datetime, span: timedelta) -> None:
    end = min(start, LATEST - span) + span
    for window in cut(start, end, timedelta(days=30)):
        assert parse_date(format_date(window.start)) == window.start
        assert parse_date(format_date(window.end)) == window.end


@given(start=any_instant, span=any_span, length=any_length, instant=any_instant)
def test_every_instant_of_the_range_is_in_exactly_one_window(
    start: datetime, span: timedelta, length: timedelta, instant: datetime
) -> None:
    end = min(start, LATEST - span) + span
    instants = [start, end, end - timedelta(milliseconds=1) if end > start else end, start + (end - start) / 2, instant]
    windows = list(cut(start, end, length))
    for moment in [*instants, *(window.start for window in windows[:5])]:
        containing = [window for window in windows if window.start <= moment < window.end]
        assert len(containing) == (1 if start <= moment < end else 0)


def test_a_range_can_end_at_the_last_possible_date() -> None:
    start, end = datetime(9999, 12, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)
    assert [window.end for window in cut(start, end, timedelta(days=30))] == [datetime(9999, 12, 31, tzinfo=UTC), end]


def test_a_window_must_end_after_it_starts() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    for end in (start, start - timedelta(milliseconds=1)):
        with pytest.raises(ValueError, match="end after it starts"):
            Window(start, end)


@pytest.mark.parametrize("length", [timedelta(0), timedelta(days=-1)])
def test_a_length_that_is_not_positive_is_an_error(length: timedelta) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="end after it starts"):
        list(cut(start, start + timedelta(days=1), length))


def test_a_window_is_formatted_as_an_iso_8601_interval() -> None:
    [window] = cut(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC), timedelta(days=30))
    assert str(window) == "2024-01-01T00:00:00.000Z/2024-01-02T00:00:00.000Z"
