"""The delivery ledger: which windows have been loaded, and which receivers have been notified of them.

It is read from the audit log, which is all that ``cxone-notify`` remembers (see ``tap_cxone.notify``). A log may have
millions of lines, so only lines of the relevant kinds are decoded, and samples stay in the file.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_cxone.dates import parse_date
from tap_cxone.observability.audit_reader import AuditLogReader
from tap_cxone.observability.events import DELIVERIES, EventName
from tap_cxone.observability.load_history import LoadHistory, run_id
from tap_cxone.observability.tenants import platform_host, tenant_of
from tap_cxone.observability.window_ids import WindowIds, job_id
from tap_cxone.observability.windows import ExtractedWindow, surface_of, without_superseded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cxone.observability.audit_files import AuditLogs
    from tap_cxone.observability.audit_reader import Entry
    from tap_cxone.observability.events import Event

RUN_EVENTS = frozenset({EventName.RUN_STARTED, EventName.LOAD_CONFIRMED})
"""Events about a run. The other events of a ledger are about a window."""
_EVENTS = RUN_EVENTS | DELIVERIES | {EventName.WINDOW_EXTRACTED, EventName.VALIDATION_SUMMARY}

logger = logging.getLogger("cxone-notify")


@dataclass(frozen=True, slots=True)
class Failure:
    """The last delivery of a window to a receiver, which failed.

    Attributes:
        at: when, as in the audit log.
        attempts: number of requests sent.
        reason: why the last request failed.
    """

    at: str
    attempts: int
    reason: str


@dataclass
class Ledger:
    """Windows and their deliveries.

    Attributes:
        windows: windows that have been loaded, in the order of their extraction. A window that was extracted several
            times is listed once, as last extracted.
        not_loaded: all windows whose load is not known, in the same order.
        unconfirmed: runs that count as loaded although the log does not confirm it: the caller's run, or otherwise the
            last run of each tenant and stream; each with the index of the file in which it began last.
    """

    windows: list[ExtractedWindow] = field(default_factory=list)
    not_loaded: list[ExtractedWindow] = field(default_factory=list)
    unconfirmed: dict[str, int] = field(default_factory=dict)
    _delivered: dict[str, dict[str, str]] = field(default_factory=dict)
    _failed: dict[str, dict[str, Failure]] = field(default_factory=dict)

    @property
    def waiting(self) -> list[ExtractedWindow]:
        """The windows that are due once their load is known, each as last extracted."""
        return without_superseded(self.not_loaded)

    def due(self, receiver: str) -> list[ExtractedWindow]:
        """Return the windows that have not been delivered to a receiver, in order."""
        delivered = self._delivered.get(receiver, {})
        return [window for window in self.windows if window.webhook_id not in delivered]

    def delivered_at(self, receiver: str, window: ExtractedWindow) -> str | None:
        """Return when a window was delivered to a receiver, as in the audit log; None if it was not."""
        return self._delivered.get(receiver, {}).get(window.webhook_id)

    def failure(self, receiver: str, window: ExtractedWindow) -> Failure | None:
        """Return the failure of the last delivery; None if it did not fail."""
        return self._failed.get(receiver, {}).get(window.webhook_id)

    def is_last_failure(self, event: Event, webhook_id: str) -> bool:
        """Return whether a failed delivery is the last delivery of a window to its receiver."""
        failure = self._failed.get(event.receiver or "", {}).get(webhook_id)
        return failure is not None and failure.at == event.logged_at

    def receivers(self) -> list[str]:
        """Return the names of all receivers in the log, sorted."""
        return sorted({*self._delivered, *self._failed})


def read_entries(logs: AuditLogs, *, log_problems: bool = True) -> Iterator[Entry]:
    """Yield the events of a ledger.

    Args:
        logs: the audit logs.
        log_problems: whether to log which lines cannot be read.
    """

    def log_unreadable(offset: int) -> None:
        logger.info("The audit log has an incomplete or unreadable line at %s", logs.describe(offset))

    return logs.entries(AuditLogReader(_EVENTS, log_unreadable if log_problems else None).read_quickly)


def read_ledger(
    logs: AuditLogs, own_run: str | None = None, *, confirmed_only: bool = False, log_problems: bool = True
) -> Ledger:
    """Read the ledger from audit logs.

    Args:
        logs: the audit logs.
        own_run: the run whose load has just succeeded, if the caller knows it.
        confirmed_only: whether no run counts as loaded that the log does not confirm.
        log_problems: whether to log which lines cannot be used.
    """
    builder = _LedgerBuilder(logs, log_problems=log_problems)
    for entry in read_entries(logs, log_problems=log_problems):
        builder.add(entry)
    return builder.build(own_run, confirmed_only=confirmed_only)


def _shared(text: str | None) -> str | None:
    """Return one object for all equal texts, to save memory."""
    return None if text is None else sys.intern(text)


class _LedgerBuilder:
    """Builds a ledger, event by event."""

    def __init__(self, logs: AuditLogs, *, log_problems: bool) -> None:
        self._logs = logs
        self._log_problems = log_problems
        self._summaries: dict[str, tuple[int, int]] = {}
        self._delivered: dict[str, dict[str, str]] = {}
        self._failed: dict[str, dict[str, Failure]] = {}
        self._ids = WindowIds()
        self._history = LoadHistory()

    def add(self, entry: Entry) -> None:
        event = entry.event
        if event.event in RUN_EVENTS:
            self._history.add_run(entry)
            return
        name, receiver = _shared(self._ids.of(entry)), event.receiver or ""
        if name is None:
            if event.event == EventName.WINDOW_EXTRACTED and self._log_problems:
                where = self._logs.describe(entry.offset)
                logger.warning("The audit log has a window without dates at %s: it is skipped", where)
        elif event.event == EventName.VALIDATION_SUMMARY:
            self._summaries[name] = event.duplicates or 0, event.schema_errors or 0
        elif event.event == EventName.WINDOW_EXTRACTED:
            self._add_window(name, entry)
        elif event.event == EventName.WEBHOOK_SYNC_SUCCESS:
            self._delivered.setdefault(receiver, {})[name] = event.logged_at
            self._failed.get(receiver, {}).pop(name, None)
        else:
            failure = Failure(event.logged_at, event.attempts or 0, event.reason or "")
            self._failed.setdefault(receiver, {})[name] = failure

    def _add_window(self, name: str, entry: Entry) -> None:
        event = entry.event
        duplicates, schema_errors = self._summaries.pop(name, (0, 0))
        self._history.add_window(
            ExtractedWindow(
                webhook_id=name,
                stream=_shared(event.stream) or "",
                job_id=job_id(event),
                start=parse_date(event.dateFrom or ""),
                end=parse_date(event.dateTo or ""),
                record_count=event.record_count or 0,
                duplicates=duplicates,
                schema_errors=schema_errors,
                tenant=tenant_of(event),
                label=_shared(event.tenant),
                host=_shared(platform_host(event)),
                surface=_shared(surface_of(event)),
                run_id=_shared(run_id(event)),
                offset=entry.offset,
                length=len(entry.line),
            )
        )

    def build(self, own_run: str | None, *, confirmed_only: bool) -> Ledger:
        unconfirmed = {} if confirmed_only else self._history.unconfirmed(own_run)
        loaded, not_loaded = self._history.split(unconfirmed)
        return Ledger(
            windows=without_superseded(loaded),
            not_loaded=not_loaded,
            unconfirmed=unconfirmed,
            _delivered=self._delivered,
            _failed=self._failed,
        )
