"""Shared by the tests of cxone-report: an audit log to write, the command, and a browser."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from tap_cxone.dates import format_date
from tap_cxone.observability.audit_files import AuditLogs
from tap_cxone.report.cli import main
from tap_cxone.report.figures import Figures, read_figures
from tap_cxone.report.selection import Selection
from tests.conftest import january, skip_or_fail

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

RECORD = "id-or-value-of-a-record"
SCRIPT = "<script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\">"
STREAM = "bot_conversations"


def at(second: float, day: int = 1) -> str:
    """Return a time: seconds after three o'clock on a day of March 2024."""
    minutes, rest = divmod(second, 60)
    return f"2024-03-{day:02d}T03:{int(minutes):02d}:{rest:06.3f}Z"


@dataclass
class Log:
    """An audit log, written as the tap writes it; windows are days of January 2024.

    Attributes:
        labels: tenant and host of each event; empty as in older versions.
    """

    path: Path
    labels: dict[str, str] = field(default_factory=dict)

    def raw(self, line: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(line)

    def write(self, event: str, logged_at: str, **fields: Any) -> None:
        self.raw(json.dumps({"event": event, "logged_at": logged_at, **self.labels, **fields}).encode() + b"\n")

    def begin(self, run: str, start: int, end: int, second: float = 0, day: int = 1, stream: str = STREAM) -> None:
        dates = {"dateFrom": format_date(january(start)), "dateTo": format_date(january(end))}
        self.write("run_started", at(second, day), stream=stream, run_id=run, bookmark=None, **dates)

    def export(
        self, run: str, job: str, start: int, end: int, *, second: float = 0, old: bool = False, **more: Any
    ) -> None:
        """Write a job that takes 2 s in the queue, 3 s to run, 1 s to download and 0.5 s to emit."""
        day, stream = more.pop("day", 1), more.pop("stream", STREAM)
        records, refused, bookmark = more.pop("records", 100), more.pop("refused", 0), more.pop("bookmark", None)
        names = {"stream": stream, "job_id": job} | {
            "dateFrom": format_date(january(start)),
            "dateTo": format_date(january(end)),
        }
        of_run = names | {"run_id": run}
        early = names if old else of_run
        self.write("export_job_created", at(second, day), **early, format="json", compression="gzip", latency_ms=250)
        new: dict[str, Any] = {} if old else {"queue_seconds": 2.0}
        self.write("export_job_completed", at(second + 5, day), **early, seconds=5.0, **new)
        if not old:
            self.write("export_downloaded", at(second + 6, day), **of_run, bytes=1000, seconds=1.0, attempts=2)
        for _ in range(refused):
            reason = {"record_id": RECORD, "missing_fields": ["id"], "reason": "missing fields"}
            self.write("schema_validation_failure", at(second + 6.2, day), **of_run, **reason)
        counts = {"total_records": records + refused + 1, "validated": records, "duplicates": 1}
        self.write("validation_summary", at(second + 6.5, day), **of_run, **counts, schema_errors=refused)
        new = {} if old else {"emit_seconds": 0.5, "bookmark": format_date(january(bookmark or end))}
        sizes = {"record_count": records, "bytes": 1000, "seconds": 1.0, "sample": [{"id": RECORD}]}
        self.write("window_extracted", at(second + 6.5, day), **of_run, **sizes, **new)

    def finish(self, run: str, second: float, day: int = 1, exit_: str = "completed", **more: Any) -> None:
        figures = {"windows": 1, "records": 100, "wall_seconds": second, "retries": 1, "rate_limit_seconds": 4.0}
        self.write("run_finished", at(second, day), stream=STREAM, run_id=run, exit=exit_, **figures | more)

    def deliver(self, receiver: str, job: str, start: int, end: int, *, done: bool, day: int = 4) -> None:
        dates = {"dateFrom": format_date(january(start)), "dateTo": format_date(january(end))}
        names = {"stream": STREAM, "job_id": job, "receiver": receiver, **dates}
        if done:
            self.write("webhook_sync_success", at(0, day), **names, records_sent=100, latency_ms=40, attempts=1)
        else:
            self.write("webhook_sync_failure", at(0, day), **names, attempts=5, reason="it answered 503")

    def figures(self, **selection: Any) -> Figures:
        with self.path.open("rb") as file:
            return read_figures(AuditLogs([file]), Selection(**selection))


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Return an empty audit log."""
    log = Log(tmp_path / "audit.jsonl")
    log.raw(b"")
    return log


@pytest.fixture
def faulty(log: Log) -> Log:
    """Return an audit log with two runs, rejected records, a retry, a failed job, a gap and two receivers."""
    log.begin("run-1", 1, 11)
    log.export("run-1", "job-1", 1, 4, records=300, refused=2)
    log.export("run-1", "job-2", 4, 6, second=3, records=0)
    log.export("run-1", "job-3", 8, 11, second=8, records=90)
    log.write("request_retried", at(4), run_id="run-1", call="job status", reason=f"429 {SCRIPT}", wait_seconds=1.5)
    log.finish("run-1", 15, windows=3, records=390)
    log.begin("run-2", 11, 13, day=2)
    names = {"stream": STREAM, "run_id": "run-2", "job_id": "job-4"}
    dates = {"dateFrom": format_date(january(11)), "dateTo": format_date(january(13))}
    log.write("export_job_created", at(1, 2), **names, **dates, latency_ms=100)
    log.write("export_job_failed", at(9, 2), **names, **dates, reason=SCRIPT)
    log.write("pipeline_error", at(10, 2), stream=STREAM, run_id="run-2", reason=SCRIPT)
    log.write("load_confirmed", at(0, 4), run_id="run-1")
    log.deliver("bi", "job-1", 1, 4, done=True)
    log.deliver("bi", "job-2", 4, 6, done=True)
    log.deliver("lake", "job-1", 1, 4, done=False)
    return log


def report(log: Log, *options: str, environment: dict[str, str] | None = None) -> Result:
    """Run the command in this process."""
    environment = {"CXONE_REPORT_AUDIT_LOG_PATH": str(log.path)} | (environment or {})
    result = CliRunner().invoke(main, list(options), env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert RECORD not in result.output
    return result


def browser_or_skip() -> tuple[str, str]:
    """Return the paths of the browser and its driver. Without them the test is skipped, or fails in CI."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not browser or not driver:
        skip_or_fail("no browser: scripts/browser installs Debian's packages chromium and chromium-driver")
    return browser, driver
