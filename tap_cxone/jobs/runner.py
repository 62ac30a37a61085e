"""Exporting one window: create, follow, fetch, and get around what fails. Runs in a thread of the engine.

Everything waits here with plain, sequential code; who runs when is the engine's business.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from codecs import BOM_UTF8
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_cxone.dates import utc_now
from tap_cxone.errors import (
    CorruptExportError,
    CxoneError,
    ExportFailedError,
    OutcomeUnknownError,
    RunCancelledError,
    UnfitExportError,
)
from tap_cxone.jobs.model import AsyncJobApi, BusyError, ExportFile, ExportJob, JobGoneError, JobState
from tap_cxone.jobs.polling import PollSchedule, growing_pauses
from tap_cxone.jobs.slots import JobSlots
from tap_cxone.observability.metrics import job_duration
from tap_cxone.observability.progress import Stage
from tap_cxone.windows import halves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from tap_cxone.cancellation import CancellationToken
    from tap_cxone.jobs.model import ActiveExport
    from tap_cxone.jobs.store import JobRecord, JobStore
    from tap_cxone.observability.audit_log import AuditLog
    from tap_cxone.observability.progress import StreamProgress
    from tap_cxone.windows import Window

JOB_ATTEMPTS = 2
"""Jobs spent on a window before it is cut in halves."""
MAX_JOBS_PER_WINDOW = 64
"""Jobs spent on one window of the run, all halves of halves included. Where every job fails, 22 lead from thirty days
down to an hour; where the platform only balks at long windows, this is enough for fifty short ones."""
FETCH_ATTEMPTS = 3
"""Downloads of one job's file before it counts as damaged on the platform."""
MAX_REFUSALS = 8
"""Answers in a row that may mean "not now" as well as "never", while the platform has a place, before it is "never"."""
MAX_LOST_ANSWERS = 8
"""Requests for one job whose answer did not arrive, or was a 5xx, before the run gives up."""
FIRST_BUSY_PAUSE_SECONDS = 0.5
LONGEST_BUSY_PAUSE_SECONDS = 30.0

logger = logging.getLogger("tap-cxone")


class JobFailedError(Exception):
    """One job came to nothing; another one may do better."""

    def __init__(self, job: ExportJob, reason: str) -> None:
        super().__init__(reason)
        self.job = job
        self.reason = reason or "the platform gave no reason"


@dataclass
class Spent:
    """What has been spent on one window of the run, and what was learned from it."""

    jobs: int = 0
    failing: timedelta = field(default=timedelta.max)
    """Windows of this length have failed while shorter ones did not: they are not tried again."""


