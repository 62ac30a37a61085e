"""The job store: which export jobs of earlier runs can be used, and where the jobs of this run are recorded.

Jobs are recorded in two places. The state travels with the data and is enough unless the target is killed before it
emits the state. The journal survives a killed target. Neither is trusted: every recorded job is looked up before it is
used, and one that does not fit this run's query, address and client is ignored.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from tap_cxone.dates import utc_now
from tap_cxone.jobs.journal import JobRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from tap_cxone.jobs.journal import Journal
    from tap_cxone.jobs.model import ExportJob
    from tap_cxone.windows import Window

MAX_JOB_AGE = timedelta(hours=24)
"""An older job of an earlier run is not used: its export lacks what has arrived since."""


class JobStore:
    """The jobs of one stream. Thread-safe.

    Args:
        journal: the job journal.
        state: the jobs in the state.
        fingerprint: returns the digest of the query for a window, with API, address and client.
        announce: passes a job on to the owner of the state; returns when the state has been written.
        settle: how long the platform takes until an event can be exported.
        end: end of the run. A window that extends beyond it cannot be complete, so any job for it can be used.
    """

    def __init__(
        self,
        journal: Journal,
        state: Sequence[JobRecord],
        fingerprint: Callable[[Window], str],
        announce: Callable[[JobRecord], None],
        *,
        settle: timedelta,
        end: datetime,
    ) -> None:
        self._journal = journal
        self._fingerprint = fingerprint
        self._announce = announce
        self._settle = settle
        self._end = end
        now = utc_now()
        remembered = sorted([*state, *journal.records()], key=lambda record: record.requested_at)
        recent = [record for record in remembered if now - record.requested_at <= MAX_JOB_AGE and self._fits(record)]
        # A job of the future was requested with a wrong clock: nobody knows what its file lacks.
        self._records = [record for record in recent if record.requested_at <= now and self._is_whole(record)]
        self.last_request = max(
            filter(None, [journal.last_request, *(record.requested_at for record in state)]), default=None
        )
        """When a job was last requested, by this stream or by another one that shares the journal."""
        self._lock = threading.Lock()
        self._ours = {record.job_id: record.window for record in recent if record.job_id}
        self._taken: set[str] = set()

    def windows(self) -> list[Window]:
        """Return the windows of earlier runs' jobs and intentions, the newest last."""
        return [record.window for record in self._records]

    def ours(self, job_ids: Iterable[str]) -> set[str]:
        """Return which of these jobs are ours, from this run or an earlier one."""
        with self._lock:
            return self._ours.keys() & set(job_ids)

    def window_of(self, job_id: str) -> Window | None:
        """Return the window of one of our jobs, from this run or an earlier one."""
        with self._lock:
            return self._ours.get(job_id)

    def take_job(self, window: Window) -> JobRecord | None:
        """Return the newest job of a window that was not returned before; None if there is no other."""
        with self._lock:
            for record in reversed(self._records):
                if record.window == window and record.job_id and record.job_id not in self._taken:
                    self._taken.add(record.job_id)
                    return record
        return None

    def announce(self, record: JobRecord) -> None:
        """Have a job written with the state; return when that is done."""
        self._announce(record)

    def open_intention(self, window: Window) -> JobRecord | None:
        """Return the newest intention to create a job for a window, if no job is known to have resulted from it."""
        record = next((record for record in reversed(self._records) if record.window == window), None)
        return record if record and not record.job_id else None

    def record_intention(self, window: Window, active: Iterable[str]) -> datetime:
        """Record, before the request, that a job is going to be created; return the time of the request."""
        intention = JobRecord(None, window, self._fingerprint(window), utc_now(), tuple(active))
        self._journal.record(intention)
        return intention.requested_at

    def record_job(self, job: ExportJob) -> JobRecord:
        """Record a new job in the journal, before anything else is done with it."""
        until = self._end if self._end < job.window.end else None
        record = JobRecord(job.job_id, job.window, self._fingerprint(job.window), job.requested_at, until=until)
        with self._lock:
            self._ours[job.job_id] = job.window
        self._journal.record(record)
        return record

    def _fits(self, record: JobRecord) -> bool:
        return record.fingerprint == self._fingerprint(record.window)

    def _is_whole(self, record: JobRecord) -> bool:
        return record.window.end > self._end or record.had_settled(self._settle)
