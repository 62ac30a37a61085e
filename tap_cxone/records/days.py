"""How many records there are of each day, UTC: counted on the way, since nobody can tell afterwards. Pure."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from operator import attrgetter, itemgetter, methodcaller
from typing import TYPE_CHECKING, Any

from tap_cxone.dates import parse_date

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_DAYS = 1000
"""Different days that are counted for one export; records of any further one are not counted by day."""
_day_of, _zone_of = methodcaller("date"), attrgetter("tzinfo")
_beginning_of, _end_of = itemgetter(slice(0, 10)), itemgetter(-1)


def count_days(values: Iterable[object]) -> Counter[date]:
    """Count dates by their day; what is no date is left out.

    Args:
        values: aware dates, or texts in ISO 8601.
    """
    held: list[Any] = list(values)
    try:  # the two that are usual, without a step of Python's for each
        if set(map(_zone_of, held)) == {UTC}:
            return Counter(map(_day_of, held))
    except AttributeError:
        pass
    try:
        if set(map(_end_of, held)) == {"Z"}:
            counted = Counter(map(_beginning_of, held))
            return Counter({date.fromisoformat(text): count for text, count in counted.items()})
    except (LookupError, TypeError, ValueError):
        pass
    return Counter(day for day in map(_day, held) if day)


def add_days(days: Counter[date], more: Counter[date]) -> None:
    """Add counts to others, in place."""
    for day, count in more.items():
        if day in days or len(days) < MAX_DAYS:
            days[day] += count


def getter(field: str | None) -> Callable[[Any], object]:
    """Return what takes the date out of a record."""
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
