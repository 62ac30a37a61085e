"""What the state says of one stream: its bookmark, and the jobs that travel with it.

A bookmark is moved by windows only, and it is written out together with the jobs that are still of use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_cxone.dates import format_date, parse_date
from tap_cxone.errors import CxoneError
from tap_cxone.jobs.store import JobRecord

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from datetime import datetime

JOBS_IN_STATE = "export_jobs"
"""Key in the stream's bookmark under which jobs travel with the state: id, window, fingerprint, and when."""


class StreamState:
    """One stream's part of the state.

    Args:
        state: that part, which is changed in place.
        stream: name of the stream, for messages.
        replication_key: what the bookmark has to be of; none where there is none (a full read).
        write: sends the whole state out.
    """

    def __init__(
        self, state: MutableMapping[str, Any], *, stream: str, replication_key: str | None, write: Callable[[], None]
    ) -> None:
        self._state = state
        self._stream = stream
        self._replication_key = replication_key
        self._write = write

    def bookmark(self) -> datetime | None:
        """Return the bookmark, or none.

        Raises:
            CxoneError: it is no date.
        """
        text = self._state.get("replication_key_value")
        of_this_key = self._state.get("replication_key", self._replication_key) == self._replication_key
        if not self._replication_key or not text or not of_this_key:
            return None
        try:
            return parse_date(text)
        except (ValueError, AttributeError):
            msg = f"The bookmark of '{self._stream}' in the state is no ISO 8601 date: correct or remove it."
            raise CxoneError(msg) from None

    def commit(self, edge: datetime, behind: datetime) -> str | None:
        """Move the bookmark to an edge, never backwards, and write it out with the jobs of later windows.

        Args:
            edge: up to where the target has everything.
            behind: where the window ends that has been written.

        Returns:
            The bookmark as it stands in the state now.
        """
        if self._replication_key:
            bookmark = self.bookmark()
            self._state["replication_key"] = self._replication_key
            self._state["replication_key_value"] = format_date(max(edge, bookmark) if bookmark else edge)
        self._keep([job for job in self.jobs() if job.window.start >= behind])
        return self._state.get("replication_key_value")

    def jobs(self) -> list[JobRecord]:
        """Return the jobs that the state remembers."""
        lines = self._state.get(JOBS_IN_STATE)
        return list(filter(None, map(JobRecord.from_dict, lines if isinstance(lines, list) else [])))

    def remember(self, job: JobRecord) -> None:
        """Send a job out with the state before it is first looked at; it takes the place of one with its start."""
        self._keep([*(other for other in self.jobs() if other.window.start != job.window.start), job])

    def _keep(self, jobs: list[JobRecord]) -> None:
        self._state.pop(JOBS_IN_STATE, None)
        if jobs:
            self._state[JOBS_IN_STATE] = [job.to_dict() for job in jobs]
        self._write()
