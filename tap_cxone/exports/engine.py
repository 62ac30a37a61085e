"""The export engine: creates, follows and fetches the jobs of a run; hands over verified files in window order.

It knows neither Singer nor records: what makes a file good is told by the ``verify`` function that it is given.
"""

from __future__ import annotations

import itertools
import logging
import random
import time
from typing import TYPE_CHECKING

from tap_cxone.dates import format_date
from tap_cxone.errors import AnswerLostError, CorruptExportError, ExportFailedError
from tap_cxone.exports.job import BusyError, ExportFile, ExportJob, ExportSurface, JobState, JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import Any

    from tap_cxone.audit import AuditLog
    from tap_cxone.exports.windows import Window

JOB_ATTEMPTS = 3
"""Jobs spent on one window before the run gives up."""
FETCH_ATTEMPTS = 3
"""Downloads of one job's file before it counts as damaged on the platform."""
FIRST_LOOK_SECONDS = 0.2
LOOK_GROWTH = 1.5
FIRST_BUSY_PAUSE_SECONDS = 1.0
LONGEST_BUSY_PAUSE_SECONDS = 30.0

logger = logging.getLogger("tap-cxone")


class ExportEngine:
    """Exports windows through one platform surface.

    Args:
        surface: where jobs are created.
        audit: told of every job.
        folder: where files lie between download and consumption; removed by its owner.
        verify: reads a whole file and returns what it learned.
            Raises CorruptExportError where the file is cut off or damaged.
        poll_seconds: longest pause between two looks at a job.
        timeout_seconds: until a job that has not finished counts as failed, and longest wait for a free place.
        sleep: pauses for so many seconds.
    """

    def __init__(  # noqa: PLR0913 - what the engine is made of
        self,
        surface: ExportSurface,
        *,
        stream: str,
        audit: AuditLog,
        folder: Path,
        verify: Callable[[Path], Any],
        poll_seconds: float,
        timeout_seconds: float,
        sleep: Callable[[float], None],
    ) -> None:
        self._surface = surface
        self._stream = stream
        self._audit = audit
        self._folder = folder
        self._verify = verify
        self._poll_seconds = poll_seconds
        self._timeout_seconds = timeout_seconds
        self._sleep = sleep
        self._numbers = itertools.count()

    def exports(self, windows: Iterable[Window]) -> Iterator[ExportFile]:
        """Export windows, in their order, each as a verified file.

        A file is removed when the next one is asked for.

        Raises:
            ExportFailedError: a window could not be exported. No window is ever skipped.
        """
        for window in windows:
            export = self._export(window)
            try:
                yield export
            finally:
                export.path.unlink(missing_ok=True)

    def _export(self, window: Window) -> ExportFile:
        started = time.monotonic()
        for attempt in range(1, JOB_ATTEMPTS + 1):
            job = self._create(window)
            status = self._follow(job)
            if status.state is JobState.COMPLETED:
                try:
                    return self._fetch(job, started)
                except CorruptExportError as err:
                    status = JobStatus(JobState.FAILED, err.message)
            self._audit.event("export_job_failed", **self._names(job), reason=status.reason, attempt=attempt)
        msg = (
            f"Window {window} of {self._stream} could not be exported: job {job.job_id}, attempt {attempt} of "
            f"{JOB_ATTEMPTS}: {status.reason or 'the platform gave no reason'}. The bookmark stays before this window."
        )
        raise ExportFailedError(msg)

    def _create(self, window: Window) -> ExportJob:
        deadline = time.monotonic() + self._timeout_seconds
        for pause in _growing(FIRST_BUSY_PAUSE_SECONDS, LONGEST_BUSY_PAUSE_SECONDS, factor=2.0):
            try:
                if len(self._surface.active()) < self._surface.most_active:
                    return self._create_now(window)
            except BusyError:
                pass
            except AnswerLostError:
                for export in self._surface.active():
                    if self._surface.is_ours(export, window):
                        logger.info("Window %s: the answer was lost, but job %s was created", window, export.job_id)
                        return ExportJob(export.job_id, window)
            if time.monotonic() + pause > deadline:
                break
            logger.info("Window %s waits for a free place among the active exports; next look in %.0f s", window, pause)
            self._sleep(pause)
        msg = (
            f"Window {window} of {self._stream} found no free place in {self._timeout_seconds:.0f} s (export_timeout): "
            f"{self._surface.most_active} exports of the organisation are active."
        )
        raise ExportFailedError(msg)

    def _create_now(self, window: Window) -> ExportJob:
        asked = time.monotonic()
        job = ExportJob(self._surface.create(window), window)
        self._audit.event(
            "export_job_created",
            **self._names(job),
            format=self._surface.format,
            compression=self._surface.compression,
            latency_ms=round((time.monotonic() - asked) * 1000),
        )
        return job

    def _follow(self, job: ExportJob) -> JobStatus:
        """Look at a job until it has ended or its time is up."""
        created = time.monotonic()
        for pause in _growing(FIRST_LOOK_SECONDS, self._poll_seconds, factor=LOOK_GROWTH):
            left = self._timeout_seconds - (time.monotonic() - created)
            if left <= 0:
                break
            self._sleep(min(pause, left))
            status = self._surface.status(job.job_id)
            if not status.state.active:
                if status.state is JobState.COMPLETED:
                    seconds = round(time.monotonic() - created, 3)
                    self._audit.event("export_job_completed", **self._names(job), seconds=seconds)
                return status
        return JobStatus(JobState.FAILED, f"not finished after {self._timeout_seconds:.0f} s (export_timeout)")

    def _fetch(self, job: ExportJob, started: float) -> ExportFile:
        path = self._folder / f"export-{next(self._numbers)}"
        for attempt in range(1, FETCH_ATTEMPTS + 1):
            with path.open("wb") as file:
                size = self._surface.download(job.job_id, file)
            try:
                scan = self._verify(path)
            except CorruptExportError as err:
                logger.warning("Job %s, download %d of %d: %s", job.job_id, attempt, FETCH_ATTEMPTS, err.message)
                path.unlink()
                if attempt == FETCH_ATTEMPTS:
                    raise
                self._sleep(FIRST_LOOK_SECONDS * attempt)
            else:
                return ExportFile(job, path, size, time.monotonic() - started, scan)
        raise AssertionError  # pragma: no cover - the loop returns or raises

    def _names(self, job: ExportJob) -> dict[str, Any]:
        return {
            "stream": self._stream,
            "job_id": job.job_id,
            "dateFrom": format_date(job.window.start),
            "dateTo": format_date(job.window.end),
        }


def _growing(first: float, longest: float, *, factor: float) -> Iterator[float]:
    """Yield pauses in seconds that grow to the longest, jittered so that several runs do not march in step."""
    pause = first
    while True:
        yield min(pause, longest) * random.uniform(0.9, 1.0)  # noqa: S311 - no secret hangs on it
        pause = min(pause * factor, longest)
