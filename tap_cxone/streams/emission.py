"""Emission of a verified file: yields its records in batches, each key once, and reports the audit events."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from tap_cxone.errors import disk_errors
from tap_cxone.streams.rejection import reduced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from singer_sdk.helpers.types import Record

    from tap_cxone.jobs.model import ExportFile
    from tap_cxone.records.canonical import Lines
    from tap_cxone.records.dedupe import RecordKeys
    from tap_cxone.records.verify import VerifiedFile
    from tap_cxone.streams.run_log import StreamRunLog

_decoder = msgspec.json.Decoder(dict[str, Any])


def decoded(lines: Lines) -> list[Record]:
    """Return records as dictionaries."""
    return _decoder.decode_lines(lines.text)


def emit(
    file: ExportFile[VerifiedFile],
    previous: RecordKeys | None,
    run_log: StreamRunLog,
    *,
    sample: Callable[[Iterable[Record]], Iterable[Record]],
    sample_size: int,
    kept_fields: frozenset[str] | None,
    bookmark: str,
) -> Iterator[Lines]:
    """Yield the valid records of a file, each key once; report rejected records and the totals.

    Args:
        file: the file.
        previous: keys of the previous file; records with one of them are duplicates, too.
        run_log: receives the reports.
        sample: returns records as the target gets them, so that a sample shows nothing that is not emitted.
        sample_size: records that the audit log keeps as a sample.
        kept_fields: fields of rejected records that audit log and quarantine may keep; None: all.
        bookmark: time up to which the file has everything, for the audit log.

    Raises:
        DiskError: the records cannot be read from the work folder.
    """
    verified = file.verified
    with disk_errors(verified.folder):
        begun = time.monotonic()
        rejected = 0
        for records in verified.rejected.batches():
            if kept_fields is not None:
                records = [reduced(record, kept_fields, verified.model.keys) for record in records]  # noqa: PLW2901
            run_log.rejected(file.job, records, rejected)
            rejected += len(records)
        duplicates = verified.keys.duplicates(previous)
        sampled: list[Record] = []
        for lines in verified.unique(duplicates):
            if missing := sample_size - len(sampled):
                sampled += sample(decoded(lines)[:missing])
            yield lines
        duplicate_count = duplicates.count if duplicates else 0
        totals = {
            "validated": verified.valid - duplicate_count,
            "duplicates": duplicate_count,
            "schema_errors": verified.invalid,
        }
        run_log.window_extracted(
            file.job,
            totals,
            bytes=file.size,
            seconds=round(file.seconds, 3),
            emit_seconds=round(time.monotonic() - begun, 3),
            bookmark=bookmark,
            days={day.isoformat(): count for day, count in sorted(verified.days.items()) if count},
            sample=sampled,
        )
