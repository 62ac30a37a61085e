"""Records per UTC day, counted while an export is read. Pure."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from operator import attrgetter, itemgetter, methodcaller
from typing import TYPE_CHECKING, Any

from tap_cxone.dates import parse_date

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_DAYS = 1000
"""Different days counted for one export. Records of further days are left out of the counts."""
_get_day, _get_zone = methodcaller("date"), attrgetter("tzinfo")
_get_date_text, _get_last_character = itemgetter(slice(0, 10)), itemgetter(-1)


def count_days(values: Iterable[object]) -> Counter[date]:
    """Count dates by UTC day; values that are not dates are left out.

    Args:
        values: aware datetimes, or strings in ISO 8601.
    """
    dates: list[Any] = list(values)
    # Two fast paths for the usual cases, all UTC datetimes and all strings ending with Z: no Python code per value.
    try:
        if set(map(_get_zone, dates)) == {UTC}:
            return Counter(map(_get_day, dates))
    except AttributeError:
        pass
    try:
        if set(map(_get_last_character, dates)) == {"Z"}:
            counted = Counter(map(_get_date_text, dates))
            return Counter({date.fromisoformat(text): count for text, count in counted.items()})
    except (LookupError, TypeError, ValueError):
        pass
    return Counter(day for day in map(_day, dates) if day)


def add_days(days: Counter[date], more: Counter[date]) -> None:
    """Add counts per day to ``days`` in place, up to ``MAX_DAYS`` different days."""
    for day, count in more.items():
        if day in days or len(days) < MAX_DAYS:
            days[day] += count


def date_getter(field: str | None) -> Callable[[Any], object]:
    """Return a function from a record to the value of its date field; without a date field it returns None."""
    return attrgetter(field) if field else lambda _: None


def _day(value: object) -> date | None:
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).date()
    if isinstance(value, str):
        try:
            return date.fromisoformat(value[:10]) if value.endswith("Z") else parse_date(value).date()
        except ValueError:
            return None
    return None
