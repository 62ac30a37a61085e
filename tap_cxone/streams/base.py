"""``ExportStream``: where exports become Singer messages, the only room that knows both.

It commits the bookmark window by window; records never move it.
"""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk.exceptions import AbortedSyncExceptionBase, MaxRecordsLimitException
from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from singer_sdk.streams import Stream
from typing_extensions import override

from tap_cxone.cancellation import CancellationToken
from tap_cxone.dates import format_date, utc_now
from tap_cxone.errors import CxoneError, RunCancelledError
from tap_cxone.jobs.orchestrator import JobOrchestrator
from tap_cxone.jobs.runner import JobRunner
from tap_cxone.jobs.store import JobStore, Journal
from tap_cxone.jobs.workdir import open_spool
from tap_cxone.observability.audit_log import printable
from tap_cxone.observability.metrics import record_counts
from tap_cxone.observability.progress import Requests, Stage
from tap_cxone.observability.summary import request_figures, stream_figures
from tap_cxone.records.verify import read_unique, verify_export
from tap_cxone.streams.fast_path import FastPath
from tap_cxone.streams.state import StreamState
from tap_cxone.streams.writer import MessageWriter
from tap_cxone.windows import covered, plan, rounded

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from datetime import datetime, timedelta
    from pathlib import Path

    from singer_sdk.helpers.types import Context, Record

    from tap_cxone.jobs.model import AsyncJobApi, ExportFile, ExportJob
    from tap_cxone.observability.progress import StreamProgress
    from tap_cxone.records.batch import Batch
    from tap_cxone.records.dedupe import RecordKeys
    from tap_cxone.records.model import InvalidRecord, RecordModel
    from tap_cxone.records.verify import VerifiedFile
    from tap_cxone.tap import TapCXone
    from tap_cxone.windows import Window

_REFUSALS_IN_LOG = 5
"""Refused records of a window that the log names one by one; the audit log has them all."""
_LONGEST_ID = 200


