"""What an upserting target holds, and what it gives to the next run after it has died or lost its last states."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.schedules.schedule import Loss
    from tests.schedules.surfaces import Key, Records


@dataclass
class Target:
    """The records by key, the latest version of each, and the state for the next run.

    Attributes:
        keys: names of the key fields.
        records: what has been loaded.
        state: the state that has been committed last.
    """

    keys: tuple[str, ...]
    records: Records = field(default_factory=dict)
    state: dict[str, Any] | None = None
    _checkpoints: list[tuple[dict[str, Any] | None, Records]] = field(default_factory=list)

    def begin_run(self) -> None:
        """Keep what the target can fall back to."""
        self._checkpoints = [(self.state, self.records.copy())]

    def key_of(self, record: dict[str, Any]) -> Key:
        return tuple(record[name] for name in self.keys)

    def load(self, record: dict[str, Any]) -> None:
        self.records[self.key_of(record)] = record

    def commit(self, state: dict[str, Any]) -> None:
        self.state = state
        self._checkpoints.append((state, self.records.copy()))

    def lose(self, loss: Loss) -> None:
        """Fall back to an earlier state of this run, and perhaps to the records that had been loaded then."""
        state, records = self._checkpoints[max(0, len(self._checkpoints) - 1 - loss.states)]
        self.state = state
        if loss.records:
            self.records = records
