"""Checks of the platform: a token, the discovery of the API, the slots for exports, and one small job a stream."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from tap_cxone.dates import format_date, utc_now
from tap_cxone.doctor.findings import Finding, found, ok, problem, skipped
from tap_cxone.errors import CxoneError, RefusedError, ThrottledError
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
from tap_cxone.records.verify import verify_export
from tap_cxone.streams.emission import decoded
from tap_cxone.streams.run_log import StreamRunLog
from tap_cxone.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tap_cxone.config.settings import Settings
    from tap_cxone.context import RunContext
    from tap_cxone.jobs.model import AsyncJobApi, ExportFile
    from tap_cxone.records.verify import VerifiedFile
    from tap_cxone.streams.base import ExportStream

JOB_SECONDS = 600.0
"""Longest wait for a job of one day."""
SLOT_SECONDS = 120.0
"""Longest wait for a slot, if the list of exports shows a free one."""
_MAX_FAILED_CREATES = 3
"""Fewer than in a run: Data Extraction demands half a minute between two creates."""
_MAX_NAMES = 10


def check_token(context: RunContext) -> Finding:
    """Request a token, and look the API up if no setting names it."""

    def request() -> str:
        identity = context.client.identify()
        tenant = f"tenant '{identity.tenant}'" if identity.tenant else "it does not name the tenant"
        return f"valid for {duration(context.client.token_lifetime())}, {tenant}; the API is at {identity.host}"

    return found("token", request)


def check_slots(name: str, api: AsyncJobApi) -> Finding:
    """Ask who uses the slots for exports; this also shows whether exports may be listed."""
    check = f"slots for {name}"
    try:
        active = len(api.list_active())
    except RefusedError as err:
        return problem(check, f"exports may not be listed: {err.message}")
    except CxoneError as err:
        return problem(check, err.message)
    if active >= api.max_active:
        used = f"all {api.max_active} are" if api.max_active > 1 else "the only one is"
        return problem(
            check,
            f"{used} used by other integrations or another run: runs wait up to 'export_timeout'. Try again later, or "
            "agree with the others on times",
        )
    return ok(check, f"{active} of {api.max_active} are used by others")


def check_stream(stream: ExportStream, api: AsyncJobApi, context: RunContext) -> Iterator[Finding]:
    """Export the last whole day, and compare its columns with the stream's."""
    check = f"stream {stream.name}"
    day = last_day(context.settings.settle)
    begun = time.monotonic()
    try:
        with open_workdir(context.settings.work_dir) as folder:
            files = FileStore(
                folder,
                lambda path: verify_export(path, stream.record_model()),
                DiskBudget(context.settings.work_dir_max_bytes),
            )
            file = export(stream, api, context, files, day)
            try:
                seconds = duration(time.monotonic() - begun)
                yield ok(check, f"the export of {format_date(day.start)[:10]} took {seconds}, {size(file.size)}")
                yield from _check_records(stream, file.verified, day)
            finally:
                file.close()
    except ThrottledError as err:
        yield problem(check, _refusal(err, api))
    except CxoneError as err:
        yield problem(check, err.message)
    except JobFailedError as err:
        yield problem(check, f"job {err.job.job_id} failed: {_failure(err, context.settings)}")


def last_day(settle: timedelta) -> Window:
    """Return the last day, midnight to midnight UTC, whose events can be exported."""
    end: datetime = (utc_now() - settle).replace(hour=0, minute=0, second=0, microsecond=0)
    return Window(end - timedelta(days=1), end)


def export(
    stream: ExportStream, api: AsyncJobApi, context: RunContext, files: FileStore[VerifiedFile], window: Window
) -> ExportFile[VerifiedFile]:
    """Create one job, wait for it and verify its file.

    Raises:
        JobFailedError: the job failed, or its file cannot be used.
        CxoneError: the platform refused, or is not available.
    """
    settings = context.settings
    seconds = min(settings.timeout_seconds, JOB_SECONDS)
    policy = JobPolicy(stream.name, 1, settings.poll_seconds, seconds, _MAX_FAILED_CREATES)
    jobs = JobContext(api, policy, StreamRunLog(stream.name, context), context.cancellation)
    creating = replace(jobs, policy=replace(policy, timeout_seconds=min(seconds, SLOT_SECONDS)))
    schedule = PollSchedule(policy.poll_seconds, api.min_poll_seconds)
    store = JobStore(
        Journal(None, "", settings.settle),
        [],
        api.fingerprint,
        lambda _: None,
        settle=settings.settle,
        end=window.end,
    )
    begun = time.monotonic()
    job = JobCreator(creating, store).create(window)
    JobFollower(jobs, schedule).follow(job)
    return FileFetcher(jobs, files, schedule).fetch(job, begun, accept_blank=True)


def _failure(err: JobFailedError, settings: Settings) -> str:
    if err.is_late and settings.timeout_seconds > JOB_SECONDS:
        waits = duration(settings.timeout_seconds)
        return f"not finished after {duration(JOB_SECONDS)}. A run waits up to {waits} ('export_timeout')"
    return f"{err.reason.rstrip('.')}. Run the doctor again, and if that does not help, report this id to NiCE"


def _check_records(stream: ExportStream, verified: VerifiedFile, day: Window) -> Iterator[Finding]:
    check = f"columns of {stream.name}"
    records = verified.valid + verified.invalid
    if not records:
        yield skipped(check, "the day has no records")
    elif verified.invalid:
        first = next(verified.rejected.batches())[0]
        reason = ": ".join(filter(None, (first.reason, ", ".join(first.missing_fields))))
        rejected = f"{verified.invalid} of {records} records are rejected; the first one: {reason}"
        try:
            stream.check_types(verified, day)
        except CxoneError as err:
            yield problem(check, f"{rejected}. A run would end: {err.message}")
        else:
            yield problem(check, f"{rejected}. A run goes on without them: set 'quarantine_path' to look at them")
    else:
        yield ok(check, f"all {records} records fit{_differences(stream, verified)}")
    if verified.fields.columns and stream.replication_key and stream.replication_key not in verified.fields.columns:
        yield problem(check, f"the column {stream.replication_key}, the stream's replication key, is missing")
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
    known = stream.schema["properties"]
    columns = verified.fields.columns
    new = sorted({*verified.fields.unknown, *columns} - set(known))
    missing = sorted(set(known) - set(columns)) if columns else []
    return _names("new", new) + _names("not in the file", missing)


def _names(what: str, names: list[str]) -> str:
    shown = ", ".join(names[:_MAX_NAMES]) + (" …" if len(names) > _MAX_NAMES else "")
    return f"; {what}: {shown}" if names else ""


def _refusal(err: ThrottledError, api: AsyncJobApi) -> str:
    """Tell the causes of a 403 to a create apart, as far as the list of jobs does."""
    try:
        is_free = not api.list_active()
    except CxoneError:
        return err.message
    if is_free:
        return f"{err.message} Jobs may be listed and none is active, so a permission is missing."
    return f"{err.message} A job of another integration is active, so it may be throttled: try again later."
