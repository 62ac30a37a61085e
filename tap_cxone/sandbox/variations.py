"""What exports do to events: invalid records, repeated ones, unknown fields. Pure functions of the event's id.

Which events are touched depends on nothing but their id, so every export of an event treats it alike.
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
_REPEATED_AFTER = 25
# An odd factor for each purpose: the purposes choose independently of one another.
BAD, INVALID_FIRST, REPEATED = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xD6E8FEB86659FD93


def is_bad(event: Record, share: float) -> bool:
    """Tell whether exports hold the event in an invalid form only."""
    return struck(event["id"], BAD, share)


def varied(events: Iterable[Record], options: SandboxOptions) -> Iterator[Record]:
    """Yield the records of an export: the events, in the shape and the number that the options ask for."""
    if not (options.bad_records or options.repeated_records or options.invalid_first or options.extra_fields):
        yield from events
        return
    waiting: deque[tuple[int, Record]] = deque()
    for position, event in enumerate(events):
        while waiting and waiting[0][0] <= position:
            yield waiting.popleft()[1]
        record = _with_extra_fields(event) if options.extra_fields else event
        if is_bad(event, options.bad_records):
            yield _spoilt(record)
            continue
        if struck(event["id"], INVALID_FIRST, options.invalid_first):
            yield _without(record, "agentId")
        yield record
        if struck(event["id"], REPEATED, options.repeated_records):
            waiting.append((position + _REPEATED_AFTER, record))
    for _, record in waiting:
        yield record


def struck(key: str, purpose: int, share: float) -> bool:
    """Choose a share of the keys, a different one for each purpose."""
    return share > 0 and (zlib.crc32(key.encode()) * purpose & 0xFFFF_FFFF_FFFF_FFFF) >> 32 < share * 2**32


def _without(record: Record, name: str) -> Record:
    return {key: value for key, value in record.items() if key != name}


def _spoilt(record: Record) -> Record:
    """Make a record invalid, in one of five ways that are invalid in CSV as well."""
    ways = (
        lambda: _without(record, "botId"),
        lambda: {**record, "duration": "unknown"},
        lambda: {**record, "agentId": None},
        lambda: _without(record, "id"),
        lambda: _without(record, "dateFrom"),
    )
    return ways[zlib.crc32(record["id"].encode()) % len(ways)]()


def _with_extra_fields(event: Record) -> Record:
    number = zlib.crc32(event["id"].encode())
    context = {"language": "en", "turns": number % 12}
    return {**event, "channel": "chat", "sentimentScore": number % 200 / 100 - 1, "context": context}
