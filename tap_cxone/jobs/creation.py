"""Creating a job: wait until the platform has a free slot, and never create the same job twice."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tap_cxone.dates import utc_now
from tap_cxone.errors import ExportFailedError, OutcomeUnknownError, UnavailableError
from tap_cxone.jobs.model import BusyError, ExportJob
from tap_cxone.jobs.polling import growing_pauses
from tap_cxone.jobs.slots import JobSlots

if TYPE_CHECKING:
    from datetime import datetime

    from tap_cxone.jobs.context import JobContext
    from tap_cxone.jobs.model import ActiveExport
    from tap_cxone.jobs.store import JobStore
    from tap_cxone.windows import Window

FIRST_BUSY_PAUSE_SECONDS = 0.5
LONGEST_BUSY_PAUSE_SECONDS = 30.0

logger = logging.getLogger("tap-cxone")


@dataclass
class _Attempts:
    """What the attempts to create one job have shown so far.

    Attributes:
        active_before: ids of the exports that were active before the last request, if its outcome is unknown.
        requested_at: when that request was sent.
        unknown_outcomes: number of requests whose outcome was unknown.
        refusals: number of consecutive refusals while a slot was free.
        pause: seconds to wait before the next attempt.
    """

    active_before: set[str] | None
    requested_at: datetime
    unknown_outcomes: int = 0
    refusals: int = 0
    pause: float = 0.0


class JobCreator:
    """Creates jobs one at a time, the earliest window first. Thread-safe.

    Args:
        context: what the steps of a job share.
        store: records every job.
    """

    def __init__(self, context: JobContext, store: JobStore) -> None:
        self._api = context.api
        self._policy = context.policy
        self._listener = context.listener
        self._cancellation = context.cancellation
        self._clock = context.clock
        self._store = store
        self._turn = JobSlots(1, context.cancellation)

    def close_from(self, window: Window) -> None:
        """Create no more jobs for this window and later ones, because the run is going to end at it."""
        self._turn.close_from(window)

    def create(self, window: Window) -> ExportJob:
        """Create a job as soon as the platform has a free slot.

        Raises:
            ExportFailedError: no slot was free for as long as the export time-out.
            FatalError: the platform refuses to create the job.
            OutcomeUnknownError: the outcome of too many requests is unknown.
        """
        with self._turn.acquire(window):
            deadline = self._clock.monotonic() + self._policy.timeout_seconds
            intention = self._store.open_intention(window)
            attempts = _Attempts(
                set(intention.active_before) if intention else None, intention.requested_at if intention else utc_now()
            )
            for pause in growing_pauses(FIRST_BUSY_PAUSE_SECONDS, LONGEST_BUSY_PAUSE_SECONDS):
                attempts.pause = pause
                self._turn.check(window)
                self._wait_for_throttle(window)
                active = self._api.list_active()
                active_ids = {export.job_id for export in active}
                if job := self._find_lost_job(window, active, attempts):
                    return job
                result = self._attempt(window, active_ids, attempts)
                if isinstance(result, ExportJob):
                    return result
                if (left := deadline - self._clock.monotonic()) <= 0:
                    raise self._no_free_slot(window, active_ids)
                self._wait(window, result, min(attempts.pause, left))
        raise AssertionError  # pragma: no cover - the pauses never end

    def _attempt(self, window: Window, active_ids: set[str], attempts: _Attempts) -> ExportJob | str:
        """Return a new job if there is a free slot; otherwise return what the window is waiting for."""
        if not self._has_free_slot(active_ids):
            attempts.refusals = 0
            return f"waiting for a free slot: {len(active_ids)} exports are active"
        requested_at = utc_now()
        try:
            return self._create_now(window, active_ids)
        except BusyError as err:
            attempts.refusals = attempts.refusals + 1 if err.refusal else 0
            if err.refusal and attempts.refusals == self._policy.max_failed_creates:
                raise err.refusal from None
            # The throttle delays the next request anyway.
            attempts.pause = min(attempts.pause, max(FIRST_BUSY_PAUSE_SECONDS, self._api.seconds_until_create()))
            return "waiting for a free slot: the platform accepts no job at the moment"
        except OutcomeUnknownError as err:
            attempts.active_before, attempts.requested_at = active_ids, requested_at
            attempts.unknown_outcomes += 1
            if attempts.unknown_outcomes == self._policy.max_failed_creates:
                raise self._outcome_unknown(window, err) from err
            return f"waiting to see whether its job was created ({err.message})"

    def _create_now(self, window: Window, active_ids: set[str]) -> ExportJob:
        requested_at = self._store.record_intention(window, active_ids)
        started = self._clock.monotonic()
        job = ExportJob(self._api.create(window), window, requested_at)
        if (other := self._store.window_of(job.job_id)) and other != window:
            msg = (
                f"Window {window} of {self._policy.stream}: the platform answered with the id of the job of another "
                f"window ({other}), whose file does not belong to this one."
            )
            raise ExportFailedError(msg)
        return self._record(job, latency_ms=round((self._clock.monotonic() - started) * 1000))

    def _find_lost_job(self, window: Window, active: list[ActiveExport], attempts: _Attempts) -> ExportJob | None:
        """Find the job of a request whose response was lost: it is new in the list and shows exactly our query."""
        before, attempts.active_before = attempts.active_before, None
        if before is None:
            return None
        for export in active:
            if export.job_id not in before and self._api.matches_query(export, window):
                return self._record(ExportJob(export.job_id, window, attempts.requested_at), latency_ms=None)
        return None

    def _record(self, job: ExportJob, latency_ms: int | None) -> ExportJob:
        record = self._store.record_job(job)
        self._listener.job_created(job, latency_ms)
        self._store.announce(record)
        return job

    def _has_free_slot(self, active_ids: set[str]) -> bool:
        # The platform's list decides: a job that was given up may still occupy a slot.
        ours = self._store.ours(active_ids)
        return len(active_ids) < self._api.max_active and len(ours) < self._policy.max_jobs

    def _wait_for_throttle(self, window: Window) -> None:
        if seconds := self._api.seconds_until_create():
            until = utc_now() + timedelta(seconds=seconds)
            self._listener.waiting(window, f"waiting for submit_interval until {until:%H:%M:%SZ}")
            logger.info("Window %s: waiting %.1f s until the next create is allowed (submit_interval)", window, seconds)
            self._cancellation.sleep(seconds)

    def _wait(self, window: Window, reason: str, seconds: float) -> None:
        self._listener.waiting(window, reason)
        logger.info("Window %s: %s; checking again in %.1f s", window, reason, seconds)
        self._cancellation.sleep(seconds)

    def _outcome_unknown(self, window: Window, last: OutcomeUnknownError) -> OutcomeUnknownError:
        advice = f": {last.advice}" if last.advice else ""
        msg = (
            f"Window {window} of {self._policy.stream}: {self._policy.max_failed_creates} requests to create its job "
            f"had no usable response; the last error: {last.message}{advice}."
        )
        return OutcomeUnknownError(msg)

    def _no_free_slot(self, window: Window, active_ids: set[str]) -> UnavailableError:
        if self._has_free_slot(active_ids):
            cause = "the platform accepts no job, although its list shows a free slot"
        else:
            whose = "a job of ours that does not finish" if self._store.ours(active_ids) else "other integrations"
            cause = f"the organisation's slots for active exports are occupied by {whose}"
        msg = (
            f"Window {window} of {self._policy.stream} found no free slot within {self._policy.timeout_seconds:.0f} s "
            f"({self._policy.timeout_source}): {cause}."
        )
        return UnavailableError(msg)
