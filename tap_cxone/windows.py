"""Date windows: how a range of time is cut into exports. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tap_cxone.dates import format_date

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import timedelta

_ANY_MIDNIGHT = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, order=True)
class Window:
    """A half-open range of time, ``[start, end)``, in aware UTC date-times of whole milliseconds."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Check the order.

        Raises:
            ValueError: the end is not after the start.
        """
        if self.end <= self.start:
            msg = f"a window must end after it starts: {self}"
            raise ValueError(msg)

    def __str__(self) -> str:
        """Return ``start/end`` as messages show it."""
        return f"{format_date(self.start)}/{format_date(self.end)}"


def cut(start: datetime, end: datetime, length: timedelta) -> Iterator[Window]:
    """Cut ``[start, end)`` into windows that touch, do not overlap and are no longer than ``length``.

    Only the last one may be shorter. An empty range yields no window.
    """
    while start < end:
        # Compared as a difference, because start + length may be later than the last representable date.
        edge = start + length if end - start > length else end
        yield Window(start, edge)
        start = edge


def plan(start: datetime, end: datetime, length: timedelta, known: Iterable[Window]) -> list[Window]:
    """Cut ``[start, end)`` like ``cut``, but keep windows for which a job exists, so that the job can be used again.

    Args:
        start: start of the range.
        end: end of the range, exclusive.
        length: longest window.
        known: windows for which there is a job, the newest last; of several with the same start the newest counts. A
            window outside the range, or one that begins before its predecessor has ended, is not used.
    """
    newest = {window.start: window for window in known if start <= window.start and window.end <= end}
    windows: list[Window] = []
    position = start
    while position < end:
        window = newest.get(position)
        if window is None:
            next_known = min((edge for edge in newest if edge > position), default=end)
            window = next(cut(position, next_known, length))
        windows.append(window)
        position = window.end
    return windows


def halves(window: Window, granularity: timedelta) -> tuple[Window, Window]:
    """Cut a window in two, at a multiple of ``granularity`` from its start. It must be longer than ``granularity``."""
    middle = window.start + (window.end - window.start) // 2 // granularity * granularity
    middle = middle if middle > window.start else window.start + granularity
    return Window(window.start, middle), Window(middle, window.end)


def complete_until(window: Window, requested_at: datetime, settle: timedelta) -> datetime:
    """Return the time up to which an export of a window is complete: earlier events had settled when it was requested.

    Args:
        window: the window of the export.
        requested_at: when the export was requested.
        settle: how long the platform takes until an event can be exported.
    """
    return min(window.end, requested_at - settle)


def widen(start: datetime, end: datetime, granularity: timedelta) -> tuple[datetime, datetime]:
    """Widen a range to multiples of ``granularity``, counted from midnight UTC; it must divide a day."""
    return start - _past_edge(start, granularity), end + -_past_edge(end, granularity) % granularity


def _past_edge(date: datetime, granularity: timedelta) -> timedelta:
    return (date - _ANY_MIDNIGHT) % granularity
