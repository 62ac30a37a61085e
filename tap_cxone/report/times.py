"""Times of the report: the dates of the audit log as milliseconds since 1970, UTC, and back. Pure.

Dates before 1970 or after 2099 are mistakes. They count as unreadable, like a text that is not a date.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tap_cxone.dates import format_date

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LIMIT = (datetime(2100, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND


def parse_ms(text: str | None) -> int | None:
    """Return an ISO 8601 date as milliseconds since 1970, UTC; None if the text is not a date from 1970 to 2099."""
    if not text:
        return None
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        return None
    passed = ((value if value.tzinfo else value.replace(tzinfo=UTC)) - _EPOCH) // _MILLISECOND
    return passed if 0 <= passed < _LIMIT else None


def as_ms(value: datetime) -> int:
    """Return an aware datetime as milliseconds since 1970."""
    return (value - _EPOCH) // _MILLISECOND


def before(milliseconds: int, seconds: float | None) -> int:
    """Return a time some seconds earlier, but not before 1970: the log may hold any figure."""
    return max(milliseconds - round((seconds or 0) * 1000), 0)


def as_datetime(milliseconds: int) -> datetime:
    """Return milliseconds since 1970 as a datetime in UTC."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def format_ms(milliseconds: int | None) -> str | None:
    """Return milliseconds since 1970 as the audit log writes dates."""
    return None if milliseconds is None else format_date(as_datetime(milliseconds))