class JobRunner:
    """Exports windows one at a time, for as many threads as call it.

    Args:
        surface: where jobs are created.
        stream: name of the stream, for messages.
        run_id: what the run is called in the audit log.
        progress: told where each window stands.
        audit: told of every job.
        memory: jobs of earlier runs, and where this run's are written down.
        announce: hands a new job over to whoever writes the state; returns when it is written.
        folder: where files lie between download and consumption.
        verify: reads a whole file and returns what it learned; raises CorruptExportError.
        poll_seconds: longest pause between two looks at a job.
        timeout_seconds: until a job counts as failed, and longest wait for a free place on the platform.
        most_jobs: jobs of ours that may be active at once.
        stop: ends every wait.
    """

    def __init__(  # noqa: PLR0913 - what an exporter is made of
        self,
        surface: AsyncJobApi,
        *,
        stream: str,
        run_id: str,
        progress: StreamProgress,
        audit: AuditLog,
        memory: JobStore,
        announce: Callable[[JobRecord], None],
        folder: Path,
        verify: Callable[[Path], Any],
        poll_seconds: float,
        timeout_seconds: float,
        most_jobs: int,
        stop: CancellationToken,
    ) -> None:
        self._surface = surface
        self._stream = stream
        self._run_id = run_id
        self._progress = progress
        self._audit = audit
        self._memory = memory
        self._announce = announce
        self._folder = folder
        self._verify = verify
        self._timeout_seconds = timeout_seconds
        self._most_jobs = most_jobs
        self._stop = stop
        self._pacing = PollSchedule(poll_seconds, surface.first_poll_seconds)
        self._places = JobSlots(most_jobs, stop.check)
        self._turn_to_create = JobSlots(1, stop.check)
        self._turn_to_verify = JobSlots(1, stop.check)
        self._ours = memory.job_ids()
        self._failed: Window | None = None
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def files(self, window: Window) -> Iterator[ExportFile]:
        """Export a window: as one file, or as several in order where it had to be cut.

        Raises:
            ExportFailedError: it could not be exported. Files that were yielded before are good.
        """
        try:
            yield from self._files(window, Spent())
        except CxoneError:
            self._progress.leave(window)
            with self._lock:
                self._failed = min(window, self._failed or window)
            raise

    def _files(self, window: Window, spent: Spent) -> Iterator[ExportFile]:
        length = window.end - window.start
        shortest = self._surface.min_window
        if length < spent.failing or length <= shortest:
            failure: JobFailedError | None = None
            for attempt in range(1, JOB_ATTEMPTS + 1):
                if spent.jobs >= MAX_JOBS_PER_WINDOW:
                    break
                try:
                    export = self._one_job(window, spent, last=attempt == JOB_ATTEMPTS)
                except JobFailedError as err:
                    failure = err
                    self._progress.count(jobs_failed=1)
                    self._audit.event("export_job_failed", **self._names(err.job), reason=err.reason)
                else:
                    yield export
                    return
            if length <= shortest or spent.jobs >= MAX_JOBS_PER_WINDOW:
                raise self._given_up(window, spent, failure)
            spent.failing = length
        self._progress.leave(window)
        logger.info("Window %s is exported in halves", window)
        for half in halves(window, self._surface.granularity):
            yield from self._files(half, spent)

    def _one_job(self, window: Window, spent: Spent, *, last: bool) -> ExportFile:
        """Take the file of a remembered job, or of a new one; believe the last one if it is empty all the same."""
        self._progress.enter(window, Stage.PLACE)
        with self._places.acquire(window):
            started = time.monotonic()
            job, state = self._remembered(window)
            if job is None:
                spent.jobs += 1
                job, state = self._create(window), JobState.QUEUED
            if state.active:
                self._follow(job)
        return self._fetch(job, started, empty_too=last)

    # --- Jobs of earlier runs -----------------------------------------------------------------------------------------

    def _remembered(self, window: Window) -> tuple[ExportJob | None, JobState]:
        """Find a job of an earlier run that is still good for something; each is looked at once."""
        for remembered in self._memory.take_jobs(window):
            job = ExportJob(str(remembered.job_id), window, remembered.at)
            state = self._surface.status(job.job_id).state
            logger.info("Window %s: job %s of an earlier run is %s", window, job.job_id, state.value)
            if state.active or state is JobState.COMPLETED:
                self._announce(remembered)
                return job, state
        return None, JobState.GONE

    # --- Creating -----------------------------------------------------------------------------------------------------

    def _create(self, window: Window) -> ExportJob:
        """Create a job as soon as the platform has a place for it."""
        with self._turn_to_create.acquire(window):
            deadline = time.monotonic() + self._timeout_seconds
            unanswered = self._memory.unanswered(window)
            lost_before = set(unanswered.active_before) if unanswered else None
            lost_at = unanswered.at if unanswered else utc_now()
            lost_answers = refusals = 0
            for longer in growing_pauses(FIRST_BUSY_PAUSE_SECONDS, LONGEST_BUSY_PAUSE_SECONDS):
                pause = longer
                self._check_worth(window)
                self._wait_for_next(window)
                active = self._surface.list_active()
                if lost_before is not None and (found := self._find(window, active, lost_before, lost_at)):
                    return found
                lost_before = None
                ids = {export.job_id for export in active}
                asked = utc_now()
                try:
                    if self._has_place(ids):
                        return self._create_now(window, ids)
                    refusals = 0
                    wait = f"waits for a place: {len(ids)} exports are active"
                except BusyError as err:
                    refusals = refusals + 1 if err.refusal else 0
                    if err.refusal and refusals == MAX_REFUSALS:
                        raise err.refusal from None
                    # The next request waits for its turn anyway.
                    pause = min(pause, max(FIRST_BUSY_PAUSE_SECONDS, self._surface.seconds_until_create()))
                    wait = "waits for a place: the platform takes no job now"
                except OutcomeUnknownError as err:
                    lost_before, lost_at = ids, asked
                    lost_answers += 1
                    if lost_answers == MAX_LOST_ANSWERS:
                        raise
                    wait = f"does not know whether its job was created ({err.message})"
                if (left := deadline - time.monotonic()) <= 0:
                    break
                pause = min(pause, left)
                self._progress.note(window, wait)
                logger.info("Window %s %s; looking again in %.1f s", window, wait, pause)
                self._stop.sleep(pause)
            whose = "by a job of ours that does not finish" if ids & self._ours else "by others"
            msg = (
                f"Window {window} of {self._stream} found no free place in {self._timeout_seconds:.0f} s "
                f"(export_timeout): the organisation's places for active exports are taken, {whose}."
            )
            raise ExportFailedError(msg)

    def _wait_for_next(self, window: Window) -> None:
        """Wait until the platform may be asked for another job."""
        if seconds := self._surface.seconds_until_create():
            until = utc_now() + timedelta(seconds=seconds)
            self._progress.note(window, f"the platform wants creates apart: until {until:%H:%M:%SZ}")
            logger.info("Window %s waits %.1f s: the platform wants creates apart (submit_interval)", window, seconds)
            self._stop.sleep(seconds)

    def _has_place(self, active: set[str]) -> bool:
        # The platform's list is the truth: a job that was given up may still hold a place.
        return len(active) < self._surface.max_active and len(active & self._ours) < self._most_jobs

    def _create_now(self, window: Window, active: set[str]) -> ExportJob:
        intended = self._memory.intend(window, active)
        asked = time.monotonic()
        job = ExportJob(self._surface.create(window), window, intended)
        return self._created(job, latency_ms=round((time.monotonic() - asked) * 1000))

    def _find(self, window: Window, active: list[ActiveExport], before: set[str], asked: datetime) -> ExportJob | None:
        """Find the job that a request without an answer has made: new in the list, and with the very query."""
        for export in active:
            if export.job_id not in before and self._surface.matches_query(export, window):
                return self._created(ExportJob(export.job_id, window, asked), latency_ms=None)
        return None

    def _check_worth(self, window: Window) -> None:
        """Refuse to create a job behind a window at which the run is going to end."""
        if self._failed and window >= self._failed:
            raise RunCancelledError(f"Window {self._failed} has failed.")  # noqa: EM102, TRY003 - nobody gets to read it

    def _created(self, job: ExportJob, latency_ms: int | None) -> ExportJob:
        """Write a new job down everywhere before anything else is done with it."""
        with self._lock:
            self._ours.add(job.job_id)
        self._progress.count(jobs=1)
        remembered = self._memory.created(job)
        self._audit.event(
            "export_job_created",
            **self._names(job),
            format=self._surface.format,
            compression=self._surface.compression,
            latency_ms=latency_ms,
        )
        self._announce(remembered)
        return job

    # --- Following and fetching ---------------------------------------------------------------------------------------

    def _follow(self, job: ExportJob) -> None:
        """Look at a job until it is completed.

        Raises:
            JobFailedError: it failed, is gone, or did not finish in time.
        """
        created = time.monotonic()
        queued: float | None = None
        stage = Stage.CREATED
        self._progress.enter(job.window, stage)
        while (elapsed := time.monotonic() - created) < self._timeout_seconds:
            self._stop.sleep(min(self._pacing.pause(elapsed), self._timeout_seconds - elapsed))
            status = self._surface.status(job.job_id)
            if status.state is JobState.COMPLETED:
                self._completed(job, time.monotonic() - created, queued)
                return
            if status.state is JobState.RUNNING and stage is not Stage.RUNNING:
                # Where it was running at the first look already, nobody knows since when.
                queued = time.monotonic() - created if stage is Stage.QUEUED else None
            if not status.state.active:
                raise JobFailedError(job, status.reason)
            stage = self._seen(job, stage, status.state)
        raise JobFailedError(job, f"not finished after {self._timeout_seconds:.0f} s (export_timeout)")

    def _seen(self, job: ExportJob, stage: Stage, state: JobState) -> Stage:
        """Tell where an active job stands now, if that is new, and return it."""
        now = Stage.RUNNING if state is JobState.RUNNING else Stage.QUEUED
        if now is not stage:
            self._progress.enter(job.window, now)
            logger.info("Window %s: job %s is %s", job.window, job.job_id, now.value)
        return now

    def _completed(self, job: ExportJob, seconds: float, queued: float | None) -> None:
        """Tell everybody that a job is completed.

        Args:
            job: the job.
            seconds: since it was created.
            queued: how much of that it was queued; none where it was never seen running.
        """
        self._pacing.finished(seconds)
        job_duration(self._stream, seconds)
        queue_seconds = None if queued is None else round(queued, 3)
        self._audit.event(
            "export_job_completed", **self._names(job), seconds=round(seconds, 3), queue_seconds=queue_seconds
        )

    def _fetch(self, job: ExportJob, started: float, *, empty_too: bool) -> ExportFile:
        """Download and verify the file of a completed job.

        A file without a single byte is what an overtired server sends, and also what lines of JSON look like where
        there are none. With ``empty_too`` it is believed when it has stayed so.

        Raises:
            JobFailedError: the file is gone, or stays damaged.
        """
        self._progress.enter(job.window, Stage.DOWNLOADING)
        begun = time.monotonic()
        for attempt in range(1, FETCH_ATTEMPTS + 1):
            with self._lock:
                path = self._folder / f"export-{next(self._numbers)}"
            try:
                with path.open("wb") as file:
                    size = self._surface.download(job.job_id, file)
                self._check_empty(path, job, believed=empty_too and attempt == FETCH_ATTEMPTS)
                # One at a time, the earliest first: reading three files at once makes none of them ready sooner.
                with self._turn_to_verify.acquire(job.window):
                    export = ExportFile(job, path, size, time.monotonic() - started, self._verify(path))
            except JobGoneError as err:
                path.unlink()
                raise JobFailedError(job, str(err) or "the platform does not have its file any more") from err
            except CorruptExportError as err:
                path.unlink()
                logger.warning("Job %s, download %d of %d: %s", job.job_id, attempt, FETCH_ATTEMPTS, err.message)
                damage = err
            else:
                self._downloaded(export, time.monotonic() - begun, attempt)
                return export
            if attempt < FETCH_ATTEMPTS:
                self._stop.sleep(self._pacing.pause(0))
        if isinstance(damage, UnfitExportError):  # another job would bring the same
            msg = f"Window {job.window} of {self._stream} could not be read (job {job.job_id}): {damage.message}."
            raise ExportFailedError(msg)
        raise JobFailedError(job, damage.message)

    def _downloaded(self, export: ExportFile, seconds: float, attempts: int) -> None:
        self._progress.count(bytes=export.size)
        self._progress.enter(export.job.window, Stage.READY)
        self._audit.event(
            "export_downloaded",
            **self._names(export.job),
            bytes=export.size,
            seconds=round(seconds, 3),
            attempts=attempts,
        )

    @staticmethod
    def _check_empty(path: Path, job: ExportJob, *, believed: bool) -> None:
        empty = path.stat().st_size <= len(BOM_UTF8) and path.read_bytes() in {b"", BOM_UTF8}
        if empty and not believed:
            msg = "the file is empty: not even an empty list, or a header, is in it"
            raise CorruptExportError(msg)
        if empty:
            logger.warning("Window %s: its export stays empty, so it counts as one without records", job.window)

    # --- Words --------------------------------------------------------------------------------------------------------

    def _given_up(self, window: Window, spent: Spent, failure: JobFailedError | None) -> ExportFailedError:
        job = f"job {failure.job.job_id}" if failure else "no job"
        reason = failure.reason.rstrip(".") if failure else "too many jobs have failed"
        return ExportFailedError(
            f"Window {window} of {self._stream} could not be exported: {job}, {spent.jobs} attempts with it and the "
            f"longer windows around it: {reason}. What lies before it is done; the next run begins here."
        )

    def _names(self, job: ExportJob) -> dict[str, Any]:
        return {"stream": self._stream, "run_id": self._run_id, **job.fields()}
