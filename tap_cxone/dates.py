"""Dates as the platform writes them: UTC, milliseconds, a literal ``Z``.

One textual form everywhere (wire, bookmark, audit log), because bookmarks are compared as text.
Pure functions; nothing here knows of HTTP, Singer or settings.
"""

from __future__ import annotations

from datetime import UTC, datetime


def parse_date(text: str) -> datetime:
    """Read any ISO 8601 date or date-time.

    An offset is converted to UTC; a form without one is taken as UTC. Precision below a millisecond is cut off,
    as the platform has none.

    Raises:
        ValueError: the text is not an ISO 8601 date.
    """
    from dateutil.parser import isoparse  # noqa: PLC0415 - a tenth of the start-up, for commands that read no date

    try:
        value = isoparse(text.strip())
        value = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError as err:
        raise ValueError(text) from err
    return floor_to_milliseconds(value)


def floor_to_milliseconds(value: datetime) -> datetime:
    """Cut off what the wire format cannot say."""
    return value.replace(microsecond=value.microsecond // 1000 * 1000)


def format_date(value: datetime) -> str:
    """Write an aware date as ``YYYY-MM-DDTHH:MM:SS.mmmZ``.

    Raises:
        ValueError: the date carries no offset, so what instant it means is not known.
    """
    if value.tzinfo is None:
        msg = "a date without an offset has no place on the wire"
        raise ValueError(msg)
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def utc_now() -> datetime:
    """Return the present, to the millisecond."""
    return floor_to_milliseconds(datetime.now(UTC))
