"""Late data: events and rows that exports lack, or hold in a first version, for some time after their date.

Which records are affected only depends on their key. What an export holds depends on the time at which its job was
created, so an old job does not get what has arrived since.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tap_cxone.sandbox.variations import CORRECTED, LATE, is_selected

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from tap_cxone.sandbox.events import Record
    from tap_cxone.sandbox.options import SandboxOptions
    from tap_cxone.sandbox.seeds import Row


class Lateness:
    """Tells which version of a record exports hold at some time: none, the first or the final one."""

    def __init__(self, options: SandboxOptions) -> None:
        """Take shares and delay from the options."""
        self._late = options.late_records
        self._corrected = options.corrected_records
        self.delay = timedelta(minutes=options.late_minutes)
        self.is_used = bool(self.delay and (self._late or self._corrected))

    def is_late(self, key: str) -> bool:
        """Return whether exports lack the record with that key at first."""
        return is_selected(key, LATE, self._late)

    def is_corrected(self, key: str) -> bool:
        """Return whether exports hold a first version of the record with that key at first."""
        return is_selected(key, CORRECTED, self._corrected)

    def events(self, events: Iterable[Record], now: datetime) -> Iterator[Record]:
        """Yield the versions of events that an export created at that time holds."""
        if not self.is_used:
            yield from events
            return
        final_until = f"{now - self.delay:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
        for event in events:
            if event["dateFrom"] <= final_until:
                yield event
            elif not self.is_late(event["id"]):
                yield _first_event(event) if self.is_corrected(event["id"]) else event

    def row(self, row: Row, key: tuple[str, ...], age: timedelta) -> Row | None:
        """Return the version of a row of that age; None if exports do not have it yet."""
        if not self.is_used or age >= self.delay:
            return row
        text = " ".join(row[column] for column in key)
        if self.is_late(text):
            return None
        return _first_row(row, key) if self.is_corrected(text) else row


def _first_event(event: Record) -> Record:
    """Return an event as it was before its end was known."""
    return {**event, "dateTo": event["dateFrom"], "duration": 0}


def _first_row(row: Row, key: tuple[str, ...]) -> Row:
    """Return a row with key and dates only."""
    return {column: cell if column in key or "Date" in column else "" for column, cell in row.items()}
