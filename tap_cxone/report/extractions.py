"""What was requested and extracted of each stream, collected from the log: what checks and calendars are about.

Memory grows with the number of different windows.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from typing import TYPE_CHECKING

from tap_cxone.observability.events import EventName
from tap_cxone.observability.tenants import platform_host
from tap_cxone.report.coverage import CoveredWindow, StreamKey, WindowPart, latest_parts
from tap_cxone.report.days import StreamDays, calendar, unit_for
from tap_cxone.report.selection import EventSelector, LogFacts, Selection
from tap_cxone.report.text import clean
from tap_cxone.report.times import parse_ms

if TYPE_CHECKING:
    from tap_cxone.observability.audit_files import AuditLogs
    from tap_cxone.observability.events import Event
    from tap_cxone.report.coverage import Interval
    from tap_cxone.report.selection import SelectedEvent

EVENTS = frozenset({EventName.RUN_STARTED, EventName.VALIDATION_SUMMARY, EventName.WINDOW_EXTRACTED})
_MAX_SUMMARIES = 10_000


class Extractions:
    """Collects the events of ``EVENTS``.

    Attributes:
        hosts: the platform's host of each stream of a tenant, where the log says.
    """

    def __init__(self) -> None:
        self.hosts: dict[StreamKey, str] = {}
        self._windows: defaultdict[StreamKey, dict[Interval, CoveredWindow]] = defaultdict(dict)
        self._requested: dict[StreamKey, Interval | None] = {}  # from the first start of its runs to the last end
        self._summaries: OrderedDict[tuple[object, ...], tuple[int, int]] = OrderedDict()

    def add(self, selected: SelectedEvent) -> None:
        """Add an event."""
        if selected.event.event == EventName.RUN_STARTED:
            self._add_request(selected)
        elif selected.event.event == EventName.WINDOW_EXTRACTED:
            self._add_window(selected)
        else:
            event = selected.event
            self._summaries[_job_key(selected)] = event.total_records or 0, event.schema_errors or 0
            if len(self._summaries) > _MAX_SUMMARIES:
                self._summaries.popitem(last=False)

    def parts(self) -> dict[StreamKey, list[WindowPart]]:
        """Return for each stream of a tenant its windows, as ``latest_parts`` returns them."""
        return {key: self._parts(key) for key in self._keys()}

    def calendars(self) -> tuple[str, list[StreamDays]]:
        """Return the calendars of the streams, and the unit that their bins have."""
        keys = self._keys()
        unit = unit_for(span for key in keys for span in (*self._requests(key), *self._windows[key]))
        found = []
        for key in keys:
            if days := calendar(key.stream, self._parts(key), self._requests(key), unit):
                days.tenant, days.host = key.tenant, self.hosts.get(key, "")
                found.append(days)
        return unit, found

    def _add_request(self, selected: SelectedEvent) -> None:
        start, end = parse_ms(selected.event.dateFrom), parse_ms(selected.event.dateTo)
        key = self._key(selected)
        known = self._requested.setdefault(key, None)
        if start is not None and end is not None and start < end:
            first, last = known or (start, end)
            self._requested[key] = min(start, first), max(end, last)

    def _add_window(self, selected: SelectedEvent) -> None:
        event = selected.event
        start, end, bookmark = parse_ms(event.dateFrom), parse_ms(event.dateTo), parse_ms(event.bookmark)
        if start is None or end is None:
            return
        total, rejected = self._summaries.pop(_job_key(selected), (0, 0))
        until = end if bookmark is None else min(end, bookmark)
        windows = self._windows[self._key(selected)]
        windows.pop((start, until), None)  # so that the new one is inserted last
        if start < until:
            days = _days(event)
            windows[start, until] = CoveredWindow(start, until, event.record_count or 0, total, rejected, days)

    def _key(self, selected: SelectedEvent) -> StreamKey:
        key = StreamKey(selected.tenant, clean(selected.event.stream))
        if host := platform_host(selected.event):
            self.hosts[key] = clean(host)
        return key

    def _keys(self) -> list[StreamKey]:
        return sorted(key for key in {*self._windows, *self._requested} if key.stream)

    def _parts(self, key: StreamKey) -> list[WindowPart]:
        return latest_parts(self._windows[key].values())

    def _requests(self, key: StreamKey) -> list[Interval]:
        request = self._requested.get(key)
        return [request] if request else []


def read_extractions(logs: AuditLogs, selection: Selection) -> tuple[Extractions, LogFacts]:
    """Read the extractions from audit logs, and nothing else, from the selected events."""
    selector, extractions = EventSelector(EVENTS, selection), Extractions()
    for selected in selector.read(logs):
        extractions.add(selected)
    return extractions, selector.facts


def _days(event: Event) -> tuple[tuple[int, int], ...]:
    """Return the days of a window, each with its number of records."""
    found = ((parse_ms(day), count) for day, count in (event.days or {}).items())
    return tuple((day, count) for day, count in found if day is not None and count > 0)


def _job_key(selected: SelectedEvent) -> tuple[object, ...]:
    event = selected.event
    return (selected.tenant, selected.run, event.stream, event.job_id, event.dateFrom, event.dateTo)
