"""Emission of a verified file: yields its records in batches, each key once, and reports the audit events."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import msgspec

from tap_cxone.records.verify import read_unique
from tap_cxone.streams.rejection import reduced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from singer_sdk.helpers.types import Record

    from tap_cxone.jobs.model import ExportFile
    from tap_cxone.records.batch import Batch
    from tap_cxone.records.dedupe import RecordKeys
    from tap_cxone.records.model import InvalidRecord
    from tap_cxone.records.verify import VerifiedFile
    from tap_cxone.streams.run_log import StreamRunLog


def emit(
    file: ExportFile[VerifiedFile],
    previous: RecordKeys | None,
    run_log: StreamRunLog,
    *,
    sample: Callable[[Iterable[Record]], Iterable[Record]],
    sample_size: int,
    kept_fields: frozenset[str] | None,
    bookmark: str,
) -> Iterator[Batch]:
    """Yield the valid records of a file, each key once; report rejected records and the totals.

    Args:
        file: the file.
        previous: keys of the previous file; records with one of them are duplicates, too.
        run_log: receives the reports.
        sample: returns records as the target gets them, so that a sample shows nothing that is not emitted.
        sample_size: records that the audit log keeps as a sample.
        kept_fields: fields of rejected records that audit log and quarantine may keep; None: all.
        bookmark: time up to which the file has everything, for the audit log.
    """
    verified = file.verified
    duplicates = verified.keys.duplicates(previous)
    sampled: list[Record] = []
    rejected = 0
    begun = time.monotonic()
    with contextlib.closing(duplicates) if duplicates else contextlib.nullcontext():
        for batch in read_unique(file.path, verified, duplicates):
            run_log.rejected(file.job, _reduced(batch.invalid, verified, kept_fields), rejected)
            rejected += len(batch.invalid)
            if missing := sample_size - len(sampled):
                sampled += sample(msgspec.to_builtins(batch.decoded(verified.model)[:missing]))
            yield batch
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


def _reduced(
    rejected: list[InvalidRecord], verified: VerifiedFile, kept_fields: frozenset[str] | None
) -> list[InvalidRecord]:
    if kept_fields is None:
        return rejected
    return [reduced(record, kept_fields, verified.model.keys) for record in rejected]
