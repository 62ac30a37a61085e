"""Times of the report: the dates of the audit log as milliseconds since 1970, UTC, and back. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from tap_cxone.dates import format_date, parse_date

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST, _LATEST = (
    round((datetime(*day, tzinfo=UTC) - _EPOCH).total_seconds() * 1000) for day in ((1, 1, 2), (9999, 12, 30))
)


def parse_ms(text: str | None) -> int | None:
    """Return an ISO 8601 date as milliseconds since 1970, UTC; None if the text is not a date."""
    if not text:
        return None
    try:
        value = datetime.fromisoformat(text)
        value = value if value.tzinfo else value.replace(tzinfo=UTC)
    except ValueError:
        try:
            value = parse_date(text)
        except ValueError:
            return None
    passed = value - _EPOCH
    milliseconds = (passed.days * 86_400 + passed.seconds) * 1000 + passed.microseconds // 1000
    # With an offset, a date can lie outside the years 1 to 9999 in UTC.
    return milliseconds if _EARLIEST <= milliseconds <= _LATEST else None


def as_datetime(milliseconds: int) -> datetime:
    """Return milliseconds since 1970 as a datetime in UTC; the nearest possible one if they are out of range."""
    # A time computed from a figure of the log can lie outside the years 1 to 9999.
    seconds, rest = divmod(min(max(milliseconds, _EARLIEST), _LATEST), 1000)
    return datetime.fromtimestamp(seconds, tz=UTC).replace(microsecond=rest * 1000)


def format_ms(milliseconds: int | None) -> str | None:
    """Return milliseconds since 1970 as the audit log writes dates."""
    return None if milliseconds is None else format_date(as_datetime(milliseconds))
