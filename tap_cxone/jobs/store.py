"""What is remembered of jobs from one run to the next, so that none is forgotten: the state, and the job journal.

The state travels with the data and is enough while the target lives to echo it. The journal is a file beside the tap,
flushed to disk: what was meant to be created (before the request) and what was. Neither is trusted: every remembered
job is looked at before it is used, and one that does not fit this run's query, address and client is not looked at.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from tap_cxone.dates import format_date, parse_date, utc_now
from tap_cxone.observability.jsonlines import JsonLinesFile
from tap_cxone.windows import Window, covered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from types import TracebackType

    from tap_cxone.jobs.model import ExportJob

OLDEST_JOB = timedelta(hours=24)
"""A job of an earlier run that is older than this is not used: its export lacks what arrived late since then."""


@dataclass(frozen=True)
class JobRecord:
    """A line of memory: a job, or (without an id) the intention to create one.

    Attributes:
        job_id: id, or none.
        window: what it exports.
        fingerprint: of query, surface, address and client.
        at: when it was written down.
        active_before: with an intention: the exports that were active before the request.
        until: where the run was to end that asked for it, if that lies inside of the window.
    """

    job_id: str | None
    window: Window
    fingerprint: str
    at: datetime
    active_before: tuple[str, ...] = ()
    until: datetime | None = None

    def covers(self, settle: timedelta) -> datetime:
        """Return up to where the job's file has everything, if the platform needs so long until it has it."""
        return covered(self.window, self.at, settle)

    def is_done_at(self, bookmark: datetime, settle: timedelta) -> bool:
        """Tell whether a target with this bookmark has what the job was asked for."""
        return min(self.covers(settle), self.until or self.window.end) <= bookmark

    def to_dict(self) -> dict[str, Any]:
        """Return the form that stands in the state and in the journal."""
        line = {
            "job_id": self.job_id,
            "dateFrom": format_date(self.window.start),
            "dateTo": format_date(self.window.end),
            "fingerprint": self.fingerprint,
            "at": format_date(self.at),
        }
        if self.until:
            line["until"] = format_date(self.until)
        return line if self.job_id else line | {"active_before": list(self.active_before)}

    @classmethod
    def from_dict(cls, line: object) -> JobRecord | None:
        """Read that form; anything else is nothing."""
        with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
            if isinstance(line, dict) and isinstance(line["job_id"], (str, type(None))) and line["job_id"] != "":
                return cls(
                    job_id=line["job_id"],
                    window=Window(parse_date(line["dateFrom"]), parse_date(line["dateTo"])),
                    fingerprint=str(line["fingerprint"]),
                    at=parse_date(line["at"]),
                    active_before=tuple(map(str, line.get("active_before", ()))),
                    until=parse_date(line["until"]) if "until" in line else None,
                )
        return None


class Journal:
    """The job journal: append-only JSON Lines, flushed to disk line by line.

    Args:
        path: the file; none: nothing is remembered.
        scope: names stream, surface, address and client; lines of another scope are not ours.
        settle: how long the platform needs until an event can be exported.

    Attributes:
        last_request: when a job was last asked for, in whatever scope, as far as ``lines`` has seen.
    """

    def __init__(self, path: str | None, scope: str, settle: timedelta) -> None:
        self._scope = scope
        self._settle = settle
        self.last_request: datetime | None = None
        self._path = Path(path).expanduser() if path else None
        self._file = JsonLinesFile(path, "journal_path", durable=True) if path else None

    def lines(self) -> list[JobRecord]:
        """Return what is remembered and not done with, the newest last."""
        kept: list[JobRecord] = []
        began: datetime | None = None
        for line in self._read():
            with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
                remembered = JobRecord.from_dict(line)
                if remembered:
                    self.last_request = max(remembered.at, self.last_request or remembered.at)
                if line["scope"] != self._scope:
                    continue
                if line["event"] in {"began", "completed"}:
                    done = parse_date(line["behind"])
                    if line["event"] == "completed" or began is None or done > began:
                        kept = [other for other in kept if not other.is_done_at(done, self._settle)]
                    began = done if line["event"] == "began" else began
                elif remembered:
                    kept.append(remembered)
        return kept

    def began(self, bookmark: datetime) -> None:
        """Write down the bookmark that a run was given.

        Where it has moved on since the run before, the target has what lies before it: what a later run reads again
        there (a look-back, a full refresh) shall be exported anew.
        """
        self._write("began", {"behind": format_date(bookmark)})

    def completed(self, edge: datetime) -> None:
        """Write down that a run came to its end, and up to where no bookmark will tell the next one so."""
        self._write("completed", {"behind": format_date(edge)})

    def remember(self, remembered: JobRecord) -> None:
        """Write down a job, or the intention to create one."""
        self._write("created" if remembered.job_id else "intended", remembered.to_dict())

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

    def _read(self) -> Iterator[dict[str, Any]]:
        if self._path:
            with self._path.open("rb") as lines:
                for line in lines:
                    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
                        value = msgspec.json.decode(line)
                        if isinstance(value, dict):
                            yield value


class JobStore:
    """What a run knows of jobs of earlier runs, and where it writes down its own.

    Args:
        journal: the journal.
        state: what the state remembers.
        fingerprint: of the query for a window, with surface, address and client.
        settle: how long the platform needs until an event can be exported.
        end: where the run ends. A window that reaches beyond it is not over yet: any job of it will do.
    """

    def __init__(
        self,
        journal: Journal,
        state: Iterable[JobRecord],
        fingerprint: Callable[[Window], str],
        *,
        settle: timedelta,
        end: datetime,
    ) -> None:
        self._journal = journal
        self._fingerprint = fingerprint
        self._end = end
        oldest = utc_now() - OLDEST_JOB

        def usable(line: JobRecord) -> bool:
            whole = line.window.end > end or line.covers(settle) == line.window.end
            return whole and line.at >= oldest and line.fingerprint == fingerprint(line.window)

        self._lines = sorted(
            filter(usable, [*state, *journal.lines()]),
            key=lambda line: line.at,
        )
        self._taken: set[str | None] = set()

    def windows(self) -> list[Window]:
        """Return the windows that were begun, the newest last."""
        return [line.window for line in self._lines]

    def job_ids(self) -> set[str]:
        """Return all remembered jobs."""
        return {line.job_id for line in self._lines if line.job_id}

    def take_jobs(self, window: Window) -> Iterator[JobRecord]:
        """Yield the jobs of a window, the newest first, each once in a run."""
        for line in [line for line in reversed(self._lines) if line.window == window and line.job_id]:
            if line.job_id not in self._taken:
                self._taken.add(line.job_id)
                yield line

    def unanswered(self, window: Window) -> JobRecord | None:
        """Return the newest intention for a window, if no job is known to have come of it."""
        line = next((line for line in reversed(self._lines) if line.window == window), None)
        return line if line and not line.job_id else None

    def intend(self, window: Window, active: Iterable[str]) -> datetime:
        """Write down, before the request, that a job is going to be created; return when that was."""
        intention = JobRecord(None, window, self._fingerprint(window), utc_now(), tuple(active))
        self._journal.remember(intention)
        return intention.at

    def created(self, job: ExportJob) -> JobRecord:
        """Write down a job and return what the state shall carry of it."""
        until = self._end if self._end < job.window.end else None
        remembered = JobRecord(job.job_id, job.window, self._fingerprint(job.window), job.at, until=until)
        self._journal.remember(remembered)
        return remembered
