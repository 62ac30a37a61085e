"""Which parts of a range were extracted, by which window, and which are missing.

Pure. Times are milliseconds since 1970, intervals half-open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tap_cxone.observability.intervals import Intervals
from tap_cxone.observability.tenants import UNNAMED, Tenant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NEVER = "never extracted"
Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class CoveredWindow:
    """A window that was extracted.

    Attributes:
        start: start of the window.
        end: up to where it counts as covered: its end, or the bookmark if that is earlier.
        records: number of records emitted.
        total: number of records in the export, with duplicates and rejected ones; 0 if the log does not say.
        rejected: number of rejected records.
        days: start of a day, and how many of the records belong to it, as far as the log says.
    """

    start: int
    end: int
    records: int = 0
    total: int = 0
    rejected: int = 0
    days: tuple[tuple[int, int], ...] = ()

    @property
    def rejected_share(self) -> float:
        """Return the share of rejected records, 0 to 1."""
        return self.rejected / self.total if self.total else float(self.rejected > 0)


class WindowPart(NamedTuple):
    """A part of a window that no later extraction covers."""

    start: int
    end: int
    window: CoveredWindow

    @property
    def share(self) -> float:
        """Return its share of the window's duration, more than 0 and up to 1."""
        return (self.end - self.start) / (self.window.end - self.window.start)


class StreamKey(NamedTuple):
    """A stream of a tenant. Coverage is counted by it."""

    tenant: Tenant
    stream: str


class Gap(NamedTuple):
    """A part of a range that does not count as extracted, and why."""

    stream: str
    start: int
    end: int
    why: str
    tenant: Tenant = UNNAMED


def latest_parts(windows: Iterable[CoveredWindow]) -> list[WindowPart]:
    """Return the part of each window that no later one covers, in ascending order; the windows as extracted."""
    covered = Intervals[int]()
    parts: list[WindowPart] = []
    for window in reversed(list(windows)):
        parts += [WindowPart(start, end, window) for start, end in covered.missing(window.start, window.end)]
        covered.add(window.start, window.end)
    return sorted(parts, key=lambda part: part.start)


def check(key: StreamKey, parts: Iterable[WindowPart], start: int, end: int, max_rejected: float) -> list[Gap]:
    """Return the gaps in ``[start, end)``: what was never extracted, or with too many rejected records.

    Args:
        key: the stream.
        parts: its windows, as ``latest_parts`` returns them.
        start: start of the range.
        end: end of the range, exclusive.
        max_rejected: largest acceptable share of rejected records in a window, 0 to 1.
    """
    in_range = [part for part in parts if max(part.start, start) < min(part.end, end)]
    covered = Intervals((part.start, part.end) for part in in_range)
    gaps = [Gap(key.stream, left, right, NEVER, key.tenant) for left, right in covered.missing(start, end)]
    for part in in_range:
        if part.window.rejected_share > max_rejected:
            why = _rejection_text(part.window)
            left, right = max(part.start, start), min(part.end, end)
            if gaps and gaps[-1].end == left and gaps[-1].why == why:
                left = gaps.pop().start
            gaps.append(Gap(key.stream, left, right, why, key.tenant))
    return sorted(gaps, key=lambda gap: gap.start)


def required(parts: Mapping[StreamKey, Sequence[WindowPart]], hosts: Mapping[StreamKey, str]) -> list[StreamKey]:
    """Return the streams that a check requires, sorted.

    That is all of them, with two exceptions. Those of the sandbox are required only if there are no others. A stream
    without windows that has only its host as a label is left out if a tenant of this host has the stream: a run that
    failed before its first token does not know its tenant.
    """

    def knows_its_tenant(key: StreamKey) -> bool:
        if parts[key] or hosts.get(key) != key.tenant.label:
            return True
        return all(other == key or (other.stream, hosts.get(other)) != (key.stream, hosts[key]) for other in parts)

    found = sorted(filter(knows_its_tenant, parts))
    return [key for key in found if not key.tenant.is_sandbox] or found


def _rejection_text(window: CoveredWindow) -> str:
    """Return how many records of a window were rejected; "refused" is part of the JSON form."""
    if not window.total:
        return f"{window.rejected} records refused"
    return f"{window.rejected} of {window.total} records refused ({window.rejected_share:.2%})"
