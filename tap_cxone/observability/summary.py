"""What a run is doing and has done: as one line for people, and as fields for structured logs and the audit log."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tap_cxone.observability.formatting import duration, rate, size
from tap_cxone.observability.progress import Stage

if TYPE_CHECKING:
    from tap_cxone.observability.progress import Counts, Progress, Requests, StreamProgress

_STAGE_LABELS = {"place": "waiting for a slot", "queue_or_running": "queue or running"}


def status(stream: StreamProgress, progress: Progress) -> str:
    """Return what a stream is doing, as one line."""
    counts = stream.counts()
    tally = stream.tally()
    parts = [
        f"windows: {tally.done} done, {tally.running} running, {tally.waiting} waiting",
        f"{counts.records} records so far, {rate(counts.records, stream.seconds())}",
        f"{size(counts.bytes)} downloaded",
    ]
    if (left := stream.seconds_left()) is not None:
        parts.append(f"about {duration(left)} left")
    for item in stream.active()[:1]:
        note = f" ({item.note})" if item.note else ""
        parts.append(f"{item.window} {item.stage.value} for {duration(progress.now() - item.since)}{note}")
    parts += pauses(progress)
    return "; ".join(parts)


def status_fields(stream: StreamProgress, progress: Progress) -> dict[str, Any]:
    """Return what a stream is doing, as fields; times in seconds."""
    counts = stream.counts()
    left = stream.seconds_left()
    return {
        "stream": stream.name,
        **asdict(stream.tally()),
        "records": counts.records,
        "bytes": counts.bytes,
        "seconds": round(stream.seconds(), 3),
        "seconds_left": None if left is None else round(left, 3),
        "active": [
            {"window": str(item.window), "stage": item.stage.value, "note": item.note} for item in stream.active()
        ],
        "pauses": pauses(progress),
    }


def pauses(progress: Progress) -> list[str]:
    """Return one phrase for each pause before a retry."""
    now = datetime.now(UTC)
    found = []
    for retry in progress.retries():
        until = now + timedelta(seconds=retry.until - progress.now())
        found.append(f"call '{retry.call}' waits until {until:%H:%M:%SZ} ({retry.reason})")
    return found


def summary(progress: Progress) -> str:
    """Return what a run has done, as one line."""
    counts, requests = progress.counts(), progress.requests()
    times = stage_seconds(counts)
    spent = "; ".join(f"{_STAGE_LABELS.get(name, name)} {duration(seconds)}" for name, seconds in times.items())
    limits = f"{requests.rate_limit_waits} waits for rate limits ({duration(requests.rate_limit_seconds)})"
    bookmarks = ", ".join(f"{stream.name} {stream.bookmark or 'none'}" for stream in progress.streams())
    return (
        f"{counts.windows_done} of {counts.windows} windows, {counts.records} records, "
        f"{counts.duplicates} duplicates, {counts.refused} rejected, {size(counts.bytes)} in "
        f"{duration(progress.seconds())} ({rate(counts.records, progress.seconds())}); {spent}; "
        f"{counts.jobs} jobs, {counts.jobs_failed} failed; {requests.requests} requests, {requests.retries} retries, "
        f"{limits}; bookmarks: {bookmarks}"
    )


def summary_fields(progress: Progress) -> dict[str, Any]:
    """Return what a run has done, as fields; times in seconds."""
    return {
        **count_fields(progress.counts()),
        "wall_seconds": round(progress.seconds(), 3),
        **request_fields(progress.requests()),
        "bookmarks": {stream.name: stream.bookmark for stream in progress.streams()},
    }


def count_fields(counts: Counts) -> dict[str, Any]:
    """Return the figures of a stream, or of all of them, as fields."""
    own = {name: value for name, value in asdict(counts).items() if name != "seconds"}
    return own | {f"{name}_seconds": round(seconds, 3) for name, seconds in stage_seconds(counts).items()}


def request_fields(requests: Requests) -> dict[str, Any]:
    """Return the figures of requests as fields."""
    fields = asdict(requests)
    return fields | {"rate_limit_seconds": round(fields["rate_limit_seconds"], 3)}


def stage_seconds(counts: Counts) -> dict[str, float]:
    """Return how long windows waited for a slot ("place"), were in the platform's queue, running, and so on.

    Until the first status call, it is not known whether a job is queued or running.
    """
    spent = counts.seconds
    return {
        "place": float(spent[Stage.WAITING]),
        "queue": float(spent[Stage.QUEUED]),
        "queue_or_running": float(spent[Stage.CREATED]),
        "running": float(spent[Stage.RUNNING]),
        "download": float(spent[Stage.DOWNLOADING]),
        "emit": float(spent[Stage.EMITTING]),
    }
