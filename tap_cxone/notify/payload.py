"""The message that announces a window to a receiver. Pure, apart from reading the sample from the audit log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from tap_cxone.dates import format_date, utc_now
from tap_cxone.observability.audit_reader import read_sample

if TYPE_CHECKING:
    from tap_cxone.observability.audit_files import AuditLogs
    from tap_cxone.observability.windows import ExtractedWindow

SOURCE = "cxone_analytics_export"
MAX_BODY_BYTES = 256 * 1024
"""Receivers reject larger bodies. Records are dropped from the end of the sample until the body fits."""

logger = logging.getLogger("cxone-notify")


def loaded_message(window: ExtractedWindow, logs: AuditLogs) -> bytes:
    """Return the body, as JSON, that announces a window.

    Args:
        window: the window.
        logs: the audit logs that the window was read from; their positions are changed.
    """
    message: dict[str, Any] = {
        "source": SOURCE,
        "job_id": window.job_id,
        "record_count": window.record_count,
        "timestamp": format_date(utc_now()),
        "data_sample": [],
        "stream": window.stream,
        "dateFrom": format_date(window.start),
        "dateTo": format_date(window.end),
        "duplicates": window.duplicates,
        "schema_errors": window.schema_errors,
        "tenant": window.label,
        "host": window.host,
        "surface": window.surface,
    }
    sample = read_sample(*logs.locate(window.offset), window.length)
    message["data_sample"] = _fit(sample, MAX_BODY_BYTES - len(msgspec.json.encode(message)))
    if len(message["data_sample"]) < len(sample):
        kept = len(message["data_sample"])
        logger.info("%s: the sample is cut to %d of %d records, so that the body fits", window, kept, len(sample))
    return msgspec.json.encode(message)


def test_message() -> bytes:
    """Return a body, as JSON, with the fields of a real message, marked as a test."""
    now = format_date(utc_now())
    return msgspec.json.encode(
        {
            "source": SOURCE,
            "type": "test",
            "test": True,
            "job_id": "test",
            "record_count": 0,
            "timestamp": now,
            "data_sample": [],
            "stream": "test",
            "dateFrom": now,
            "dateTo": now,
            "duplicates": 0,
            "schema_errors": 0,
            "tenant": "test",
            "host": "test",
            "surface": None,
        }
    )


def _fit(sample: list[msgspec.Raw], max_bytes: int) -> list[msgspec.Raw]:
    """Return as many of the first records of a sample as fit."""
    for count, record in enumerate(sample):
        max_bytes -= len(memoryview(record)) + 1  # with its comma
        if max_bytes < 0:
            return sample[:count]
    return sample
