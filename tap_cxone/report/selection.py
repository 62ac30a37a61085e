"""Selects the events of the audit log that a report is about: of a run, a stream or a time range."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tap_cxone.observability.audit_files import file_number
from tap_cxone.observability.audit_reader import AuditLogReader
from tap_cxone.observability.events import EventName
from tap_cxone.observability.tenants import UNNAMED, Tenant, tenant_of
from tap_cxone.report.text import clean
from tap_cxone.report.times import parse_ms

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tap_cxone.observability.audit_files import AuditLogs
    from tap_cxone.observability.events import Event

MAX_STREAMS = 1000


@dataclass(frozen=True)
class Selection:
    """Which events are selected; None selects all.

    Attributes:
        stream: events of this stream, and those that belong to no stream.
        start: events logged at or after this time, in milliseconds since 1970.
        end: events logged before this time, in milliseconds since 1970.
        tenant: events of the tenant of this name.
        unnamed_tenant: label of the tenant that the lines without a label count for.
    """

    run_id: str | None = None
    stream: str | None = None
    start: int | None = None
    end: int | None = None
    tenant: str | None = None
    unnamed_tenant: str | None = None


@dataclass
class LogFacts:
    """Facts about the log itself: how many lines it has, how many events are selected, how many lines are unreadable.

    Attributes:
        first: when the first selected event was logged, in milliseconds since 1970; None if unknown.
        last: when the last one was.
        has_tenants: whether a selected event has a label.
        streams: names of all streams in the log, selected or not, at most ``MAX_STREAMS``.
    """

    lines: int = 0
    selected: int = 0
    unreadable: int = 0
    first: int | None = None
    last: int | None = None
    has_tenants: bool = False
    streams: set[str] = field(default_factory=set)


class SelectedEvent(NamedTuple):
    """An event that is selected.

    Attributes:
        offset: the offset of its line.
        at: when it was logged, in milliseconds since 1970; None if unknown.
        run: the id of its run; empty if unknown.
    """

    offset: int
    event: Event
    tenant: Tenant
    at: int | None
    run: str


class EventSelector:
    """Reads audit logs and selects events of some kinds; ``facts`` is complete once all have been read."""

    def __init__(self, names: Collection[str], selection: Selection) -> None:
        self.facts = LogFacts()
        self._names = names
        self._selection = selection
        self._latest_runs: dict[tuple[int, str], str] = {}

    def read(self, logs: AuditLogs) -> Iterator[SelectedEvent]:
        """Yield the selected events."""
        facts, unnamed = self.facts, Tenant(self._selection.unnamed_tenant or "")
        reader = AuditLogReader(self._names)
        for offset, _, event in logs.entries(reader.read):
            if event.stream and len(facts.streams) < MAX_STREAMS:
                facts.streams.add(event.stream)
            at, run, tenant = parse_ms(event.logged_at), self._run_of(event, file_number(offset)), tenant_of(event)
            if tenant == UNNAMED:
                tenant = unnamed
            if self._is_selected(event, at, run, tenant):
                facts.selected += 1
                if at is not None and (facts.last is None or at > facts.last):
                    facts.last = at
                if at is not None and (facts.first is None or at < facts.first):
                    facts.first = at
                facts.has_tenants = facts.has_tenants or tenant != UNNAMED
                yield SelectedEvent(offset, event, tenant, at, run)
        facts.lines, facts.unreadable = reader.lines, reader.unreadable

    def _run_of(self, event: Event, file: int) -> str:
        """Return the run of an event.

        In older logs most events have no run id: they belong to the latest run of their stream in the same file.
        """
        stream = event.stream or ""
        if event.run_id is None:
            return self._latest_runs.get((file, stream), "")
        run = clean(str(event.run_id))
        if event.event == EventName.RUN_STARTED:
            self._latest_runs[file, stream] = run
        return run

    def _is_selected(self, event: Event, at: int | None, run: str, tenant: Tenant) -> bool:
        wanted = self._selection
        if wanted.run_id is not None and run != wanted.run_id:
            return False
        if wanted.stream is not None and event.stream is not None and event.stream != wanted.stream:
            return False
        if wanted.tenant is not None and wanted.tenant != str(tenant):
            return False
        if wanted.start is not None and (at is None or at < wanted.start):
            return False
        return wanted.end is None or (at is not None and at < wanted.end)


def run_ids(logs: AuditLogs) -> list[str]:
    """Return the ids of the runs in audit logs, each once, in the order of their latest start."""
    runs: dict[str, None] = {}
    names = (EventName.RUN_STARTED, EventName.RUN_FINISHED, EventName.RUN_ENDED, EventName.WINDOW_EXTRACTED)
    selector = EventSelector(names, Selection())
    for _, event, _, _, run in selector.read(logs):
        if run and (event.event == EventName.RUN_STARTED or run not in runs):
            runs.pop(run, None)
            runs[run] = None
    return list(runs)
