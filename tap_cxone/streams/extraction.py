"""One read of one stream: windows, jobs, files, batches of records, and the bookmark after each window."""

from __future__ import annotations

import contextlib
import logging
import shutil
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Protocol

from singer_sdk.exceptions import AbortedSyncExceptionBase, MaxRecordsLimitException

from tap_cxone.cancellation import CancellationToken
from tap_cxone.dates import format_date, utc_now
from tap_cxone.errors import CxoneError, open_files_errors
from tap_cxone.jobs.context import JobContext, JobPolicy
from tap_cxone.jobs.fetching import FileStore
from tap_cxone.jobs.journal import Journal
from tap_cxone.jobs.orchestrator import JobOrchestrator
from tap_cxone.jobs.runner import JobRunner
from tap_cxone.jobs.store import JobStore
from tap_cxone.jobs.workdir import DiskBudget, open_workdir
from tap_cxone.records.verify import verify_export
from tap_cxone.streams.emission import emit
from tap_cxone.streams.platform import PlatformBinding
from tap_cxone.streams.run_log import StreamRunLog
from tap_cxone.streams.writer import OutputClosedError, is_output_closed
from tap_cxone.windows import complete_until, plan, widen

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from datetime import datetime
    from pathlib import Path

    from singer_sdk.helpers.types import Record

    from tap_cxone.context import RunContext
    from tap_cxone.jobs.model import AsyncJobApi, ExportFile, ExportJob
    from tap_cxone.records.canonical import Lines
    from tap_cxone.records.dedupe import RecordKeys
    from tap_cxone.records.model import RecordModel
    from tap_cxone.records.verify import VerifiedFile
    from tap_cxone.streams.state import StreamState
    from tap_cxone.windows import Window

_TEST_LENGTH = timedelta(days=1)

logger = logging.getLogger("tap-cxone")


class ExtractedStream(Protocol):
    """What an extraction needs to know about its stream."""

    name: str
    keeps_samples: bool
    absence_hint: str

    @property
    def window_length(self) -> timedelta:
        """Length of one export."""

    def job_api(self) -> AsyncJobApi:
        """Return the platform API that exports the stream."""

    def prepare(self, verified: VerifiedFile, window: Window) -> None:
        """Get ready to emit a verified file."""

    def as_emitted(self, record: Record) -> Record:
        """Return a record as the target gets it."""

    def kept_fields(self) -> frozenset[str] | None:
        """Return the fields of a rejected record that may be kept; None: all."""


