"""Which runs in the audit log have loaded what they extracted."""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING, NamedTuple

from tap_cxone.dates import parse_date
from tap_cxone.observability.audit_files import file_number
from tap_cxone.observability.events import EventName
from tap_cxone.observability.tenants import UNNAMED, Tenant, tenant_of

if TYPE_CHECKING:
    from datetime import datetime

    from tap_cxone.observability.audit_reader import Entry
    from tap_cxone.observability.events import Event
    from tap_cxone.observability.windows import ExtractedWindow


class _Start(NamedTuple):
    """The start of a run of a stream.

    Attributes:
        position: rank among the events of the ledger.
        bookmark: where it started; None if it had no bookmark.
    """

    position: int
    tenant: Tenant
    file: int
    bookmark: datetime | None


class LoadHistory:
    """The runs in the log, and which of them have loaded what they extracted.

    A run has loaded everything if a sender has confirmed it. Of any other run (its load failed, its sender was killed,
    or it belongs to another pipeline and is still running), those windows are loaded that the bookmark of a later run
    of the same tenant has passed. Lines without a label are continued by those with a label in the same file, because
    an upgraded tap continues its file.
    """

    def __init__(self) -> None:
        self.confirmed: set[str] = set()
        self._files: dict[str, int] = {}
        self._last: dict[tuple[str, Tenant], tuple[int, str]] = {}
        self._starts: dict[str, list[_Start]] = {}

    def add(self, entry: Entry, position: int) -> None:
        """Add an event about a run.

        Args:
            entry: the event.
            position: its rank among the events of the ledger.
        """
        event, file = entry.event, file_number(entry.offset)
        run, stream, tenant = run_id(event), event.stream or "", tenant_of(event)
        if not run:
            return
        if event.event == EventName.LOAD_CONFIRMED:
            self.confirmed.add(run)
            return
        try:
            bookmark = parse_date(event.bookmark) if event.bookmark else None
        except ValueError:
            bookmark = None
        self._files[run] = file
        self._starts.setdefault(stream, []).append(_Start(position, tenant, file, bookmark))
        if self._last.get((stream, UNNAMED), (None, ""))[0] == file:
            del self._last[stream, UNNAMED]
        self._last[stream, tenant] = file, run

    def file_of(self, run: str) -> int:
        """Return the index of the file in which a run started last."""
        return self._files[run]

    def trusted(self, own_run: str | None) -> set[str]:
        """Return the runs that the caller vouches for: its own, or otherwise the last one of each tenant and stream."""
        return {own_run} if own_run and own_run in self._files else {run for _, run in self._last.values()}

    def has_loaded(self, window: ExtractedWindow, trusted: set[str]) -> bool:
        """Return whether a window has been loaded.

        Args:
            window: the window.
            trusted: runs that count as confirmed.
        """
        run = window.run_id
        if run is None or run not in self._files or run in trusted or run in self.confirmed:
            return True
        starts = self._starts.get(window.stream, [])
        first_later = bisect.bisect(starts, window.position, key=lambda start: start.position)
        return any(
            start.bookmark is not None and start.bookmark >= window.end and _continues(start, window)
            for start in starts[first_later:]
        )


def run_id(event: Event) -> str | None:
    """Return the run of an event; None if the log does not say."""
    return None if event.run_id is None else str(event.run_id)


def _continues(start: _Start, window: ExtractedWindow) -> bool:
    """Return whether a run may belong to the pipeline that extracted a window."""
    same_file = start.file == file_number(window.offset)
    return start.tenant == window.tenant or (window.tenant == UNNAMED and same_file)