class ExportStream(Stream):
    """A stream that is read through export jobs over date windows."""

    keeps_samples = True
    """Whether the audit log may hold records of it."""
    _tap: TapCXone
    _extraction: Generator[Batch, None, None] | None = None
    _requests_before = Requests()

    def export_surface(self) -> AsyncJobApi:
        """Return the exports that this stream is made of."""
        raise NotImplementedError

    def record_model(self) -> RecordModel:
        """Return what a record of this stream has to be."""
        raise NotImplementedError

    @property
    def date_field(self) -> str | None:
        """By whose day records are counted for the audit log; by none where nobody is going to read it."""
        return self.replication_key if self._tap.settings.audit_log_path else None

    @property
    def window_length(self) -> timedelta:
        """The length of one export."""
        raise NotImplementedError

    def check_settings(self) -> None:
        """Raise SettingsError where something is missing that only this stream needs."""

    def prepare(self, found: VerifiedFile, window: Window) -> None:
        """Get ready for the records of a window, about which everything is known by now."""
        if found.unknown:
            self.logger.warning(
                "Window %s: fields that the schema does not have are dropped: %s",
                window,
                ", ".join(sorted(map(repr, found.unknown))),
            )

    @override
    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        """Log a message, but not the SDK's of an unhandled error: what it was is told by whoever ends the run."""
        if level < logging.ERROR:
            super().log(message, *args, level=level, **kwargs)

    # --- Selection: --test selects every stream, and would ask for settings that nobody needs ------------------------

    @property
    def selected(self) -> bool:
        """Whether the stream is to be read."""
        return self.mask.get((), True)

    @selected.setter
    def selected(self, value: bool | None) -> None:
        self.metadata.root.selected = bool(value) and self.is_available
        self._mask = self.metadata.resolve_selection()
        self.renew_stream_maps()

    @property
    def is_available(self) -> bool:
        """Whether the settings are made for streams of this kind, so that ``--test`` may select one."""
        return True

    def renew_stream_maps(self) -> None:
        """Have stream maps look at the schema and the selection as they are now."""
        selected = get_selected_schema(self.name, self.schema, self.mask)
        self._tap.mapper.register_raw_stream_schema(self.name, selected, self.primary_keys)
        self._stream_maps = None

    # --- Bookmarks: the SDK moves them by record values, which says nothing of what an export has left out ------------

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        return None

    @override
    def _write_starting_replication_value(self, context: Context | None) -> None:
        """Leave the state as it is: where a run starts is read from the bookmark itself."""

    @override
    def _increment_stream_state(self, latest_record: Record, *, context: Context | None = None) -> None:
        """Leave the bookmark where it is: only a window that is done moves it."""

    def starting_point(self, context: Context | None) -> datetime:
        """Return where this run begins: the bookmark less the look-back, or the start date.

        Raises:
            CxoneError: the bookmark in the state is no date.
        """
        settings = self._tap.settings
        bookmark = self._stream_state(context).bookmark()
        if bookmark is None:
            return settings.start_date
        if settings.start_date > bookmark:
            self.logger.warning(
                "Setting 'start_date' (%s) is later than the bookmark (%s): what lies between them is not extracted",
                format_date(settings.start_date),
                format_date(bookmark),
            )
        return max(settings.start_date, bookmark - settings.lookback)

    def _stream_state(self, context: Context | None) -> StreamState:
        return StreamState(
            self.get_context_state(context),
            stream=self.name,
            replication_key=self.replication_key if self._is_incremental else None,
            write=lambda: self._tap.state_writer.write_state(self.tap_state),
        )

    def _edge(self, job: ExportJob) -> datetime:
        """Return up to where a job's file has everything that belongs to the run and is settled."""
        settings = self._tap.settings
        return min(settings.end_date, covered(job.window, job.at, settings.settle))

    @property
    def _is_incremental(self) -> bool:
        return self.replication_method == REPLICATION_INCREMENTAL

    # --- Records ------------------------------------------------------------------------------------------------------

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        model = self.record_model()
        self._extraction = self._extract(model, context)
        for piece in self._extraction:
            yield from msgspec.to_builtins(piece.decoded(model))

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        """Write records by the block where that says the same as the SDK's way, which it goes everywhere else."""
        if not self.selected:
            return
        if not write_messages or not FastPath.is_applicable(self):
            try:
                yield from super()._sync_records(context, write_messages=write_messages)
            except Exception as err:
                # What went wrong here (a stream map, a record limit) is the end of the extraction, too.
                if self._extraction:
                    with contextlib.suppress(type(err)):
                        self._extraction.throw(err)
                raise
            return
        model = self.record_model()
        fast_path = FastPath(self, model)
        with self.get_record_counter() as counter, self.get_sync_timer() as timer:
            for meter in (counter, timer):
                meter.with_context({})
            for piece in self._extract(model, context):
                MessageWriter.write_block(fast_path.block(piece))
                counter.increment(piece.count)
            self._write_state_message()

    def _extract(self, model: RecordModel, context: Context | None) -> Generator[Batch, None, None]:
        """Yield the records of the run, piece by piece; state and audit log keep up with what the caller has taken."""
        self._tap.check_streams()
        start, end = self.starting_point(context), self._tap.settings.end_date
        bookmark = self._stream_state(context).bookmark()
        _ = self._tap.quarantine  # opened now: a path that does not work shall not be found out in the middle
        with self._open_journal() as journal, self._spool() as folder, self._tap.watched(self):
            if bookmark:
                journal.began(bookmark)
            with self._told(start, end, bookmark):
                if start >= end:
                    self.logger.info(
                        "Nothing new: the run would begin at %s and end at %s", format_date(start), format_date(end)
                    )
                    return
                yield from self._run(model, folder, start, journal, context)
            # That the range is done is told by the next run's bookmark, but for what no bookmark speaks of: a look-back
            # behind the one that this run was given, and a full read.
            if behind := bookmark if self._is_incremental else utc_now():
                journal.completed(behind)

    @contextlib.contextmanager
    def _told(self, start: datetime, end: datetime, bookmark: datetime | None) -> Iterator[None]:
        """Have the audit log say how the run of this stream begins, and how it ends."""
        names: dict[str, Any] = {"stream": self.name, "run_id": self._tap.run_id}
        self._progress.bookmark = format_date(bookmark) if bookmark else None
        self._tap.audit.event(
            "run_started",
            **names,
            bookmark=self._progress.bookmark,
            dateFrom=format_date(start),
            dateTo=format_date(end),
        )
        self._requests_before = self._tap.progress.requests()
        ending, reason = "stopped", None
        try:
            yield
            ending = "completed"
        except CxoneError as err:
            ending, reason = ("stopped" if isinstance(err, RunCancelledError) else "failed"), err.message
            self._tap.audit.event("pipeline_error", log=False, **names, reason=reason)
            self._tap.write_last_state()
            raise
        except (AbortedSyncExceptionBase, MaxRecordsLimitException):
            raise
        except Exception as err:
            # Its text may hold a value.
            ending, reason = "failed", f"{type(err).__name__}: see the log"
            self._tap.audit.event("pipeline_error", log=False, **names, reason=reason)
            raise
        finally:
            self.finish(ending, reason)

    def finish(self, ending: str, reason: str | None) -> None:
        """Have the audit log say how the run of this stream has ended, if it has not said so yet.

        Args:
            ending: completed, failed or stopped.
            reason: why.
        """
        if self._progress.ended is not None:
            return
        self._progress.end()
        counts = self._progress.counts()
        record_counts(self.name, refused=counts.refused, repeated=counts.duplicates)
        self._tap.audit.event(
            "run_finished",
            log=False,
            stream=self.name,
            run_id=self._tap.run_id,
            exit=ending,
            reason=reason,
            **stream_figures(counts),
            wall_seconds=round(self._progress.seconds(), 3),
            **request_figures(self._tap.progress.requests().since(self._requests_before)),
            bookmark=self._progress.bookmark,
        )

    @property
    def _progress(self) -> StreamProgress:
        return self._tap.progress.stream(self.name)

    def _open_journal(self) -> Journal:
        settings = self._tap.settings
        return Journal(settings.journal_path, self._tap.client.digest(self.name), settings.settle)

    @contextlib.contextmanager
    def _spool(self) -> Iterator[Path]:
        with open_spool() as folder, self._tap.removed_at_once(folder):
            yield folder

    def _run(
        self, model: RecordModel, folder: Path, start: datetime, journal: Journal, context: Context | None
    ) -> Iterator[Batch]:
        settings = self._tap.settings
        surface = self.export_surface()
        state = self._stream_state(context)
        memory = JobStore(journal, state.jobs(), surface.fingerprint, settle=settings.settle, end=settings.end_date)
        most_jobs = min(settings.max_concurrent_exports, surface.max_active)
        stop = CancellationToken(self._tap.stop)
        engine = JobOrchestrator(
            most_jobs=most_jobs,
            on_job=state.remember,
            check=self._tap.check,
            stop=stop,
        )
        exporter = JobRunner(
            surface,
            stream=self.name,
            run_id=self._tap.run_id,
            progress=self._progress,
            audit=self._tap.audit,
            memory=memory,
            announce=engine.announce,
            folder=folder,
            verify=lambda path: verify_export(path, model),
            poll_seconds=settings.poll_seconds,
            timeout_seconds=settings.timeout_seconds,
            most_jobs=most_jobs,
            stop=stop,
        )
        asked = [job.at for job in state.jobs()]
        if at := max(filter(None, [journal.last_request, *asked]), default=None):
            surface.record_create(at)
        windows = plan(*rounded(start, settings.end_date, surface.granularity), self.window_length, memory.windows())
        self._progress.plan(windows)
        edges = {window.end for window in windows}  # a window that was cut is done with its last part
        keys: list[RecordKeys] = []  # of the window before and of this one
        try:
            for export in engine.exports(windows, exporter):
                keys.append(export.scan.keys)
                self._progress.enter(export.job.window, Stage.EMITTING)
                self.prepare(export.scan, export.job.window)
                for piece in self._pieces(export, keys[-2] if len(keys) > 1 else None):
                    yield piece
                    self._progress.count(records=piece.count)
                    engine.attend()
                self._progress.bookmark = state.commit(self._edge(export.job), export.job.window.end)
                self._progress.leave(export.job.window)
                self._progress.count(windows_done=export.job.window.end in edges)
                while len(keys) > 1:
                    keys.pop(0).close()
        finally:
            for kept in keys:
                kept.close()

    def _pieces(self, export: ExportFile, before: RecordKeys | None) -> Iterator[Batch]:
        """Yield the records of a window piece by piece, each key once, and write down how it went."""
        names = {"stream": self.name, "run_id": self._tap.run_id, **export.job.fields()}
        found: VerifiedFile = export.scan
        wanted = self._tap.settings.sample_size if self.keeps_samples else 0
        repeats = found.keys.duplicates(before)
        sample: list[Record] = []
        refused = 0
        begun = time.monotonic()
        with contextlib.closing(repeats) if repeats else contextlib.nullcontext():
            for piece in read_unique(export.path, found, repeats):
                for refusal in piece.invalid:
                    self._refuse(refusal, names, log=refused < _REFUSALS_IN_LOG)
                    refused += 1
                self._progress.count(refused=len(piece.invalid))
                if left := wanted - len(sample):
                    sample += map(self._as_emitted, msgspec.to_builtins(piece.decoded(found.model)[:left]))
                yield piece
        repeated = repeats.count if repeats else 0
        counts: dict[str, Any] = {
            "validated": found.valid - repeated,
            "duplicates": repeated,
            "schema_errors": found.invalid,
        }
        self._progress.count(duplicates=repeated)
        total = found.valid + found.invalid
        self._tap.audit.event("validation_summary", **names, total_records=total, **counts)
        self._tap.audit.event(
            "window_extracted",
            **names,
            record_count=counts["validated"],
            bytes=export.size,
            seconds=round(export.seconds, 3),
            emit_seconds=round(time.monotonic() - begun, 3),
            bookmark=format_date(self._edge(export.job)),
            days={day.isoformat(): count for day, count in sorted(found.days.items()) if count},
            sample=sample,
        )

    def _refuse(self, refusal: InvalidRecord, names: dict[str, Any], *, log: bool) -> None:
        record_id = refusal.record_id
        self._tap.audit.event(
            "schema_validation_failure",
            log=log,
            **names,
            record_id=printable(str(record_id))[:_LONGEST_ID] if isinstance(record_id, (str, int)) else None,
            missing_fields=list(refusal.missing_fields),
            reason=refusal.reason,
        )
        self._tap.quarantine.keep(refusal.record, **names, reason=refusal.reason, missing_fields=refusal.missing_fields)

    def _as_emitted(self, record: Record) -> Record:
        """Return a record as the target gets it, so that no sample shows what a selection or stream map takes out."""
        message = next(self._generate_record_messages(dict(record)), None)
        return message.record if message else {}
