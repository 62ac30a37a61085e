"""What differs between the two surfaces: configuration, key, date, and how to ask the platform for its records."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from tap_cxone.sandbox.variations import Lateness
from tests.conftest import by_key, config_for
from tests.end_to_end.helpers import ENTITIES, WORKFLOWS, catalog_for, expected_rows, extraction_config
from tests.schedules.schedule import START

if TYPE_CHECKING:
    from datetime import datetime

    from tap_cxone.sandbox import Sandbox
    from tests.schedules.schedule import Schedule

    Key = tuple[Any, ...]
    Records = dict[Key, dict[str, Any]]

_ONE_DAY = timedelta(days=1)


class Stream(ABC):
    """A stream of the tap, and its records on the platform."""

    name: ClassVar[str]
    keys: ClassVar[tuple[str, ...]]
    date_field: ClassVar[str]

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._lateness = Lateness(sandbox.options)

    @abstractmethod
    def settings(self, schedule: Schedule) -> dict[str, Any]:
        """Return the settings that only this surface has."""

    @abstractmethod
    def records(self, now: datetime) -> Records:
        """Return what complete exports would hold now."""

    def is_late(self, key: Key) -> bool:
        """Return whether exports lack this record at first."""
        return self._lateness.is_used and self._lateness.is_late(" ".join(key))


class BotConversations(Stream):
    """Events of the analytics exports."""

    name = "bot_conversations"
    keys = ("id",)
    date_field = "dateFrom"

    def settings(self, schedule: Schedule) -> dict[str, Any]:
        return config_for(self.sandbox, window_days=schedule.window_days)

    def records(self, now: datetime) -> Records:
        return by_key(self.sandbox.events(START, now + _ONE_DAY), self.keys)


class Workflows(Stream):
    """Rows of an entity of the Data Extraction API."""

    name = WORKFLOWS
    keys = ENTITIES[WORKFLOWS][2]
    date_field = "submission_date"

    def settings(self, schedule: Schedule) -> dict[str, Any]:
        return extraction_config(self.sandbox, extraction_window_days=schedule.window_days)

    def records(self, now: datetime) -> Records:
        return by_key(expected_rows(self.sandbox, self.name, START.date(), (now + _ONE_DAY).date()), self.keys)


def stream_of(schedule: Schedule, sandbox: Sandbox) -> Stream:
    """Return the stream that a schedule reads."""
    return BotConversations(sandbox) if schedule.surface == BotConversations.name else Workflows(sandbox)


@cache
def catalog_of(name: str) -> dict[str, Any]:
    """Return the catalog in which only this stream is selected."""
    return catalog_for(name)
