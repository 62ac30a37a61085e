"""Date-times as the platform writes them: UTC, milliseconds, a literal ``Z``.

Wire, bookmarks and audit log share this one form, because the SDK compares bookmarks as text. Pure functions.
"""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime

OWN_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
"""The form that ``format_date`` writes."""
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


def parse_date(text: str) -> datetime:
    """Parse any ISO 8601 date or date-time into an aware UTC date-time of whole milliseconds.

    An offset is converted to UTC; without one the text is taken as UTC. Anything below a millisecond is cut off,
    because the platform has no finer precision.

    Raises:
        ValueError: the text is not an ISO 8601 date.
    """
    text = text.strip()
    if OWN_FORM.fullmatch(text):  # eight times as fast as the parser below; an audit log has thousands of these
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(text)
    from dateutil.parser import isoparse  # noqa: PLC0415 - a tenth of the start-up time of commands that need no date

    try:
        value = isoparse(text)
        value = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError as err:
        raise ValueError(text) from err
    return floor_to_milliseconds(value)


def floor_to_milliseconds(value: datetime) -> datetime:
    """Cut off the microseconds, which the wire format cannot express."""
    return value.replace(microsecond=value.microsecond // 1000 * 1000)


def format_date(value: datetime) -> str:
    """Format an aware date-time as ``YYYY-MM-DDTHH:MM:SS.mmmZ``.

    Raises:
        ValueError: the date-time has no offset, so it does not name an instant.
    """
    if value.tzinfo is None:
        msg = "a date-time without an offset cannot be written: it does not name an instant"
        raise ValueError(msg)
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def as_date_time(text: str) -> str:
    """Convert a date-time of an export to a form that every loader accepts (RFC 3339).

    RFC 3339 is returned unchanged. Any other form of ISO 8601 is converted as ``format_date`` writes it; without an
    offset it is taken as UTC. Nothing else is guessed, because no file says whether 10/1 is in January or in October.

    Raises:
        ValueError: the text is in neither form.
    """
    text = text.strip()
    if _RFC_3339.fullmatch(text):
        with contextlib.suppress(ValueError):
            datetime.fromisoformat(text)
            return text
    return format_date(parse_date(text))


def utc_now() -> datetime:
    """Return the current time in UTC, to the millisecond."""
    return floor_to_milliseconds(datetime.now(UTC))
