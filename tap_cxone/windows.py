"""Date windows: how a range is cut into exports. Pure date arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tap_cxone.dates import format_date

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import timedelta

_SOME_MIDNIGHT = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, order=True)
class Window:
    """A half-open range of time, ``[start, end)``, in aware UTC dates of whole milliseconds."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Refuse what is not a window.

        Raises:
            ValueError: the end is not after the start.
        """
        if self.end <= self.start:
            msg = f"a window must end after it starts: {self}"
            raise ValueError(msg)

    def __str__(self) -> str:
        """Return the window as it is named in messages."""
        return f"{format_date(self.start)}/{format_date(self.end)}"


def cut(start: datetime, end: datetime, length: timedelta) -> Iterator[Window]:
    """Cut ``[start, end)`` into windows that touch, do not overlap and are no longer than ``length``.

    Only the last one may be shorter; an empty range has none.
    """
    while start < end:
        # Compared as a difference, since start + length may lie behind the end of all dates.
        edge = start + length if end - start > length else end
        yield Window(start, edge)
        start = edge


def plan(start: datetime, end: datetime, length: timedelta, known: Iterable[Window]) -> list[Window]:
    """Cut ``[start, end)`` like ``cut``, but so that windows that were exported before can be used again.

    Args:
        start: where the range begins.
        end: where it ends, exclusive.
        length: the longest window.
        known: windows for which there is a job, the newest last; of several with one start the newest counts.
            Windows that do not lie in the range, or begin before what precedes them has ended, are not used.
    """
    newest = {window.start: window for window in known if start <= window.start and window.end <= end}
    windows: list[Window] = []
    position = start
    while position < end:
        window = newest.get(position)
        if window is None:
            upcoming = min((edge for edge in newest if edge > position), default=end)
            window = next(cut(position, upcoming, length))
        windows.append(window)
        position = window.end
    return windows


def halves(window: Window, granularity: timedelta) -> tuple[Window, Window]:
    """Cut a window in two, at a whole multiple of the granularity from its start; it must be longer than one."""
    middle = window.start + (window.end - window.start) // 2 // granularity * granularity
    middle = middle if middle > window.start else window.start + granularity
    return Window(window.start, middle), Window(middle, window.end)


def covered(window: Window, asked: datetime, settle: timedelta) -> datetime:
    """Return up to where an export of a window has everything that it is ever going to have.

    Args:
        window: what was asked for.
        asked: when.
        settle: how long the platform needs until an event can be exported.
    """
    return min(window.end, asked - settle)


def rounded(start: datetime, end: datetime, granularity: timedelta) -> tuple[datetime, datetime]:
    """Widen a range to whole multiples of ``granularity``, counted from midnight UTC; a day is a multiple of it."""
    return start - _behind_edge(start, granularity), end + -_behind_edge(end, granularity) % granularity


def _behind_edge(date: datetime, granularity: timedelta) -> timedelta:
    return (date - _SOME_MIDNIGHT) % granularity