class Extraction:
    """Reads one stream in one run.

    Args:
        stream: the stream.
        model: the model of its records.
        state: its state.
        context: what the streams of the run share.
    """

    def __init__(self, stream: ExtractedStream, model: RecordModel, state: StreamState, context: RunContext) -> None:
        self._stream = stream
        self._model = model
        self._state = state
        self._context = context
        self._settings = context.settings
        self._run_log = StreamRunLog(stream.name, context)
        self._binding = PlatformBinding(stream.name, state, context)

    def files(self) -> Generator[Iterator[Lines], None, None]:
        """Yield the records of each file of the run.

        The caller has to consume them, and has written them when it asks for the next file: the bookmark then moves.
        """
        self._context.check_members()
        bookmark = self._state.bookmark()
        start, end = self._start(), self._settings.end_date
        _ = self._context.quarantine  # opened now, so that a wrong path is found before anything is requested
        with self._open_journal() as journal, self._workdir() as folder, self._reported():
            with self._context.shutdown.flush_on_exit(self._run_log.flush), self._run(start, end):
                has_news = start < end
                self._bind(has_news=has_news)
                if bookmark:
                    journal.record_start(bookmark)
                self._run_log.started(bookmark)
                if not has_news:
                    logger.info(
                        "Nothing new: the run would begin at %s and end at %s", format_date(start), format_date(end)
                    )
                    return
                yield from self._read(start, journal, folder)
                self._run_log.report_absence(end - start, self._stream.absence_hint)
            # The next run's bookmark shows that the range was loaded, except for what a bookmark never shows: the
            # look-back before the bookmark that this run was given, and a full read.
            if loaded_until := bookmark if self._state.is_incremental else utc_now():
                journal.record_completion(loaded_until)
            if last_bookmark := self._state.bookmark():
                journal.record_end(last_bookmark)

    # --- Set-up and end of the run ------------------------------------------------------------------------------------

    def _start(self) -> datetime:
        """Return the start of the run; of a test, that of the last day, whose export is soon done."""
        first = self._settings.start_date
        if self._context.is_test:
            return max(first, self._settings.end_date - _TEST_LENGTH)
        return self._state.start(first, self._settings.lookback)

    def _open_journal(self) -> Journal:
        scope = self._context.client.digest(self._stream.name)
        path = None if self._context.is_test else self._settings.journal_path
        return Journal(path, scope, self._settings.settle)

    @contextlib.contextmanager
    def _workdir(self) -> Iterator[Path]:
        with open_workdir(self._settings.work_dir) as folder:
            remove = partial(shutil.rmtree, folder, ignore_errors=True)
            with self._context.shutdown.cleanup_on_exit(remove):
                yield folder

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        """Report while the stream is read, with a summary after the last stream or a failure."""
        reporter, shutdown = self._context.reporter, self._context.shutdown
        reporter.start()
        run_goes_on = False
        try:
            with shutdown.flush_on_exit(reporter.close), shutdown.cleanup_on_exit(reporter.restore_terminal):
                yield
            run_goes_on = True
        except (GeneratorExit, AbortedSyncExceptionBase, MaxRecordsLimitException):
            run_goes_on = True  # --test has seen enough of this stream
            raise
        finally:
            if not run_goes_on or self._context.is_last(self._stream.name):
                reporter.close()

    @contextlib.contextmanager
    def _run(self, start: datetime, end: datetime) -> Iterator[None]:
        try:
            with self._run_log.run(start, end), open_files_errors():
                yield
        except CxoneError:
            self._context.shutdown.complete()
            raise

    def _bind(self, *, has_news: bool) -> None:
        """Compare the platform with that of the state, before anything of this run relies on the bookmark."""
        self._binding.check()
        if has_news:
            self._check()  # before the first request
            self._binding.connect(self._check)
        else:
            self._binding.finish_without_requests()

    # --- Reading ------------------------------------------------------------------------------------------------------

    def _read(self, start: datetime, journal: Journal, folder: Path) -> Iterator[Iterator[Lines]]:
        settings = self._settings
        api = self._stream.job_api()
        cancellation = CancellationToken(self._context.cancellation)
        policy = JobPolicy(
            self._stream.name,
            min(settings.max_concurrent_exports, api.max_active),
            settings.poll_seconds,
            settings.timeout_seconds,
        )
        orchestrator: JobOrchestrator[VerifiedFile] = JobOrchestrator(
            max_jobs=policy.max_jobs, on_job=self._state.add_job, check=self._check, cancellation=cancellation
        )
        store = JobStore(
            journal,
            self._state.jobs(),
            api.fingerprint,
            orchestrator.announce,
            settle=settings.settle,
            end=settings.end_date,
        )
        if store.last_request:
            api.record_create(store.last_request)
        windows = plan(*widen(start, settings.end_date, api.granularity), self._stream.window_length, store.windows())
        if self._context.is_test:
            windows = windows[:1]  # one job: a job for another window would not be read
        self._run_log.plan(windows, api)
        budget = DiskBudget(settings.work_dir_max_bytes)
        files = FileStore(folder, lambda path: verify_export(path, self._model), budget)
        runner = JobRunner(JobContext(api, policy, self._run_log, cancellation), store, files)
        yield from self._emit_all(windows, orchestrator, runner)

    def _emit_all(
        self,
        windows: list[Window],
        orchestrator: JobOrchestrator[VerifiedFile],
        runner: JobRunner[VerifiedFile],
    ) -> Iterator[Iterator[Lines]]:
        ends = {window.end for window in windows}  # a split window is done when its last part is
        keys: RecordKeys | None = None
        previous: RecordKeys | None = None
        requested_at = utc_now()
        try:
            for file in orchestrator.exports(windows, runner):
                requested_at = min(requested_at, file.job.requested_at)
                previous, keys = keys, file.verified.take_keys()
                with contextlib.closing(self._emit(file, previous, orchestrator)) as records:
                    yield records
                window = file.job.window
                # What was late for the oldest job, which may be of an earlier run, has to be in the next look-back.
                loaded_until = min(self._loaded_until(file.job), requested_at - self._settings.settle)
                bookmark = self._state.commit(loaded_until, window.end)
                self._run_log.committed(window, bookmark, window_done=window.end in ends)
                if previous:
                    previous.close()
        finally:
            for opened in filter(None, (previous, keys)):
                opened.close()

    def _emit(
        self, file: ExportFile[VerifiedFile], previous: RecordKeys | None, orchestrator: JobOrchestrator[VerifiedFile]
    ) -> Generator[Lines, None, None]:
        self._run_log.emitting(file.job)
        self._stream.prepare(file.verified, file.job.window)
        sample_size = self._settings.sample_size if self._stream.keeps_samples else 0
        for lines in emit(
            file,
            previous,
            self._run_log,
            sample=partial(map, self._stream.as_emitted),
            sample_size=sample_size,
            kept_fields=self._stream.kept_fields(),
            bookmark=format_date(self._loaded_until(file.job)),
        ):
            yield lines
            self._run_log.emitted(records=lines.count)
            orchestrator.process_messages()

    def _loaded_until(self, job: ExportJob) -> datetime:
        """Return the time up to which a job's file has everything that belongs to the run and has settled."""
        return min(self._settings.end_date, complete_until(job.window, job.requested_at, self._settings.settle))

    def _check(self) -> None:
        """Raise RunCancelledError if the run has to end: it was cancelled, or nobody reads its output any longer."""
        if is_output_closed():
            self._context.cancellation.cancel(OutputClosedError())
        self._context.cancellation.check()
