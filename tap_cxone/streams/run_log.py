"""The run log of a stream: reports its events to audit log, progress, metrics and quarantine."""

from __future__ import annotations

import contextlib
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import AbortedSyncExceptionBase, MaxRecordsLimitException

from tap_cxone.dates import format_date
from tap_cxone.errors import CxoneError, RunCancelledError
from tap_cxone.jobs.model import JobState
from tap_cxone.observability import metrics
from tap_cxone.observability.audit_log import MAX_ID_CHARACTERS, printable
from tap_cxone.observability.events import EventName
from tap_cxone.observability.progress import Stage
from tap_cxone.observability.summary import count_fields, request_fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from tap_cxone.context import RunContext
    from tap_cxone.jobs.model import AsyncJobApi, ExportFile, ExportJob
    from tap_cxone.records.rejected import InvalidRecord
    from tap_cxone.windows import Window

_MAX_LOGGED_REJECTIONS = 5
"""Rejected records of a window that the log names one by one; the audit log has all of them."""
_STAGES = {None: Stage.CREATED, JobState.QUEUED: Stage.QUEUED, JobState.RUNNING: Stage.RUNNING}

logger = logging.getLogger("tap-cxone")


class StreamRunLog:
    """Records one read of one stream. The methods of ``JobListener`` are called from several threads.

    Args:
        stream: name of the stream.
        context: what the streams of the run share.
    """

    def __init__(self, stream: str, context: RunContext) -> None:
        self._stream = stream
        self._context = context
        self._audit_log = context.audit_log
        self._progress = context.progress.stream(stream)
        self._names: dict[str, Any] = {"stream": stream, "run_id": context.run_id}
        self._range: dict[str, Any] = {}
        self._is_started = False
        self._requests_before = context.progress.requests()
        self._file_fields: dict[str, Any] = {}
        self._surface: str | None = None

    # --- The run ------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def run(self, start: datetime, end: datetime) -> Iterator[None]:
        """Record how the ``with`` block ends, and, unless ``started`` has been called by then, how it began."""
        self._range = {"dateFrom": format_date(start), "dateTo": format_date(end)}
        self._requests_before = self._context.progress.requests()
        outcome, reason = "stopped", None
        try:
            yield
            outcome = "completed"
        except CxoneError as err:
            outcome, reason = ("stopped" if isinstance(err, RunCancelledError) else "failed"), err.message
            self._error(reason)
            raise
        except (AbortedSyncExceptionBase, MaxRecordsLimitException):
            raise
        except Exception as err:
            # Its text may hold a record value.
            outcome, reason = "failed", f"{type(err).__name__}: see the log"
            self._error(reason)
            raise
        finally:
            self.finish(outcome, reason)

    def started(self, bookmark: datetime | None) -> None:
        """Record how the run begins, once: when it is known which tenant the bookmark belongs to.

        Args:
            bookmark: the bookmark. ``cxone-notify`` concludes from it what has been loaded, so it is None in a run that
                failed before its state was compared with the platform.
        """
        if self._is_started:
            return
        self._is_started = True
        text = format_date(bookmark) if bookmark else None
        self._progress.set_bookmark(text)
        self._event(EventName.RUN_STARTED, bookmark=text, **self._range)

    def flush(self) -> None:
        """Record the end of a run whose process is going to be ended."""
        cause = self._context.cancellation.cause
        self.finish("stopped", cause.message if cause else None)

    def finish(self, outcome: str, reason: str | None) -> None:
        """Record the end of the run, once.

        Args:
            outcome: completed, failed or stopped.
            reason: why it failed or was stopped.
        """
        if not self._progress.end():
            return
        self.started(None)
        counts = self._progress.counts()
        metrics.record_counts(self._stream, rejected=counts.refused, duplicates=counts.duplicates)
        self._event(
            EventName.RUN_FINISHED,
            log=False,
            exit=outcome,
            reason=reason,
            **count_fields(counts),
            wall_seconds=round(self._progress.seconds(), 3),
            **request_fields(self._context.progress.requests().since(self._requests_before)),
            bookmark=self._progress.bookmark,
        )

    def plan(self, windows: Sequence[Window], api: AsyncJobApi) -> None:
        """Record the windows of the run, and how their files are requested."""
        self._progress.plan(windows)
        self._file_fields = {"format": api.format, "compression": api.compression}
        self._surface = api.surface

    def report_absence(self, length: timedelta, hint: str) -> None:
        """Log that no window of a run had a record, as a warning if they were a day or more.

        Args:
            length: time that the windows cover together.
            hint: what to do if that is unexpected.
        """
        counts = self._progress.counts()
        if counts.records or counts.duplicates or counts.refused or not counts.windows_done:
            return
        logger.log(
            logging.WARNING if length >= timedelta(days=1) else logging.INFO,
            "Stream '%s': every window of the run was empty (%d, %s to %s): %s if that is unexpected",
            self._stream,
            counts.windows_done,
            self._range["dateFrom"],
            self._range["dateTo"],
            hint,
        )

    # --- Jobs (JobListener) -------------------------------------------------------------------------------------------

    def waiting_for_slot(self, window: Window) -> None:
        """Record that a window waits for a free slot."""
        self._progress.enter(window, Stage.WAITING)

    def waiting(self, window: Window, reason: str) -> None:
        """Record what a window waits for."""
        self._progress.note(window, reason)

    def job_created(self, job: ExportJob, latency_ms: int | None) -> None:
        """Record a new job."""
        self._progress.count(jobs=1)
        self._job_event(EventName.EXPORT_JOB_CREATED, job, **self._file_fields, latency_ms=latency_ms)

    def polling(self, job: ExportJob, state: JobState | None) -> None:
        """Record the state of an active job."""
        self._progress.enter(job.window, _STAGES[state])

    def job_completed(self, job: ExportJob, seconds: float, queue_seconds: float | None) -> None:
        """Record that a job is completed."""
        metrics.job_duration(self._stream, seconds)
        queued = None if queue_seconds is None else round(queue_seconds, 3)
        self._job_event(EventName.EXPORT_JOB_COMPLETED, job, seconds=round(seconds, 3), queue_seconds=queued)

    def job_failed(self, job: ExportJob, reason: str) -> None:
        """Record that a job failed."""
        self._progress.count(jobs_failed=1)
        self._job_event(EventName.EXPORT_JOB_FAILED, job, reason=reason)

    def downloading(self, job: ExportJob) -> None:
        """Record that a download begins."""
        self._progress.enter(job.window, Stage.DOWNLOADING)

    def downloaded(self, file: ExportFile[Any], seconds: float, attempts: int) -> None:
        """Record a verified file."""
        self._progress.count(bytes=file.size)
        self._progress.enter(file.job.window, Stage.READY)
        self._job_event(
            EventName.EXPORT_DOWNLOADED, file.job, bytes=file.size, seconds=round(seconds, 3), attempts=attempts
        )

    def window_left(self, window: Window) -> None:
        """Record that a window was split or given up."""
        self._progress.leave(window)

    # --- Records ------------------------------------------------------------------------------------------------------

    def emitting(self, job: ExportJob) -> None:
        """Record that the records of a window are being emitted."""
        self._progress.enter(job.window, Stage.EMITTING)

    def emitted(self, *, records: int) -> None:
        """Record that records have been written."""
        self._progress.count(records=records)

    def rejected(self, job: ExportJob, records: Sequence[InvalidRecord], before: int) -> None:
        """Record rejected records, and quarantine them; ``before`` is how many of the file were rejected before."""
        for number, record in enumerate(records, start=before):
            record_id = record.record_id
            self._job_event(
                EventName.SCHEMA_VALIDATION_FAILURE,
                job,
                log=number < _MAX_LOGGED_REJECTIONS,
                record_id=printable(str(record_id))[:MAX_ID_CHARACTERS] if isinstance(record_id, (str, int)) else None,
                missing_fields=list(record.missing_fields),
                reason=record.reason,
            )
            self._context.quarantine.keep(
                record.record,
                **self._names,
                **job.fields(),
                reason=record.reason,
                missing_fields=record.missing_fields,
            )
        self._progress.count(refused=len(records))

    def window_extracted(self, job: ExportJob, totals: Mapping[str, Any], **fields: Any) -> None:  # noqa: ANN401
        """Record that all records of a window have been written.

        Args:
            job: the job of the window.
            totals: numbers of records: validated, duplicates, schema_errors.
            **fields: further fields of the event.
        """
        self._progress.count(duplicates=totals["duplicates"])
        self._job_event(EventName.VALIDATION_SUMMARY, job, total_records=sum(totals.values()), **totals)
        self._job_event(
            EventName.WINDOW_EXTRACTED, job, surface=self._surface, record_count=totals["validated"], **fields
        )

    def committed(self, window: Window, bookmark: str | None, *, window_done: bool) -> None:
        """Record that the state has been written after a window; a part of a split window is not ``window_done``."""
        self._progress.set_bookmark(bookmark)
        self._progress.leave(window)
        self._progress.count(windows_done=window_done)

    def _job_event(self, event: EventName, job: ExportJob, *, log: bool = True, **fields: Any) -> None:  # noqa: ANN401
        self._event(event, log=log, **job.fields(), **fields)

    def _error(self, reason: str) -> None:
        self.started(None)
        self._event(EventName.PIPELINE_ERROR, log=False, reason=reason)

    def _event(self, event: EventName, *, log: bool = True, **fields: Any) -> None:  # noqa: ANN401
        self._audit_log.event(event, log=log, **self._names, **self._context.labels.fields(), **fields)
