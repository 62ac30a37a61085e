"""Variations of the records in exports: invalid records, repeated records and additional fields.

Which events are affected only depends on their id, so every export treats an event in the same way.
"""

from __future__ import annotations

import zlib
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_cxone.sandbox.events import Record
    from tap_cxone.sandbox.options import SandboxOptions

EXTRA_FIELDS = ("channel", "sentimentScore", "context")
_REPEAT_DISTANCE = 25
# An odd hash factor per purpose, so that the selections are independent of each other.
BAD, INVALID_FIRST, REPEATED = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xD6E8FEB86659FD93
LATE, CORRECTED = 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53


def is_bad(event: Record, share: float) -> bool:
    """Return whether the event is invalid in every export."""
    return is_selected(event["id"], BAD, share)


def apply_variations(events: Iterable[Record], options: SandboxOptions) -> Iterator[Record]:
    """Yield the records of an export: the events with the variations of the options."""
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


def is_selected(key: str, purpose: int, share: float) -> bool:
    """Return whether a key is in the selected share, which differs between purposes."""
    return share > 0 and (zlib.crc32(key.encode()) * purpose & 0xFFFF_FFFF_FFFF_FFFF) >> 32 < share * 2**32


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
