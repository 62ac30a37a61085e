"""Which windows in the audit log have been loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tap_cxone.dates import parse_date
from tap_cxone.observability.audit_files import file_number
from tap_cxone.observability.events import EventName
from tap_cxone.observability.tenants import UNNAMED, Tenant, tenant_of

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from tap_cxone.observability.audit_reader import Entry
    from tap_cxone.observability.events import Event
    from tap_cxone.observability.windows import ExtractedWindow


class _Bookmark(NamedTuple):
    """Where a run of a stream began."""

    stream: str
    tenant: Tenant
    file: int
    date: datetime


class LoadHistory:
    """The windows and the runs in the log, in its order.

    A run has been loaded if a sender has confirmed it. Of any other run (its load failed, its sender was killed, or it
    belongs to another pipeline and is still running), those windows have been loaded that the bookmark of a later run
    of the same tenant and stream has passed. A run that the log does not know counts as loaded. Lines without a label
    are continued by those with a label in the same file, because an upgraded tap continues its file.
    """

    def __init__(self) -> None:
        self._timeline: list[ExtractedWindow | _Bookmark] = []
        self._files: dict[str, int] = {}
        self._confirmed: set[str] = set()
        self._last: dict[tuple[str, Tenant], tuple[int, str]] = {}

    def add_window(self, window: ExtractedWindow) -> None:
        """Add a window."""
        self._timeline.append(window)

    def add_run(self, entry: Entry) -> None:
        """Add an event about a run."""
        event, file = entry.event, file_number(entry.offset)
        run, stream, tenant = run_id(event), event.stream or "", tenant_of(event)
        if not run:
            return
        if event.event == EventName.LOAD_CONFIRMED:
            self._confirmed.add(run)
            return
        if date := _bookmark(event):
            self._timeline.append(_Bookmark(stream, tenant, file, date))
        self._files[run] = file
        if self._last.get((stream, UNNAMED), (None, ""))[0] == file:
            del self._last[stream, UNNAMED]
        self._last[stream, tenant] = file, run

    def unconfirmed(self, own_run: str | None) -> dict[str, int]:
        """Return the runs that count as loaded although the log does not confirm it.

        Args:
            own_run: the run whose load has just succeeded, if the caller knows it. Otherwise the last run of each
                tenant and stream counts as loaded.

        Returns:
            For each run the index of the file in which it began last.
        """
        runs = {own_run} if own_run and own_run in self._files else {run for _, run in self._last.values()}
        return {run: self._files[run] for run in sorted(runs - self._confirmed)}

    def split(self, trusted: Collection[str]) -> tuple[list[ExtractedWindow], list[ExtractedWindow]]:
        """Return the windows that have been loaded, and the others; each in the order of their extraction.

        Args:
            trusted: runs that count as loaded although the log does not confirm it.
        """
        waiting_runs = self._files.keys() - self._confirmed - set(trusted)
        loaded: list[ExtractedWindow] = []
        waiting: list[ExtractedWindow] = []
        passed: dict[tuple[str, Tenant | int], datetime] = {}  # the latest of the bookmarks that follow in the log
        for item in reversed(self._timeline):
            if isinstance(item, _Bookmark):
                for key in ((item.stream, item.tenant), (item.stream, item.file)):
                    passed[key] = max(item.date, passed.get(key, item.date))
            elif item.run_id not in waiting_runs or any(passed[key] >= item.end for key in _keys(item) & passed.keys()):
                loaded.append(item)
            else:
                waiting.append(item)
        return loaded[::-1], waiting[::-1]


def run_id(event: Event) -> str | None:
    """Return the run of an event; None if the log does not say."""
    return None if event.run_id is None else str(event.run_id)


def _bookmark(event: Event) -> datetime | None:
    try:
        return parse_date(event.bookmark) if event.bookmark else None
    except ValueError:
        return None


def _keys(window: ExtractedWindow) -> set[tuple[str, Tenant | int]]:
    """Return the keys of bookmarks that may belong to the pipeline that extracted a window."""
    own: set[tuple[str, Tenant | int]] = {(window.stream, window.tenant)}
    return own | {(window.stream, file_number(window.offset))} if window.tenant == UNNAMED else own
