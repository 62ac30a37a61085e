"""Webhook deliveries: what ``cxone-notify`` says of its receivers, of the windows that the report is about.

Reads the log a second time, through the ledger that the sender itself goes by. Writes nothing.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from tap_cxone.notify.ledger import read_ledger
from tap_cxone.report.reading import clean

if TYPE_CHECKING:
    from array import array

    from tap_cxone.notify.ledger import Extraction


@dataclass(frozen=True)
class Deliveries:
    """How things stand with one receiver, in windows.

    Attributes:
        failed: due again, after a delivery that failed.
        waiting: whose load is not known to have come to its end.
        reason: of the last delivery that failed and is due again.
    """

    receiver: str
    delivered: int
    failed: int
    due: int
    waiting: int
    reason: str = ""


def read_deliveries(log: BinaryIO, offsets: array[int]) -> list[Deliveries]:
    """Return how things stand with each receiver that the log knows.

    Args:
        log: the file, at its beginning.
        offsets: where the lines of the extractions begin that count, in bytes, ascending.
    """
    ledger = read_ledger(log)

    def counts(window: Extraction) -> bool:
        place = bisect.bisect_left(offsets, window.offset)
        return place < len(offsets) and offsets[place] == window.offset

    windows = [window for window in ledger.windows if counts(window)]
    waiting = sum(map(counts, ledger.waiting))
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
