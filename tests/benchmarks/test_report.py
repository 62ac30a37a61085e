"""The log of the benchmark of ``cxone-report`` is one that the report understands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_cxone.observability.audit_files import AuditLogs
from tap_cxone.report.figures import read_figures
from tap_cxone.report.selection import Selection
from tap_cxone.report.webhooks import read_deliveries
from tests.benchmarks.report import write_log

if TYPE_CHECKING:
    from pathlib import Path


def test_log(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    write_log(path, 5000, 250)
    lines = path.read_bytes().splitlines()
    assert len(lines) == 5000
    assert sum(line.startswith(b'{"event": "webhook_sync_success"') for line in lines) in range(230, 251)
    with path.open("rb") as file:
        figures = read_figures(AuditLogs([file]), Selection())
        [receiver] = read_deliveries(AuditLogs([file]), figures.offsets)
    assert (figures.log.lines, figures.log.selected, figures.log.unreadable) == (5000, 5000, 0)
    windows = sum(line.startswith(b'{"event": "window_extracted"') for line in lines)
    assert figures.totals.windows == receiver.delivered + receiver.due + receiver.waiting == windows > 400
    assert sum(kind.records for kind in figures.rejections) in range(5 * windows, 5 * windows + 6)
    assert len(figures.days) == 4
    assert all(len(stream.gaps) == 0 for stream in figures.days[:3])
