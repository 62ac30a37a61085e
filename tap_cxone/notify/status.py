"""The delivery status of every window, for each receiver: as a table, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_cxone.dates import format_date
from tap_cxone.observability.tenants import UNNAMED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tap_cxone.observability.delivery_ledger import Ledger
    from tap_cxone.observability.windows import ExtractedWindow

DELIVERED, DUE, FAILED, WAITING = "delivered", "due", "failed", "waiting"
_COUNTED = (DELIVERED, DUE, FAILED, WAITING)
_COLUMNS = ("receiver", "status", "tenant", "stream", "dateFrom", "dateTo", "job_id", "record_count", "since", "reason")


def status(ledger: Ledger, receivers: Iterable[str]) -> dict[str, Any]:
    """Return the status of each window for each receiver, JSON-compatible.

    A window is ``delivered``, ``due``, ``failed`` (due again, after a failed delivery) or ``waiting`` (its load has not
    been confirmed).
    """
    return {"receivers": [_of_receiver(ledger, receiver) for receiver in receivers]}


def table(statuses: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of a table: the counts of each receiver, then every window.

    Args:
        statuses: as ``status`` returns it.
    """
    counts = [[receiver["receiver"], *(receiver[name] for name in _COUNTED)] for receiver in statuses["receivers"]]
    yield from _aligned([("receiver", *_COUNTED), *counts])
    windows = [(entry["receiver"], window) for entry in statuses["receivers"] for window in entry["windows"]]
    if windows:
        has_tenants = any("tenant" in window for _, window in windows)
        columns = [name for name in _COLUMNS if has_tenants or name != "tenant"]
        rows = [[receiver, *(window.get(name, "") for name in columns[1:])] for receiver, window in windows]
        yield ""
        yield from _aligned([columns, *rows])


def _of_receiver(ledger: Ledger, receiver: str) -> dict[str, Any]:
    windows = [_of_window(ledger, receiver, window) for window in ledger.windows]
    windows += [_identity(window) | {"status": WAITING} for window in ledger.waiting]
    counts = {name: sum(window["status"] == name for window in windows) for name in _COUNTED}
    return {"receiver": receiver, **counts, "windows": windows}


def _of_window(ledger: Ledger, receiver: str, window: ExtractedWindow) -> dict[str, Any]:
    identity = _identity(window)
    if at := ledger.delivered_at(receiver, window):
        return identity | {"status": DELIVERED, "since": at}
    if failure := ledger.failure(receiver, window):
        return identity | {
            "status": FAILED,
            "since": failure.at,
            "attempts": failure.attempts,
            "reason": failure.reason,
        }
    return identity | {"status": DUE}


def _identity(window: ExtractedWindow) -> dict[str, Any]:
    identity = {
        "stream": window.stream,
        "dateFrom": format_date(window.start),
        "dateTo": format_date(window.end),
        "job_id": window.job_id,
        "record_count": window.record_count,
        "webhook_id": window.webhook_id,
    }
    if window.tenant != UNNAMED:
        identity |= {"tenant": str(window.tenant), "host": window.host}
    return identity


def _aligned(rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    widths = [max(len(str(cell)) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell!s:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
