"""The ``webhook-id`` of each window and job in the audit log."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tap_cxone.dates import format_date, parse_date
from tap_cxone.observability.audit_files import file_number
from tap_cxone.observability.events import EventName
from tap_cxone.observability.tenants import SANDBOX_HOST, UNNAMED, Tenant, tenant_of

if TYPE_CHECKING:
    from tap_cxone.observability.audit_reader import Entry
    from tap_cxone.observability.events import Event


def window_id(event: Event, tenant: Tenant = UNNAMED) -> str | None:
    """Return the ``webhook-id`` of the window and job of an event; None if the event has no window.

    Without a tenant, the id is that of older versions, whose events have no label.
    """
    names = _names(event)
    return _digest(names, tenant) if names else None


def job_id(event: Event) -> str:
    """Return the job of an event; empty if it has none."""
    return "" if event.job_id is None else str(event.job_id)


class WindowIds:
    """Ids of windows, of which those with a label include the tenant.

    A job that an older version created and exported may be exported again after the upgrade: the same window, but with
    a label. It keeps the id without the tenant, so that it is not announced twice. This holds within one file, because
    an upgraded tap continues its file, and for one tenant, the first one that exports the same job.
    """

    def __init__(self) -> None:
        self._continued_by: dict[tuple[int, str], Tenant] = {}

    def of(self, entry: Entry) -> str | None:
        """Return the id of the window of an event; None if the event has no window.

        The events have to be passed in the order of the log.
        """
        event, tenant = entry.event, tenant_of(entry.event)
        names = _names(event)
        if names is None:
            return None
        if tenant != UNNAMED and event.webhook_id:  # a delivery
            return event.webhook_id
        if tenant != UNNAMED and not self._continued_by:
            return _digest(names, tenant)
        unnamed = _digest(names, UNNAMED)
        key = (file_number(entry.offset), unnamed)
        if tenant == UNNAMED:
            if event.event == EventName.WINDOW_EXTRACTED:
                self._continued_by.setdefault(key, UNNAMED)
            return unnamed
        if self._continued_by.get(key) == UNNAMED:
            self._continued_by[key] = tenant
        return unnamed if self._continued_by.get(key) == tenant else _digest(names, tenant)


def _names(event: Event) -> list[str] | None:
    """Return what identifies the window of an event within a tenant; None if the event has no window."""
    try:
        start, end = parse_date(event.dateFrom or ""), parse_date(event.dateTo or "")
    except ValueError:
        return None
    return [event.stream or "", format_date(start), format_date(end), job_id(event)]


def _digest(names: list[str], tenant: Tenant) -> str:
    of_tenant = [] if tenant == UNNAMED else [tenant.label, SANDBOX_HOST if tenant.is_sandbox else ""]
    digest = hashlib.sha256("\0".join([*names, *of_tenant]).encode()).hexdigest()
    return f"msg_{digest[:32]}"
