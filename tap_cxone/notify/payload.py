"""The message: what a receiver is told of a window. Pure, but for reading the sample out of the audit log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from tap_cxone.dates import format_date, utc_now

if TYPE_CHECKING:
    from tap_cxone.notify.ledger import Extraction

SOURCE = "cxone_analytics_export"
LARGEST_BODY_BYTES = 256 * 1024
"""Receivers refuse larger bodies; samples are cut at their end until the body fits."""

logger = logging.getLogger("cxone-notify")


class _Sampled(msgspec.Struct):
    sample: list[msgspec.Raw] = []


def loaded_message(window: Extraction, log: BinaryIO) -> bytes:
    """Return the body that announces a window.

    Args:
        window: the window.
        log: the audit log that it was found in.
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
    }
    sample = _sample(window, log)
    message["data_sample"] = _fitting(sample, LARGEST_BODY_BYTES - len(msgspec.json.encode(message)))
    if len(message["data_sample"]) < len(sample):
        kept = len(message["data_sample"])
        logger.info("%s: the sample is cut to %d of %d records, so that the body fits", window, kept, len(sample))
    return msgspec.json.encode(message)


def test_message() -> bytes:
    """Return a body that shows a receiver's owner what comes, marked as a test."""
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
        }
    )


def _sample(window: Extraction, log: BinaryIO) -> list[msgspec.Raw]:
    log.seek(window.offset)
    line = log.read(window.length)
    try:
        line.decode()  # what is passed on as it stands has to be text
        return msgspec.json.decode(line, type=_Sampled).sample
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []


def _fitting(sample: list[msgspec.Raw], room: int) -> list[msgspec.Raw]:
    for count, record in enumerate(sample):
        room -= len(memoryview(record)) + 1  # with its comma
        if room < 0:
            return sample[:count]
    return sample
