"""Following a job: ask for its status until it is completed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tap_cxone.jobs.model import JobFailedError, JobState

if TYPE_CHECKING:
    from tap_cxone.jobs.context import JobContext
    from tap_cxone.jobs.model import ExportJob
    from tap_cxone.jobs.polling import PollSchedule

logger = logging.getLogger("tap-cxone")


class JobFollower:
    """Waits for jobs to complete. Thread-safe.

    Args:
        context: what the steps of a job share.
        schedule: gives the pause before each status call, and learns from completed jobs.
    """

    def __init__(self, context: JobContext, schedule: PollSchedule) -> None:
        self._api = context.api
        self._policy = context.policy
        self._listener = context.listener
        self._cancellation = context.cancellation
        self._clock = context.clock
        self._schedule = schedule

    def follow(self, job: ExportJob) -> None:
        """Return when a job is completed.

        Raises:
            JobFailedError: it failed, is gone, or did not finish in time.
        """
        timeout = self._policy.timeout_seconds
        started = self._clock.monotonic()
        queue_seconds: float | None = None
        last_state: JobState | None = None
        self._listener.polling(job, None)
        while (elapsed := self._clock.monotonic() - started) < timeout:
            self._cancellation.sleep(min(self._schedule.pause(elapsed), timeout - elapsed))
            status = self._api.status(job.job_id)
            seconds = self._clock.monotonic() - started
            if status.state is JobState.COMPLETED:
                self._schedule.record_duration(seconds)
                self._listener.job_completed(job, seconds, queue_seconds)
                return
            if not status.state.active:
                raise JobFailedError(job, status.reason, may_split=status.state is not JobState.GONE)
            if status.state is not last_state:
                # How long a job was queued is only known if it was seen in the queue.
                if last_state is JobState.QUEUED and status.state is JobState.RUNNING:
                    queue_seconds = seconds
                last_state = status.state
                self._listener.polling(job, last_state)
                logger.info("Window %s: job %s is %s", job.window, job.job_id, last_state.value)
        raise JobFailedError(job, f"not finished after {timeout:.0f} s ({self._policy.timeout_source})")
