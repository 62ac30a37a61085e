"""Date windows: how a range is cut into exports. Pure date arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_cxone.dates import format_date

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta


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
