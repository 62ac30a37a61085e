"""The trial of a stream: one small job, from the create to the file, and the columns of that file."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from typing_extensions import override

from tap_cxone.dates import format_date, utc_now
from tap_cxone.doctor.findings import Finding, found, ok, problem, skipped
from tap_cxone.errors import CxoneError, ThrottledError
from tap_cxone.jobs.context import JobContext, JobPolicy
from tap_cxone.jobs.creation import JobCreator
from tap_cxone.jobs.fetching import FileFetcher, FileStore
from tap_cxone.jobs.following import JobFollower
from tap_cxone.jobs.journal import Journal
from tap_cxone.jobs.model import JobFailedError
from tap_cxone.jobs.polling import PollSchedule
from tap_cxone.jobs.store import JobStore
from tap_cxone.jobs.workdir import DiskBudget, open_workdir
from tap_cxone.observability.formatting import duration, size
from tap_cxone.observability.reasons import plain_reason
from tap_cxone.records.verify import verify_export
from tap_cxone.streams.emission import decoded
from tap_cxone.streams.run_log import StreamRunLog
from tap_cxone.windows import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from datetime import datetime

    from tap_cxone.context import RunContext
    from tap_cxone.jobs.model import AsyncJobApi, ExportFile, ExportJob, JobState
    from tap_cxone.records.verify import VerifiedFile
    from tap_cxone.streams.base import ExportStream

JOB_SECONDS = 600.0
"""Longest wait for a job of one day."""
SLOT_SECONDS = 120.0
"""Longest wait for a slot, when the list of exports has shown a free one."""
_MAX_FAILED_CREATES = 3
"""Fewer than in a run: Data Extraction demands half a minute between two creates."""
_MAX_NAMES = 10


class _Progress(StreamRunLog):
    """Tells the user what a trial is waiting for.

    Args:
        stream: name of the stream.
        context: what the streams share.
        tell: shows a line.
    """

    def __init__(self, stream: str, context: RunContext, tell: Callable[[str], None]) -> None:
        super().__init__(stream, context)
        self._tell = tell
        self._last = ""

    @override
    def waiting(self, window: Window, reason: str) -> None:
        super().waiting(window, reason)
        self._tell_once(reason)

    @override
    def polling(self, job: ExportJob, state: JobState | None) -> None:
        super().polling(job, state)
        self._tell_once(f"job {job.job_id} is {state.value if state else 'created'}")

    def _tell_once(self, text: str) -> None:
        if text != self._last:
            self._last = text
            self._tell(text)


def check_stream(
    stream: ExportStream, api: AsyncJobApi, context: RunContext, tell: Callable[[str], None]
) -> Iterator[Finding]:
    """Export the last whole day, and compare its columns with the stream's.

    Args:
        stream: the stream.
        api: its API.
        context: what the streams share.
        tell: shows what is being waited for.
    """
    check = f"stream {stream.name}"
    day = last_day(context.settings.settle)
    log = _Progress(stream.name, context, lambda text: tell(f"{stream.name}: {text}"))
    try:
        with open_workdir(context.settings.work_dir) as folder:
            files = FileStore(
                folder,
                lambda path: verify_export(path, stream.record_model()),
                DiskBudget(context.settings.work_dir_max_bytes),
            )
            file = export(api, JobContext(api, _policy(stream, context), log, context.cancellation), files, day)
            try:
                took = f"took {duration(file.seconds)}, {size(file.size)}"
                yield ok(check, f"the export of {format_date(day.start)[:10]} {took}")
                yield from _check_records(stream, file.verified, day)
            finally:
                file.close()
    except ThrottledError as err:
        yield problem(check, _refusal(err, api))
    except CxoneError as err:
        yield problem(check, err.message)
    except JobFailedError as err:
        advice = "Run the doctor again, and if that does not help, report this id to NiCE"
        yield problem(check, f"job {err.job.job_id} failed: {err.reason.rstrip('.')}. {advice}")


def last_day(settle: timedelta) -> Window:
    """Return the last day, midnight to midnight UTC, whose events can be exported."""
    end: datetime = (utc_now() - settle).replace(hour=0, minute=0, second=0, microsecond=0)
    return Window(end - timedelta(days=1), end)


def _policy(stream: ExportStream, context: RunContext) -> JobPolicy:
    settings = context.settings
    policy = JobPolicy(stream.name, 1, settings.poll_seconds, settings.timeout_seconds, _MAX_FAILED_CREATES)
    return _limited(policy, JOB_SECONDS)


def _limited(policy: JobPolicy, seconds: float) -> JobPolicy:
    """Return a policy that waits no longer than the doctor does."""
    if policy.timeout_seconds <= seconds:
        return policy
    return replace(policy, timeout_seconds=seconds, timeout_source="a run waits longer, up to 'export_timeout'")


def export(
    api: AsyncJobApi, jobs: JobContext, files: FileStore[VerifiedFile], window: Window
) -> ExportFile[VerifiedFile]:
    """Create one job, wait for it and verify its file.

    Args:
        api: where the job is created.
        jobs: what the steps of the job share.
        files: where the file is kept.
        window: what is exported.

    Raises:
        JobFailedError: the job failed, or its file cannot be used.
        CxoneError: the platform refused, or is not available.
    """
    creating = replace(jobs, policy=_limited(jobs.policy, SLOT_SECONDS))
    schedule = PollSchedule(jobs.policy.poll_seconds, api.min_poll_seconds)
    settle = timedelta(0)  # matters only for jobs of earlier runs
    journal = Journal(None, "", settle)
    store = JobStore(journal, [], api.fingerprint, lambda _: None, settle=settle, end=window.end)
    job = JobCreator(creating, store).create(window)
    begun = time.monotonic()
    JobFollower(jobs, schedule).follow(job)
    return FileFetcher(jobs, files, schedule).fetch(job, begun, accept_blank=True)


def _check_records(stream: ExportStream, verified: VerifiedFile, day: Window) -> Iterator[Finding]:
    check = f"columns of {stream.name}"
    records = verified.valid + verified.invalid
    if not records:
        yield skipped(check, f"the day has no records; if that is unexpected, {stream.absence_hint}")
    elif verified.invalid:
        first = next(verified.rejected.batches())[0]
        reason = ": ".join(filter(None, (plain_reason(first.reason), ", ".join(first.missing_fields))))
        rejected = f"{verified.invalid} of {records} records are rejected; the first one: {reason}"
        try:
            stream.check_types(verified, day)
        except CxoneError as err:
            yield problem(check, f"{rejected}. A run would end: {err.message}")
        else:
            yield problem(check, f"{rejected}. A run goes on without them: set 'quarantine_path' to look at them")
    else:
        yield ok(check, f"all {records} records fit{_differences(stream, verified)}")
    if stream.shows_columns(verified):
        for sentence in stream.unmatched_patterns(verified):
            yield problem(check, sentence)
    key = stream.replication_key
    if verified.fields.columns and key and key not in verified.fields.columns:
        advice = "check 'replication_key', 'entity' and 'version' in 'data_extraction_entities'"
        yield problem(check, f"the column {key}, the stream's replication key, is missing: {advice}")
    if (stream.config.get("stream_maps") or {}).get(stream.name):
        yield found(f"stream maps of {stream.name}", lambda: _map_records(stream, verified))


def _map_records(stream: ExportStream, verified: VerifiedFile) -> str:
    """Put the records through the stream maps; raises SettingsError where one of these does not work."""
    count = 0
    for lines in verified.unique(None):
        for record in decoded(lines):
            count += sum(1 for _ in stream.mapped(record))
    return f"{count} records come out"


def _differences(stream: ExportStream, verified: VerifiedFile) -> str:
    known, columns, left_out = set(stream.schema["properties"]), set(verified.fields.columns), verified.fields.unknown
    missing = known - columns if columns else set()
    return (
        _names("new", columns - known - left_out)
        + _names("left out", left_out - known)
        + _names("not in the file", missing)
    )


def _names(what: str, names: Collection[str]) -> str:
    shown = ", ".join(sorted(names)[:_MAX_NAMES]) + (" …" if len(names) > _MAX_NAMES else "")
    return f"; {what}: {shown}" if names else ""


def _refusal(err: ThrottledError, api: AsyncJobApi) -> str:
    """Tell the causes of a 403 to a create apart, as far as the list of jobs does."""
    try:
        is_free = not api.list_active()
    except CxoneError:
        return err.message
    if is_free:
        return f"{err.message} Jobs may be listed and none is active, so a permission is probably missing."
    return f"{err.message} A job of another integration is active, so it may be throttled: try again later."
