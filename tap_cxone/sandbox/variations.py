"""How the data of files differs from a perfect export: invalid, repeated, additional, late and corrected records.

Which records are affected depends on their key only, so every file treats a record in the same way. What a file has of
late and corrected records depends on when its job was created, so an old job does not get what has arrived since.
"""

from __future__ import annotations

import zlib
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from tap_cxone.sandbox.events import Record
    from tap_cxone.sandbox.options import SandboxOptions
    from tap_cxone.sandbox.rows import Row

EXTRA_FIELDS = ("channel", "sentimentScore", "context")
_REPEAT_DISTANCE = 25
# An odd hash factor per purpose, so that the selections are independent of each other.
BAD, INVALID_FIRST, REPEATED = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xD6E8FEB86659FD93
LATE, CORRECTED = 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53


def is_selected(key: str, purpose: int, share: float) -> bool:
    """Return whether a key is in the selected share, which differs between purposes."""
    return share > 0 and (zlib.crc32(key.encode()) * purpose & 0xFFFF_FFFF_FFFF_FFFF) >> 32 < share * 2**32


def is_bad(event: Record, share: float) -> bool:
    """Return whether the event is invalid in every file."""
    return is_selected(event["id"], BAD, share)


def row_key(row: Row, columns: tuple[str, ...]) -> str:
    """Return the key of a row, unique within its entity; `columns` are those that identify it."""
    return " ".join(row[column] for column in columns)


def apply_variations(events: Iterable[Record], options: SandboxOptions) -> Iterator[Record]:
    """Yield the events with the invalid and repeated records and the additional fields of the options."""
    if not (options.bad_records or options.repeated_records or options.invalid_first or options.extra_fields):
        yield from events
        return
    waiting: deque[tuple[int, Record]] = deque()
    for position, event in enumerate(events):
        while waiting and waiting[0][0] <= position:
            yield waiting.popleft()[1]
        record = _with_extra_fields(event) if options.extra_fields else event
        if is_bad(event, options.bad_records):
            yield _make_invalid(record)
            continue
        if is_selected(event["id"], INVALID_FIRST, options.invalid_first):
            yield _without(record, "agentId")
        yield record
        if is_selected(event["id"], REPEATED, options.repeated_records):
            waiting.append((position + _REPEAT_DISTANCE, record))
    for _, record in waiting:
        yield record


def _without(record: Record, name: str) -> Record:
    return {key: value for key, value in record.items() if key != name}


def _make_invalid(record: Record) -> Record:
    """Make a record invalid, in one of five ways that are invalid in CSV as well."""
    variants = (
        lambda: _without(record, "botId"),
        lambda: {**record, "duration": "unknown"},
        lambda: {**record, "agentId": None},
        lambda: _without(record, "id"),
        lambda: _without(record, "dateFrom"),
    )
    return variants[zlib.crc32(record["id"].encode()) % len(variants)]()


def _with_extra_fields(event: Record) -> Record:
    number = zlib.crc32(event["id"].encode())
    context = {"language": "en", "turns": number % 12}
    return {**event, "channel": "chat", "sentimentScore": number % 200 / 100 - 1, "context": context}


class Lateness:
    """Tells which version of a record files hold at some time: none, the first or the final one."""

    def __init__(self, options: SandboxOptions) -> None:
        """Take shares and delay from the options."""
        self._late = options.late_records
        self._corrected = options.corrected_records
        self._delay = timedelta(minutes=options.late_minutes)
        self.is_used = bool(self._delay and (self._late or self._corrected))

    def is_late(self, key: str) -> bool:
        """Return whether files lack the record with that key at first."""
        return is_selected(key, LATE, self._late)

    def is_corrected(self, key: str) -> bool:
        """Return whether files hold a first version of the record with that key at first."""
        return is_selected(key, CORRECTED, self._corrected)

    def events(self, events: Iterable[Record], now: datetime) -> Iterator[Record]:
        """Yield the versions of events that the file of a job created at that time holds."""
        if not self.is_used:
            yield from events
            return
        final_until = f"{now - self._delay:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
        for event in events:
            if event["dateFrom"] <= final_until:
                yield event
            elif not self.is_late(event["id"]):
                # The first version dates from before the end of the event was known.
                first = {**event, "dateTo": event["dateFrom"], "duration": 0}
                yield first if self.is_corrected(event["id"]) else event

    def row(self, row: Row, key: tuple[str, ...], age: timedelta) -> Row | None:
        """Return the version of a row of that age; None if files do not have it yet."""
        if not self.is_used or age >= self._delay:
            return row
        text = row_key(row, key)
        if self.is_late(text):
            return None
        if not self.is_corrected(text):
            return row
        # The first version has key and dates only.
        return {column: cell if column in key or "Date" in column else "" for column, cell in row.items()}
