"""The rows of Data Extraction entities: an endless, deterministic table per entity, computed on demand."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tap_cxone.sandbox.entities import ENTITIES
from tap_cxone.sandbox.events import FIRST_DAY
from tap_cxone.sandbox.seeds import RowSeed
from tap_cxone.sandbox.variations import BAD, is_selected

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime

    from tap_cxone.sandbox.lateness import Lateness
    from tap_cxone.sandbox.seeds import Row

_DAY = 86_400_000
_MILLISECOND = timedelta(milliseconds=1)


class RowStream:
    """The rows of a platform with `rows_per_day` rows of each entity per day; every `quiet_days`-th day has none."""

    def __init__(self, rows_per_day: int, quiet_days: int, lateness: Lateness) -> None:
        """Set the number of rows per day; `quiet_days` 0 means that every day has rows."""
        self._per_day = rows_per_day
        self._quiet_days = quiet_days
        self._lateness = lateness

    def between(self, entity: str, version: str, start: date, end: date, now: datetime) -> Iterator[Row]:
        """Yield the rows of the days [start, end) that exports hold now, by date, in the columns of the version.

        Raises:
            KeyError: the entity or version is unknown.
        """
        columns = ENTITIES[entity].versions[version]
        make_row = ENTITIES[entity].make_row
        last = (now - FIRST_DAY) // _MILLISECOND
        for seed in self._seeds(entity, start, end, last):
            age = timedelta(milliseconds=last - seed.milliseconds)
            if row := self._lateness.row(make_row(seed), ENTITIES[entity].key, age):
                yield {column: row[column] for column in columns}

    def _seeds(self, entity: str, start: date, end: date, last: int) -> Iterator[RowSeed]:
        group_size = ENTITIES[entity].rows_per_moment
        for day in range(max(0, _day_number(start)), min(_day_number(end), last // _DAY + 1)):
            if self._quiet_days and day % self._quiet_days == self._quiet_days - 1:
                continue
            for number in range(self._per_day):
                moment = day * _DAY + self._offset(day, number - number % group_size)
                if moment > last:
                    return
                yield RowSeed(entity, day, number, moment)

    def _offset(self, day: int, number: int) -> int:
        """Return the time of a row in milliseconds after midnight; the first row of a day is at midnight exactly."""
        if not number:
            return 0
        # The jitter is smaller than the distance between two rows, so the order never changes.
        jitter = (day * self._per_day + number) * 2_654_435_761 % 2**32 % max(1, _DAY // self._per_day)
        return number * _DAY // self._per_day + jitter


def key_of(entity: str, row: Row) -> str:
    """Return the key of a row, unique within its entity."""
    return " ".join(row[column] for column in ENTITIES[entity].key)


def is_bad_row(entity: str, row: Row, share: float) -> bool:
    """Return whether the row has a wrong number of cells in every file."""
    return is_selected(key_of(entity, row), BAD, share)


def _day_number(day: date) -> int:
    return (day - FIRST_DAY.date()).days
