"""The bot conversation events: an endless, deterministic stream, computed on demand.

The n-th event of a day has a fixed start. Any range is found directly, and a range split into parts yields the same
events as a whole.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Record = dict[str, Any]

FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
FIELDS = ("id", "type", "dateFrom", "dateTo", "botId", "agentId", "duration")
EVENT_TYPE = "bot"

_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
_MILLISECOND = timedelta(milliseconds=1)
_HOUR = 3_600_000
_DAY = 24 * _HOUR

_BOTS = ("bot-billing", "bot-booking", "bot-delivery", "bot-faq", "bot-orders", "bot-returns", "bot-support")
_AGENTS = tuple(f"agent-{number:03}" for number in range(1, 42))
# These include zero and whole numbers: a client must not treat them as missing or as a wrong type.
_DURATIONS = tuple((ms, ms // 1000 if ms % 1000 == 0 else ms / 1000) for ms in range(0, 900_000, 875))

_MINUTES = tuple(f"T{hour:02}:{minute:02}:" for hour in range(24) for minute in range(60))
_SECONDS = tuple(f"{second:02}" for second in range(60))
_MILLIS = tuple(f".{milli:03}Z" for milli in range(1000))


def as_utc(moment: datetime) -> datetime:
    """Convert to UTC; a datetime without an offset is taken as UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def parse_timestamp(text: str) -> datetime:
    """Parse a timestamp of exactly the form `YYYY-MM-DDTHH:MM:SS.mmmZ`; another form is a ValueError."""
    if _TIMESTAMP.fullmatch(text) is None:
        msg = "must have the form YYYY-MM-DDTHH:MM:SS.mmmZ"
        raise ValueError(msg)
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


class EventStream:
    """The events of a platform with `events_per_day` events per day; every `quiet_days`-th day has none."""

    def __init__(self, events_per_day: int, quiet_days: int = 0) -> None:
        """Set the number of events per day; `quiet_days` 0 means that every day has events."""
        self._per_day = events_per_day
        self._quiet_days = quiet_days
        # The jitter is smaller than the distance between two events, so the order never changes.
        self._max_jitter = max(1, _DAY // events_per_day) if events_per_day else _DAY

    def between(self, start: datetime, end: datetime) -> Iterator[Record]:
        """Yield the events whose dateFrom is in [start, end), ordered by dateFrom."""
        for day, first, last in self._days(start, end):
            yield from self._events_of_day(day, first, last)

    def count(self, start: datetime, end: datetime) -> int:
        """Return how many events `between` yields, without generating them."""
        return sum(last - first for _, first, last in self._days(start, end))

    def _days(self, start: datetime, end: datetime) -> Iterator[tuple[int, int, int]]:
        """Yield (days since 2024-01-01, first event number, last event number + 1) for each day with events."""
        begin, stop = max(0, _since_first_day(start)), _since_first_day(end)
        for day in range(begin // _DAY, -(-stop // _DAY)):
            if self._quiet_days and day % self._quiet_days == self._quiet_days - 1:
                continue
            midnight = day * _DAY
            first, last = self._seek(day, begin - midnight), self._seek(day, stop - midnight)
            if first < last:
                yield day, first, last

    def _seek(self, day: int, offset: int) -> int:
        """Return the first event of a day that starts at or after the offset in milliseconds after midnight."""
        if offset <= 0:
            return 0
        return bisect_left(range(self._per_day), offset, key=lambda number: self._offset(day, number))

    def _offset(self, day: int, number: int) -> int:
        """Return the start of an event in milliseconds after midnight. Full hours get no jitter: they test edges."""
        base = number * _DAY // self._per_day
        return base + _hashed(day * self._per_day + number) % self._max_jitter if base % _HOUR else base

    def _events_of_day(self, day: int, first: int, last: int) -> Iterator[Record]:
        """Yield events of one day. This is the hot loop of every export, so it inlines `_offset`."""
        date, next_date, id_prefix, salt = _day_constants(day)
        per_day, max_jitter, first_index = self._per_day, self._max_jitter, day * self._per_day
        for number in range(first, last):
            hashed = ((first_index + number) * 2_654_435_761 & 0xFFFF_FFFF) >> 4
            start = number * _DAY // per_day
            if start % _HOUR:
                start += hashed % max_jitter
            length, duration = _DURATIONS[hashed % 1029]
            end = start + length
            end_date = date
            if end >= _DAY:
                end -= _DAY
                end_date = next_date
            yield {
                # An odd factor permutes the 48-bit numbers, so ids are unique within a day.
                "id": f"{id_prefix}{(number * 0x5DEE_CE66D + salt) & 0xFFFF_FFFF_FFFF:012x}",
                "type": EVENT_TYPE,
                "dateFrom": f"{date}{_MINUTES[start // 60_000]}{_SECONDS[start // 1000 % 60]}{_MILLIS[start % 1000]}",
                "dateTo": f"{end_date}{_MINUTES[end // 60_000]}{_SECONDS[end // 1000 % 60]}{_MILLIS[end % 1000]}",
                "botId": _BOTS[hashed % 7],
                "agentId": _AGENTS[hashed % 41],
                "duration": duration,
            }


def _since_first_day(moment: datetime) -> int:
    """Return milliseconds since 2024-01-01, rounded up, so that a range holds no event that starts before it."""
    return -((FIRST_DAY - as_utc(moment)) // _MILLISECOND)


def _hashed(index: int) -> int:
    """Hash an index to 28 pseudo-random bits."""
    return (index * 2_654_435_761 & 0xFFFF_FFFF) >> 4


@lru_cache(maxsize=64)
def _day_constants(day: int) -> tuple[str, str, str, int]:
    """Return what the events of a day have in common: date, next date, start of the ids and their salt."""
    digest = hashlib.sha256(b"cxone-sandbox day %d" % day).hexdigest()
    id_prefix = f"{digest[:8]}-{digest[8:12]}-4{digest[12:15]}-a{digest[15:18]}-"
    date = FIRST_DAY + timedelta(days=day)
    return f"{date:%Y-%m-%d}", f"{date + timedelta(days=1):%Y-%m-%d}", id_prefix, int(digest[20:32], 16)
