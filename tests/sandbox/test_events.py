"""The events of the sandbox: deterministic, independent of how they are requested."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tap_cxone.sandbox import Sandbox, SandboxOptions
from tap_cxone.sandbox.events import FIELDS, EventStream, parse_timestamp

START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize("per_day", [1, 7, 240, 5000])
@pytest.mark.parametrize("quiet_days", [0, 3])
def test_a_split_range_has_the_same_events(per_day: int, quiet_days: int) -> None:
    stream = EventStream(per_day, quiet_days)
    whole = list(stream.between(START, END))
    assert len(whole) == stream.count(START, END) == per_day * (5 if quiet_days else 7)
    for step in (timedelta(days=2), timedelta(hours=1, milliseconds=37), timedelta(hours=5, microseconds=1)):
        parts: list[dict[str, Any]] = []
        at = START - timedelta(days=3)
        while at < END:
            parts += stream.between(at, min(at + step, END))
            at += step
        assert parts == whole


def test_events_follow_the_contract() -> None:
    events = list(EventStream(480).between(START, END))
    assert len({event["id"] for event in events}) == len(events)
    assert [event["dateFrom"] for event in events] == sorted(event["dateFrom"] for event in events)
    for event in events:
        assert tuple(event) == FIELDS
        assert len(event["id"]) == 36
        assert event["type"] == "bot"
        length = parse_timestamp(event["dateTo"]) - parse_timestamp(event["dateFrom"])
        assert length == timedelta(seconds=event["duration"])
    starts = {event["dateFrom"] for event in events}
    assert starts >= {f"2024-01-0{day}T00:00:00.000Z" for day in range(1, 8)}
    assert len({event["botId"] for event in events}) > 5
    assert {type(event["duration"]) for event in events} == {int, float}
    assert any(event["dateFrom"][:10] < event["dateTo"][:10] for event in events)


def test_streams_can_be_dense_or_empty() -> None:
    second = timedelta(seconds=1)
    dense = list(EventStream(8_640_000).between(END, END + second))
    assert len(dense) == len({event["id"] for event in dense}) == 100
    assert list(EventStream(0).between(START, END)) == []


def test_there_are_no_events_before_2024_or_in_the_future() -> None:
    sandbox = Sandbox(SandboxOptions(events_per_day=24))
    now = datetime.now(UTC)
    assert list(sandbox.events(datetime(2020, 1, 1, tzinfo=UTC), START)) == []
    assert list(sandbox.events(now + timedelta(hours=1), now + timedelta(days=9))) == []
    recent = list(sandbox.events(now - timedelta(days=1), now + timedelta(days=9)))
    assert 23 <= len(recent) <= 25
    assert list(sandbox.events(datetime(2024, 1, 1), datetime(2024, 1, 8))) == list(  # noqa: DTZ001 - treated as UTC
        sandbox.events(START, END)
    )
