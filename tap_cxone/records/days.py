"""Records per UTC day, counted while an export is verified. Pure."""

from __future__ import annotations

from collections import Counter
from datetime import date
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from tap_cxone.dates import parse_date

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_DAYS = 1000
"""Different days counted for one export. Records of further days are left out of the counts."""
_get_date_text, _get_last_character = itemgetter(slice(0, 10)), itemgetter(-1)


def count_days(values: Iterable[object]) -> Counter[date]:
    """Count dates, given as ISO 8601 strings, by UTC day; values that are not dates are left out."""
    dates: list[Any] = list(values)
    # A fast path for the usual case, all of them ending with Z: no Python code per value.
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


def _day(value: object) -> date | None:
    if not isinstance(value, str):
        return None
    try:
        return date.fromisoformat(value[:10]) if value.endswith("Z") else parse_date(value).date()
    except ValueError:
        return None
