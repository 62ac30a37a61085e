"""The events of the audit log: their names, and the fields that the companion commands read."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

_LARGEST_COUNT = 2**53
_LARGEST_FIGURE = 1e15
_Count = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST_COUNT)]
_Figure = Annotated[float, msgspec.Meta(ge=0, le=_LARGEST_FIGURE)]


class EventName(StrEnum):
    """The kinds of events: those of the tap, then those that ``cxone-notify`` adds."""

    RUN_STARTED = "run_started"
    RUN_FINISHED = "run_finished"
    RUN_ENDED = "run_ended"
    PIPELINE_ERROR = "pipeline_error"
    REQUEST_RETRIED = "request_retried"
    EXPORT_JOB_CREATED = "export_job_created"
    EXPORT_JOB_COMPLETED = "export_job_completed"
    EXPORT_JOB_FAILED = "export_job_failed"
    EXPORT_DOWNLOADED = "export_downloaded"
    SCHEMA_VALIDATION_FAILURE = "schema_validation_failure"
    VALIDATION_SUMMARY = "validation_summary"
    WINDOW_EXTRACTED = "window_extracted"
    LOAD_CONFIRMED = "load_confirmed"
    WEBHOOK_SYNC_SUCCESS = "webhook_sync_success"
    WEBHOOK_SYNC_FAILURE = "webhook_sync_failure"
    WEBHOOK_METRICS = "webhook_metrics"


DELIVERIES = frozenset({EventName.WEBHOOK_SYNC_SUCCESS, EventName.WEBHOOK_SYNC_FAILURE})
"""Events of webhook deliveries: their ``host`` is the receiver's, and ``platform_host`` that of the window."""


class Event(msgspec.Struct):
    """One event, with the fields of every kind.

    A field that an event does not have is None, or empty. Times are strings as in the log. Figures are in the unit that
    their name ends in. ``host`` is the platform's, except in the events of webhook deliveries: there it is the
    receiver's, and ``platform_host`` is the platform's. Record ids and samples are not read, so that they cannot be
    shown.
    """

    event: str
    logged_at: str = ""
    stream: str | None = None
    surface: str | None = None
    tenant: str | None = None
    host: str | None = None
    platform_host: str | None = None
    run_id: str | int | None = None
    orchestrator_run_id: str | None = None
    job_id: str | int | None = None
    webhook_id: str | None = None
    dateFrom: str | None = None  # noqa: N815 - the platform's name
    dateTo: str | None = None  # noqa: N815 - the platform's name
    bookmark: str | None = None
    reason: str | None = None
    exit: str | None = None
    exit_code: int | None = None
    retryable: bool | None = None
    call: str | None = None
    receiver: str | None = None
    missing_fields: list[str] | None = None
    days: dict[str, int] | None = None
    latency_ms: _Figure | None = None
    seconds: _Figure | None = None
    queue_seconds: _Figure | None = None
    emit_seconds: _Figure | None = None
    wait_seconds: _Figure | None = None
    wall_seconds: _Figure | None = None
    running_seconds: _Figure | None = None
    download_seconds: _Figure | None = None
    rate_limit_seconds: _Figure | None = None
    attempts: _Count | None = None
    bytes: _Count | None = None
    record_count: _Count | None = None
    total_records: _Count | None = None
    duplicates: _Count | None = None
    schema_errors: _Count | None = None
    streams: _Count | None = None
    windows: _Count | None = None
    records: _Count | None = None
    refused: _Count | None = None
    requests: _Count | None = None
    retries: _Count | None = None
    rate_limit_waits: _Count | None = None
