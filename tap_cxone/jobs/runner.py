"""The job runner: from one window to its verified file or files, whatever fails on the way.

Plain sequential code that runs in a thread of the orchestrator, which decides what runs when.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

from tap_cxone.errors import CxoneError, ExportFailedError
from tap_cxone.jobs.creation import JobCreator
from tap_cxone.jobs.fetching import FileFetcher
from tap_cxone.jobs.following import JobFollower
from tap_cxone.jobs.model import ExportJob, JobFailedError, JobState, Verified
from tap_cxone.jobs.polling import PollSchedule
from tap_cxone.jobs.slots import JobSlots
from tap_cxone.windows import halves

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cxone.jobs.context import JobContext
    from tap_cxone.jobs.fetching import FileStore
    from tap_cxone.jobs.model import ExportFile
    from tap_cxone.jobs.store import JobStore
    from tap_cxone.windows import Window

JOB_ATTEMPTS = 2
"""Jobs spent on a window before it is split into halves."""
MAX_JOBS_PER_WINDOW = 64
"""Jobs spent on one window of the run, all its parts included. If every job fails, it takes 22 to get from thirty days
down to an hour; if the platform only fails on long windows, 64 are enough for fifty short ones."""

V = TypeVar("V", bound=Verified)

logger = logging.getLogger("tap-cxone")


@dataclass
class _Budget:
    """What one window of the run has cost so far, all its parts included.

    Attributes:
        jobs: number of jobs created.
        too_long: windows of at least this length have failed before, so they are split at once.
    """

    jobs: int = 0
    too_long: timedelta = timedelta.max

    @property
    def is_spent(self) -> bool:
        return self.jobs >= MAX_JOBS_PER_WINDOW


class JobRunner(Generic[V]):
    """Exports windows, one in each thread that calls it. Thread-safe.

    Args:
        context: what the steps of a job share.
        store: jobs of earlier runs, and the record of this run's jobs.
        files: where files are kept and how they are verified.
    """

    def __init__(self, context: JobContext, store: JobStore, files: FileStore[V]) -> None:
        self._api = context.api
        self._policy = context.policy
        self._listener = context.listener
        self._clock = context.clock
        self._store = store
        schedule = PollSchedule(context.policy.poll_seconds, context.api.min_poll_seconds)
        self._slots = JobSlots(context.policy.max_jobs, context.cancellation)
        self._creator = JobCreator(context, store)
        self._follower = JobFollower(context, schedule)
        self._fetcher = FileFetcher(context, files, schedule)

    def files(self, window: Window) -> Iterator[ExportFile[V]]:
        """Export a window: as one file, or as several in order if it had to be split.

        Raises:
            ExportFailedError: it could not be exported. Files that were yielded before are valid.
            CxoneError: the platform is unavailable, refuses, or the run was cancelled.
        """
        try:
            yield from self._files(window, _Budget())
        except CxoneError:
            self._listener.window_left(window)
            self._creator.close_from(window)
            raise

    def _files(self, window: Window, budget: _Budget) -> Iterator[ExportFile[V]]:
        length = window.end - window.start
        is_shortest = length <= self._api.min_window
        if length < budget.too_long or is_shortest:
            file, failure = self._try_jobs(window, budget)
            if file:
                yield file
                return
            if is_shortest or budget.is_spent or (failure and not failure.may_split):
                raise self._given_up(window, budget, failure)
            budget.too_long = length
        self._listener.window_left(window)
        logger.warning("Window %s is split into halves", window)
        for half in halves(window, self._api.granularity):
            yield from self._files(half, budget)

    def _try_jobs(self, window: Window, budget: _Budget) -> tuple[ExportFile[V] | None, JobFailedError | None]:
        """Return the file of the first job that succeeds, or None and the last failure.

        A blank file is accepted if the job before it had one, too.
        """
        failure: JobFailedError | None = None
        for _ in range(JOB_ATTEMPTS):
            if budget.is_spent:
                break
            try:
                return self._run_job(window, budget, accept_blank=failure is not None and failure.is_blank), None
            except JobFailedError as err:
                failure = err.with_traceback(None)  # it is kept, and must not keep what the frames refer to
                self._listener.job_failed(err.job, err.reason)
        return None, failure

    def _run_job(self, window: Window, budget: _Budget, *, accept_blank: bool) -> ExportFile[V]:
        """Return the file of a job of an earlier run, or of a new one."""
        self._listener.waiting_for_slot(window)
        with self._slots.acquire(window):
            started = self._clock.monotonic()
            job, state = self._find_job(window)
            if job is None:
                budget.jobs += 1
                job, state = self._creator.create(window), JobState.QUEUED
            if state.active:
                self._follower.follow(job)
        return self._fetcher.fetch(job, started, accept_blank=accept_blank)

    def _find_job(self, window: Window) -> tuple[ExportJob | None, JobState]:
        """Find a job of an earlier run that is active or completed; each is looked up once."""
        while record := self._store.take_job(window):
            job = ExportJob(str(record.job_id), window, record.requested_at)
            state = self._api.status(job.job_id).state
            logger.info("Window %s: job %s of an earlier run is %s", window, job.job_id, state.value)
            if state.active or state is JobState.COMPLETED:
                self._store.announce(record)
                return job, state
        return None, JobState.GONE

    def _given_up(self, window: Window, budget: _Budget, failure: JobFailedError | None) -> ExportFailedError:
        job = f"job {failure.job.job_id}" if failure else "no job"
        reason = failure.reason.rstrip(".") if failure else "too many jobs have failed"
        return ExportFailedError(
            f"Window {window} of {self._policy.stream} could not be exported: {job}, {budget.jobs} jobs tried for it "
            f"and the longer windows around it: {reason}. Everything before it is done; the next run starts here."
        )
