"""Windows that were extracted, as the audit log has them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_cxone.dates import format_date
from tap_cxone.observability.intervals import Intervals
from tap_cxone.observability.tenants import UNNAMED, Tenant

if TYPE_CHECKING:
    from datetime import datetime

    from tap_cxone.observability.events import Event

_ANALYTICS_STREAM = "bot_conversations"


@dataclass(frozen=True, slots=True)
class ExtractedWindow:
    """A window that was extracted.

    Attributes:
        webhook_id: identifies stream, window and job, the same at each delivery.
        start: start of the window.
        end: end of the window, exclusive.
        tenant: the tenant, as the ledger distinguishes them.
        label: the tenant's label; None if the log does not say.
        host: the platform's host; None if the log does not say.
        surface: the platform's API that exported it, ``analytics`` or ``data_extraction``; None if it is not known.
        run_id: the run that extracted it; None if the log does not say.
        offset: where its line begins in the log, in bytes; of several logs as ``AuditLogs`` defines it.
        length: length of that line, in bytes.
    """

    webhook_id: str
    stream: str
    job_id: str
    start: datetime
    end: datetime
    record_count: int
    duplicates: int
    schema_errors: int
    tenant: Tenant
    label: str | None
    host: str | None
    surface: str | None
    run_id: str | None
    offset: int
    length: int

    def __str__(self) -> str:
        """Return the window for use in messages."""
        tenant = "" if self.tenant == UNNAMED else f" of {self.tenant}"
        return f"Window {format_date(self.start)}/{format_date(self.end)} of {self.stream}{tenant} (job {self.job_id})"


def surface_of(event: Event) -> str | None:
    """Return the platform's API that exported the window of an event; None if that is not known.

    Older versions did not write it. Their analytics exports had one stream, with a name that no other can have.
    """
    if event.surface or not event.stream:
        return event.surface
    return "analytics" if event.stream == _ANALYTICS_STREAM else "data_extraction"


def without_superseded(windows: list[ExtractedWindow]) -> list[ExtractedWindow]:
    """Leave out windows that lie entirely within windows of the same tenant and stream extracted later.

    The windows of one run do not overlap, so the later windows belong to other runs. A window with the id of a later
    one is left out as well: the same job, exported by an older version and again after the upgrade.
    """
    covered: defaultdict[tuple[Tenant, str], Intervals[datetime]] = defaultdict(Intervals)
    seen: set[str] = set()
    kept = []
    for window in reversed(windows):
        later = covered[window.tenant, window.stream]
        if window.webhook_id not in seen and later.missing(window.start, window.end):
            later.add(window.start, window.end)
            kept.append(window)
        seen.add(window.webhook_id)
    return kept[::-1]
