"""Webhook deliveries of the windows in the report, from the delivery ledger of ``cxone-notify``."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_cxone.observability.delivery_ledger import read_ledger
from tap_cxone.report.text import clean

if TYPE_CHECKING:
    from array import array

    from tap_cxone.observability.audit_files import AuditLogs
    from tap_cxone.observability.windows import ExtractedWindow


@dataclass(frozen=True)
class Deliveries:
    """Deliveries to one receiver, as numbers of windows. The field names are those of the JSON form.

    Attributes:
        failed: windows that are due again after a failed delivery.
        due: windows that are due for the first time.
        waiting: windows whose load has not been confirmed.
        reason: why the last delivery among ``failed`` failed.
    """

    receiver: str
    delivered: int
    failed: int
    due: int
    waiting: int
    reason: str = ""


def read_deliveries(logs: AuditLogs, offsets: array[int]) -> list[Deliveries]:
    """Return the deliveries to each receiver, of the windows whose lines are at some offsets, which ascend."""
    ledger = read_ledger(logs, log_problems=False)  # the report shows the number of unreadable lines

    def is_reported(window: ExtractedWindow) -> bool:
        position = bisect.bisect_left(offsets, window.offset)
        return position < len(offsets) and offsets[position] == window.offset

    windows = [window for window in ledger.windows if is_reported(window)]
    waiting = sum(map(is_reported, ledger.waiting))
    found = []
    for receiver in ledger.receivers():
        due = [window for window in windows if not ledger.delivered_at(receiver, window)]
        failures = [failure for window in due if (failure := ledger.failure(receiver, window))]
        reason = max(failures, key=lambda failure: failure.at).reason if failures else ""
        delivered = len(windows) - len(due)
        found.append(
            Deliveries(clean(receiver), delivered, len(failures), len(due) - len(failures), waiting, clean(reason))
        )
    return found
