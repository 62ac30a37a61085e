"""Dates: any ISO 8601 form is read, one form is written."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cxone.dates import floor_to_milliseconds, format_date, parse_date, utc_now


@pytest.mark.parametrize(
    ("text", "formatted"),
    [
        ("2024-03-05", "2024-03-05T00:00:00.000Z"),
        (" 2024-03-05\n", "2024-03-05T00:00:00.000Z"),
        ("20240305", "2024-03-05T00:00:00.000Z"),
        ("2024-03", "2024-03-01T00:00:00.000Z"),
        ("2024", "2024-01-01T00:00:00.000Z"),
        ("2024-W10", "2024-03-04T00:00:00.000Z"),
        ("2024-W10-2", "2024-03-05T00:00:00.000Z"),
        ("2024W102T0130", "2024-03-05T01:30:00.000Z"),
        ("2024-065", "2024-03-05T00:00:00.000Z"),
        ("2024366", "2024-12-31T00:00:00.000Z"),
        ("2024-03-05T10", "2024-03-05T10:00:00.000Z"),
        ("2024-03-05T10:30", "2024-03-05T10:30:00.000Z"),
        ("2024-03-05 10:30:15", "2024-03-05T10:30:15.000Z"),
        ("20240305T103015Z", "2024-03-05T10:30:15.000Z"),
        ("20240305T103015.5+0130", "2024-03-05T09:00:15.500Z"),
        ("2024-03-05T10:30:15,25Z", "2024-03-05T10:30:15.250Z"),
        ("2024-03-05T10:30:15.123999Z", "2024-03-05T10:30:15.123Z"),
        ("2024-03-05T10:30:15.123999999Z", "2024-03-05T10:30:15.123Z"),
        ("2024-03-05T24:00", "2024-03-06T00:00:00.000Z"),
        ("2024-03-05T24:00:00.000Z", "2024-03-06T00:00:00.000Z"),
        ("2024-03-05T10:30:15.123Z", "2024-03-05T10:30:15.123Z"),
        ("2024-03-05T00:30:00+02:00", "2024-03-04T22:30:00.000Z"),
        ("2024-03-05T23:30:00-02", "2024-03-06T01:30:00.000Z"),
        ("2024-03-05T00:00:00-00:00", "2024-03-05T00:00:00.000Z"),
        ("0001-01-01", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999Z"),
    ],
)
def test_any_iso_8601_form_is_read_as_utc(text: str, formatted: str) -> None:
    assert format_date(parse_date(text)) == formatted


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "today",
        "05/03/2024",
        "2024-02-30",
        "2024-13-01",
        "2024-13-01T00:00:00.000Z",
        "2024-366T25",
        "2023-366",
        "2024-000",
        "2024-W60",
        "1709596800",
        "2024-W10-8",
        "2024-03-05T",
        "2024-03-05T10:61",
        "2024-03-05T10:00:00+25:00",
        "2024-03-05T10:00:00 Z",
        "२०२४-03-05",
        "0000-01-01",
        "9999-12-31T24:00",
        "9999-W53-7",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:00:00-02:00",
    ],
)
def test_an_invalid_date_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - callers replace the message
        parse_date(text)


@given(st.text(alphabet="0123456789-:TWZ+., ", max_size=30))
def test_no_text_raises_anything_but_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_date(text).tzinfo is UTC


offsets = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=offsets)  # noqa: DTZ001 - Hypothesis wants them without an offset


@given(moments)
def test_formatting_keeps_the_instant_to_the_millisecond(moment: datetime) -> None:
    text = format_date(moment)
    assert len(text) == len("2024-01-01T00:00:00.000Z")
    assert text.endswith("Z")
    assert parse_date(text) == floor_to_milliseconds(moment.astimezone(UTC)) == parse_date(moment.isoformat())


@given(moments, moments)
def test_formatted_dates_sort_like_their_instants(one: datetime, other: datetime) -> None:
    floored = floor_to_milliseconds(one.astimezone(UTC)) < floor_to_milliseconds(other.astimezone(UTC))
    assert (format_date(one) < format_date(other)) is floored


def test_a_date_without_an_offset_cannot_be_formatted() -> None:
    with pytest.raises(ValueError, match="without an offset"):
        format_date(datetime(2024, 1, 1))  # noqa: DTZ001


def test_the_current_time_has_whole_milliseconds() -> None:
    now = utc_now()
    assert now.microsecond % 1000 == 0
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)
