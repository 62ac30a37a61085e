"""The rows that extractions hold: an endless, deterministic table for each entity, computed and never stored.

Pure arithmetic over days, like the events; knows neither files nor jobs.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tap_cxone.sandbox.entities import ENTITIES, Seed
from tap_cxone.sandbox.events import FIRST_DAY
from tap_cxone.sandbox.variations import BAD, struck

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime

    from tap_cxone.sandbox.entities import Row

_DAY = 86_400_000
_MILLISECOND = timedelta(milliseconds=1)


class RowStream:
    """The rows of a platform with so many of each entity a day; every `quiet_days`-th day has none (0: all have)."""

    def __init__(self, rows_per_day: int, quiet_days: int = 0) -> None:
        """Set the density."""
        self._per_day = rows_per_day
        self._quiet_days = quiet_days

    def between(self, entity: str, version: str, start: date, end: date, now: datetime) -> Iterator[Row]:
        """Yield the rows of the days from start to before end that are not later than now, in order of their date.

        Each has the columns of the version in their order. KeyError for an unknown entity or version.
        """
        columns = ENTITIES[entity].versions[version]
        make = ENTITIES[entity].make
        for seed in self._seeds(entity, start, end, (now - FIRST_DAY) // _MILLISECOND):
            row = make(seed)
            yield {column: row[column] for column in columns}

    def _seeds(self, entity: str, start: date, end: date, last: int) -> Iterator[Seed]:
        together = ENTITIES[entity].together
        for day in range(max(0, _number(start)), min(_number(end), last // _DAY + 1)):
            if self._quiet_days and day % self._quiet_days == self._quiet_days - 1:
                continue
            for number in range(self._per_day):
                moment = day * _DAY + self._offset(day, number - number % together)
                if moment > last:
                    return
                yield Seed(entity, day, number, moment)

    def _offset(self, day: int, number: int) -> int:
        """Tell when a row is, in milliseconds after midnight; the first one of a day is of midnight exactly."""
        if not number:
            return 0
        # A row may be late by less than the distance to the next one, so the order never changes.
        late = (day * self._per_day + number) * 2_654_435_761 % 2**32 % max(1, _DAY // self._per_day)
        return number * _DAY // self._per_day + late


def key_of(entity: str, row: Row) -> str:
    """Return the text that names a row among those of its entity."""
    return " ".join(row[column] for column in ENTITIES[entity].key)


def is_bad_row(entity: str, row: Row, share: float) -> bool:
    """Tell whether files hold the row with a wrong number of cells only."""
    return struck(key_of(entity, row), BAD, share)


def _number(day: date) -> int:
    return (day - FIRST_DAY.date()).days
