"""Measurements besides those that the SDK makes by itself, in the SDK's form: where its metrics go, they go."""

from __future__ import annotations

import enum
import logging

from singer_sdk import metrics

_logger = logging.getLogger("singer_sdk.metrics")


class Metric(enum.StrEnum):
    """What is measured that the SDK has no name for."""

    REFUSED = "refused_record_count"
    REPEATED = "repeated_record_count"


def job_duration(stream: str, seconds: float) -> None:
    """Write down how long an export job took, from its creation to its completion as it was seen, in seconds."""
    tags = {metrics.Tag.STREAM.value: stream, metrics.Tag.JOB_TYPE.value: "export"}
    _write(metrics.Point("timer", metrics.Metric.JOB_DURATION, seconds, tags))


def record_counts(stream: str, *, refused: int, repeated: int) -> None:
    """Write down how many records of a stream were refused, and how many dropped because they came before."""
    for metric, value in ((Metric.REFUSED, refused), (Metric.REPEATED, repeated)):
        _write(metrics.Point("counter", metric, value, {metrics.Tag.STREAM.value: stream}))  # type: ignore[arg-type]


def _write(point: metrics.Point[float]) -> None:
    _logger.info("METRIC: %s", point)
