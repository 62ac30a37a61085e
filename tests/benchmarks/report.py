"""The table of ``cxone-report``: whole processes on audit logs of a million lines.

Of each ten lines, one is an extracted window of an hour; five are rejected records.
"""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_cxone.dates import format_date
from tests.benchmarks.markdown import table
from tests.benchmarks.processes import measure

if TYPE_CHECKING:
    from collections.abc import Iterator

DELIVERIES = 50_000
_STREAMS = ("bot_conversations", "qm_workflows", "evaluations", "evaluation_questions")
_WINDOWS_OF_A_RUN = 24
_FIRST = datetime(2024, 1, 1, tzinfo=UTC)
_LABELS = {"tenant": "acme", "host": "na1.nice-incontact.com"}
_COMMAND = [sys.executable, "-c", "from tap_cxone.commands import report; report()"]


def report_table(lines: int) -> str:
    """Measure and return the table.

    Args:
        lines: length of each log.
    """
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for deliveries in (0, DELIVERIES):
            log = Path(name) / f"audit-{deliveries}.jsonl"
            write_log(log, lines, deliveries)
            for output, options in (("JSON", ["--json"]), ("page", ["--output", "/dev/null"])):
                [usage] = measure([*_COMMAND, "--audit-log-path", str(log), *options])
                rows.append([output, f"{lines:,}", f"{deliveries:,}", f"{usage.seconds:.1f}", f"{usage.peak_mib:.0f}"])
    return table(["cxone-report", "lines", "webhook deliveries among them", "seconds", "peak MiB"], rows)


def write_log(path: Path, lines: int, deliveries: int) -> None:
    """Write an audit log, the deliveries evenly distributed."""
    with path.open("w") as log:
        for number, event in enumerate(islice(_events(deliveries / lines), lines)):
            at = format_date(_FIRST + timedelta(days=400, milliseconds=250 * number))
            log.write(json.dumps({"event": event.pop("event"), "logged_at": at, **event, **_LABELS}) + "\n")


def _events(delivered_share: float) -> Iterator[dict[str, Any]]:
    written, delivered, window = 0, 0, 0
    while True:
        stream, run = _STREAMS[window // _WINDOWS_OF_A_RUN % len(_STREAMS)], f"run-{window // _WINDOWS_OF_A_RUN:08d}"
        hour = window // _WINDOWS_OF_A_RUN // len(_STREAMS) * _WINDOWS_OF_A_RUN + window % _WINDOWS_OF_A_RUN
        start = _FIRST - timedelta(days=1500) + timedelta(hours=hour)
        dates = {"dateFrom": format_date(start), "dateTo": format_date(start + timedelta(hours=1))}
        names = {"stream": stream, "run_id": run, "job_id": f"job-{window:08d}", **dates}
        found: list[dict[str, Any]] = []
        if window % _WINDOWS_OF_A_RUN == 0:
            found.append({"event": "run_started", **names, "bookmark": dates["dateFrom"]})
        found.append({"event": "export_job_created", **names, "format": "json", "latency_ms": 200 + window % 100})
        found.append({"event": "export_job_completed", **names, "seconds": 60.5 + window % 30, "queue_seconds": 5.25})
        found.append({"event": "export_downloaded", **names, "bytes": 100_000, "seconds": 1.5, "attempts": 1})
        for number in range(5):
            reason = "Expected `int`, got `str` - at `$.duration`"
            of_record = {"record_id": f"{window}-{number}", "missing_fields": [], "reason": reason}
            found.append({"event": "schema_validation_failure", **names, **of_record})
        counts = {"total_records": 1006, "validated": 1000, "duplicates": 1, "schema_errors": 5}
        found.append({"event": "validation_summary", **names, **counts})
        days = {dates["dateFrom"][:10]: 1000}
        extracted = {"record_count": 1000, "bytes": 100_000, "seconds": 2.5, "emit_seconds": 0.5, "days": days}
        found.append({"event": "window_extracted", **names, **extracted, "bookmark": dates["dateTo"]})
        if window % _WINDOWS_OF_A_RUN == _WINDOWS_OF_A_RUN - 1:
            found.append({"event": "run_finished", **names, "exit": "completed", "wall_seconds": 90.5, "retries": 0})
        yield from found
        written += len(found)
        if delivered < written * delivered_share:
            delivered += 1
            receiver = {"receiver": "bi", "platform_host": _LABELS["host"], "attempts": 1, "latency_ms": 40}
            yield {"event": "webhook_sync_success", **names, **receiver, "records_sent": 1000}
        window += 1
