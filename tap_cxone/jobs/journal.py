"""The job journal: a local file that records export jobs, so that they survive the loss of a run's state.

Append-only JSON Lines. Each line is on the disk before the next step: the intention to create a job (before the
request) and the job itself (after the response).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from tap_cxone.dates import format_date, parse_date
from tap_cxone.jobs.model import InvalidJobIdError, valid_job_id
from tap_cxone.observability.jsonlines import UNREADABLE, JsonLinesFile
from tap_cxone.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta
    from types import TracebackType

_MALFORMED = (KeyError, TypeError, ValueError, AttributeError, InvalidJobIdError)


@dataclass(frozen=True)
class JobRecord:
    """The record of a job, or (without an id) of the intention to create one.

    Attributes:
        job_id: the platform's id, or None.
        window: the window that it exports.
        fingerprint: digest of query, API, address and client.
        requested_at: when it was requested.
        active_before: of an intention: ids of the exports that were active before the request.
        until: end of the run that requested it, if that lies within the window; else None.
    """

    job_id: str | None
    window: Window
    fingerprint: str
    requested_at: datetime
    active_before: tuple[str, ...] = ()
    until: datetime | None = None

    # Dates are compared as differences, because a date in a damaged file may be too early for its difference with
    # ``settle`` to be a date.

    def had_settled(self, settle: timedelta) -> bool:
        """Return whether the platform had every event of the window when the job was requested."""
        return self.requested_at - self.window.end >= settle

    def is_loaded_at(self, bookmark: datetime, settle: timedelta) -> bool:
        """Return whether a target with this bookmark has everything that the job was created for."""
        needed_until = min(self.until or self.window.end, self.window.end)
        return needed_until <= bookmark or self.requested_at - bookmark <= settle

    def to_dict(self) -> dict[str, Any]:
        """Return the form in which state and journal hold it."""
        line: dict[str, Any] = {
            "job_id": self.job_id,
            "dateFrom": format_date(self.window.start),
            "dateTo": format_date(self.window.end),
            "fingerprint": self.fingerprint,
            "at": format_date(self.requested_at),
        }
        if self.until:
            line["until"] = format_date(self.until)
        if not self.job_id:
            line["active_before"] = list(self.active_before)
        return line

    @classmethod
    def from_dict(cls, line: object) -> JobRecord | None:
        """Read the form that ``to_dict`` returns; return None for anything else."""
        with contextlib.suppress(*_MALFORMED):
            if isinstance(line, dict):
                return cls(
                    job_id=None if line["job_id"] is None else valid_job_id(line["job_id"]),
                    window=Window(parse_date(line["dateFrom"]), parse_date(line["dateTo"])),
                    fingerprint=str(line["fingerprint"]),
                    requested_at=parse_date(line["at"]),
                    active_before=tuple(map(str, line.get("active_before", ()))),
                    until=parse_date(line["until"]) if "until" in line else None,
                )
        return None


class _Replay:
    """Follows the lines of a journal, and keeps the jobs and intentions whose data may not have been loaded yet."""

    def __init__(self, settle: timedelta) -> None:
        self.kept: list[JobRecord] = []
        self._settle = settle
        self._last_start: datetime | None = None
        self._last_end: datetime | None = None
        self._done: tuple[JobRecord, ...] = ()

    def apply(self, event: str, bookmark: datetime) -> None:
        """Drop what a run has loaded that began, completed or ended with a bookmark."""
        if event == "began":
            if self._last_start is None or bookmark > self._last_start:
                self._drop_loaded(bookmark)
            if self._last_end and bookmark >= self._last_end:
                self.kept = [record for record in self.kept if record not in self._done]
            self._last_start = bookmark
        elif event == "completed":
            self._drop_loaded(bookmark)
        elif event == "ended":
            self._last_end, self._done = bookmark, tuple(self.kept)

    def _drop_loaded(self, bookmark: datetime) -> None:
        self.kept = [record for record in self.kept if not record.is_loaded_at(bookmark, self._settle)]


class Journal:
    """The journal of one stream; the file may be shared by several. Thread-safe for writing.

    Args:
        path: the file; None: nothing is recorded.
        scope: identifies stream, API, address and client; lines of another scope are ignored.
        settle: how long the platform takes until an event can be exported.

    Attributes:
        last_request: when a job was last requested, in any scope, as far as ``records`` has read.

    Raises:
        CxoneError: the file cannot be opened.
    """

    def __init__(self, path: str | None, scope: str, settle: timedelta) -> None:
        self._scope = scope
        self._settle = settle
        self.last_request: datetime | None = None
        self._path = Path(path).expanduser() if path else None
        self._file = JsonLinesFile(path, "journal_path", durable=True) if path else None

    def records(self) -> list[JobRecord]:
        """Return the jobs and intentions whose data may not have been loaded yet, the newest last."""
        replay = _Replay(self._settle)
        for line in self._lines():
            with contextlib.suppress(*_MALFORMED):
                record = JobRecord.from_dict(line)
                if record:
                    self.last_request = max(record.requested_at, self.last_request or record.requested_at)
                if line["scope"] != self._scope:
                    continue
                if record:
                    replay.kept.append(record)
                else:
                    replay.apply(line["event"], parse_date(line["behind"]))
        return replay.kept

    def record_start(self, bookmark: datetime) -> None:
        """Write the bookmark with which a run begins.

        If it has moved since the previous run, the target has everything up to it, and older jobs are not used again:
        what a later run reads again (look-back, full refresh) has to be exported anew.
        """
        self._write("began", {"behind": format_date(bookmark)})

    def record_completion(self, loaded_until: datetime) -> None:
        """Write that a run has completed.

        Args:
            loaded_until: the target has everything up to this time, although no later bookmark will show it: the
                look-back before the run's first bookmark, or a full read.
        """
        self._write("completed", {"behind": format_date(loaded_until)})

    def record_end(self, bookmark: datetime) -> None:
        """Write the last bookmark of a run that has completed.

        A run that begins at it has everything of that run, also what is later than the bookmark.
        """
        self._write("ended", {"behind": format_date(bookmark)})

    def record(self, record: JobRecord) -> None:
        """Write a job, or the intention to create one."""
        self._write("created" if record.job_id else "intended", record.to_dict())

    def __enter__(self) -> Self:
        """Return the open journal."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        if self._file:
            self._file.close()

    def _write(self, event: str, fields: dict[str, Any]) -> None:
        if self._file:
            self._file.write({"event": event, "scope": self._scope, **fields})

    def _lines(self) -> Iterator[dict[str, Any]]:
        if self._path:
            with self._path.open("rb") as lines:
                for line in lines:
                    with contextlib.suppress(*UNREADABLE):
                        value = msgspec.json.decode(line)
                        if isinstance(value, dict):
                            yield value
