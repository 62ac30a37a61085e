"""Metrics that the SDK does not produce itself, in its format and written to its logger."""

from __future__ import annotations

import enum
import logging

from singer_sdk import metrics

_logger = logging.getLogger("singer_sdk.metrics")


class Metric(enum.StrEnum):
    """Names of metrics for which the SDK has none."""

    REJECTED = "refused_record_count"
    DUPLICATES = "repeated_record_count"


def job_duration(stream: str, seconds: float) -> None:
    """Write the time from the creation of an export job until it was seen completed, in seconds."""
    tags = {metrics.Tag.STREAM.value: stream, metrics.Tag.JOB_TYPE.value: "export"}
    _write(metrics.Point("timer", metrics.Metric.JOB_DURATION, seconds, tags))


def record_counts(stream: str, *, rejected: int, duplicates: int) -> None:
    """Write how many records of a stream were rejected, and how many were dropped as duplicates."""
    for metric, value in ((Metric.REJECTED, rejected), (Metric.DUPLICATES, duplicates)):
        _write(metrics.Point("counter", metric, value, {metrics.Tag.STREAM.value: stream}))  # type: ignore[arg-type]


def _write(point: metrics.Point[float]) -> None:
    _logger.info("METRIC: %s", point)
