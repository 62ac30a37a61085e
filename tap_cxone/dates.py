"""Dates as the platform writes them: UTC, milliseconds, a literal ``Z``.

One textual form everywhere (wire, bookmark, audit log), because bookmarks are compared as text.
Pure functions; nothing here knows of HTTP, Singer or settings.
"""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)


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


def as_date_time(text: str) -> str:
    """Bring a date-time of an export into a form that every loader takes (RFC 3339).

    What has that form is returned as it is. ISO 8601 in any other form is written like ``format_date`` does; without
    an offset it is UTC. Nothing else is guessed: whether 10/1 is in January or in October, no file says.

    Raises:
        ValueError: it is none of these.
    """
    text = text.strip()
    if _RFC_3339.fullmatch(text):
        with contextlib.suppress(ValueError):
            datetime.fromisoformat(text)
            return text
    return format_date(parse_date(text))


def utc_now() -> datetime:
    """Return the present, to the millisecond."""
    return floor_to_milliseconds(datetime.now(UTC))
