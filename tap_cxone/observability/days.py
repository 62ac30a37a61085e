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
_get_date_text = itemgetter(slice(0, 10))


def count_days(values: Iterable[object]) -> Counter[date]:
    """Count dates, given as ISO 8601 strings, by UTC day; values that are not dates are left out."""
    dates: list[Any] = list(filter(None, values))
    # A fast path for the usual case, all of them ending with Z: no Python code per value.
    try:
        if "".join(dates).count("Z") == len(dates):
            first, last = min(dates, default="")[:10], max(dates, default="")[:10]
            texts = Counter({first: len(dates)}) if first == last else Counter(map(_get_date_text, dates))
            return Counter({date.fromisoformat(text): count for text, count in texts.items() if count})
    except (TypeError, ValueError):
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
