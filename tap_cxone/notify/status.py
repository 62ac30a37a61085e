"""What is delivered, due and failed, for each receiver: as a table, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_cxone.dates import format_date

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tap_cxone.notify.ledger import Extraction, Ledger

DELIVERED, DUE, FAILED, WAITING = "delivered", "due", "failed", "waiting"
_COUNTED = (DELIVERED, DUE, FAILED, WAITING)
_COLUMNS = ("receiver", "status", "stream", "dateFrom", "dateTo", "job_id", "record_count", "since", "reason")


def status(ledger: Ledger, receivers: Iterable[str]) -> dict[str, Any]:
    """Return how things stand, JSON-compatible.

    A window is ``delivered``, ``due``, ``failed`` (due again, after a delivery that failed) or ``waiting`` (its load is
    not known to have come to its end).
    """
    return {"receivers": [_of_receiver(ledger, receiver) for receiver in receivers]}


def table(stand: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of a table for people: the counts, then every window."""
    counts = [[receiver["receiver"], *(receiver[name] for name in _COUNTED)] for receiver in stand["receivers"]]
    yield from _aligned([("receiver", *_COUNTED), *counts])
    windows = [
        [receiver["receiver"], *(window.get(name, "") for name in _COLUMNS[1:])]
        for receiver in stand["receivers"]
        for window in receiver["windows"]
    ]
    if windows:
        yield ""
        yield from _aligned([_COLUMNS, *windows])


def _of_receiver(ledger: Ledger, receiver: str) -> dict[str, Any]:
    windows = [_of_window(ledger, receiver, window) for window in ledger.windows]
    windows += [_names(window) | {"status": WAITING} for window in ledger.waiting]
    counts = {name: sum(window["status"] == name for window in windows) for name in _COUNTED}
    return {"receiver": receiver, **counts, "windows": windows}


def _of_window(ledger: Ledger, receiver: str, window: Extraction) -> dict[str, Any]:
    names = _names(window)
    if at := ledger.delivered_at(receiver, window):
        return names | {"status": DELIVERED, "since": at}
    if failure := ledger.failure(receiver, window):
        return names | {
            "status": FAILED,
            "since": failure.at,
            "attempts": failure.attempts,
            "reason": failure.reason,
        }
    return names | {"status": DUE}


def _names(window: Extraction) -> dict[str, Any]:
    return {
        "stream": window.stream,
        "dateFrom": format_date(window.start),
        "dateTo": format_date(window.end),
        "job_id": window.job_id,
        "record_count": window.record_count,
        "webhook_id": window.webhook_id,
    }


def _aligned(rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    widths = [max(len(str(cell)) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell!s:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
