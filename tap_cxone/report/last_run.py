"""How a run ended, for a scheduler: its verdict from the audit log."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tap_cxone.errors import SIGNAL_EXIT_CODE
from tap_cxone.observability.events import EventName
from tap_cxone.report.selection import EventSelector
from tap_cxone.report.text import clean

if TYPE_CHECKING:
    from tap_cxone.observability.audit_files import AuditLogs
    from tap_cxone.observability.events import Event
    from tap_cxone.report.selection import Selection

_EVENTS = frozenset(EventName) - {
    EventName.LOAD_CONFIRMED,
    EventName.WEBHOOK_SYNC_SUCCESS,
    EventName.WEBHOOK_SYNC_FAILURE,
    EventName.WEBHOOK_METRICS,
}
"""Events of the tap. Those of cxone-notify come after a run and say nothing about its end."""


class Verdict(StrEnum):
    """How a run ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    KILLED = "killed"
    """Its end was not recorded: the process was killed, or it still runs."""


@dataclass
class RunOutcome:
    """How a run ended, and what it has done: streams read, windows extracted, records emitted.

    Attributes:
        exit_code: exit code of the tap; None: killed.
        retryable: whether the same run may succeed later although nobody changes anything.
        tenant: label of the tenant.
    """

    run_id: str
    orchestrator_run_id: str | None = None
    exit_code: int | None = None
    retryable: bool = True
    reason: str | None = None
    tenant: str | None = None
    host: str | None = None
    streams: int = 0
    windows: int = 0
    records: int = 0
    seconds: float | None = None
    ended_at: str | None = None
    _streams: set[str] = field(default_factory=set)

    @property
    def has_ended(self) -> bool:
        """Whether the end of the run is in the log."""
        return self.exit_code is not None

    @property
    def verdict(self) -> Verdict:
        """How the run ended."""
        return verdict_on(self.exit_code)

    def as_json(self) -> dict[str, Any]:
        """Return the verdict and all fields."""
        fields = {name: value for name, value in asdict(self).items() if not name.startswith("_")}
        return {"run_id": fields.pop("run_id"), "verdict": self.verdict, **fields}

    def as_text(self) -> str:
        """Return the same as one sentence."""
        code = "" if self.exit_code is None else f" with exit code {self.exit_code}"
        advice = "" if self.verdict is Verdict.COMPLETED else f" ({'retry' if self.retryable else 'do not retry'})"
        reason = f": {clean(self.reason)}" if self.reason else ""
        counts = f"{self.streams} streams, {self.windows} windows, {self.records} records"
        return f"Run {self.run_id}: {self.verdict}{code}{advice}, {counts}{reason}"

    def add(self, event: Event) -> None:
        """Add an event of the run."""
        self.tenant, self.host = event.tenant or self.tenant, event.host or self.host
        self.orchestrator_run_id = event.orchestrator_run_id or self.orchestrator_run_id
        if event.event == EventName.RUN_ENDED:
            self.exit_code, self.retryable, self.reason = event.exit_code, bool(event.retryable), event.reason
            self.streams, self.windows, self.records = event.streams or 0, event.windows or 0, event.records or 0
            self.seconds, self.ended_at = event.seconds, event.logged_at
            return
        if event.stream:
            self._streams.add(event.stream)
            self.streams = len(self._streams)
        if event.event == EventName.WINDOW_EXTRACTED:
            self.windows += 1
            self.records += event.record_count or 0


def verdict_on(exit_code: int | None) -> Verdict:
    """Return how a run with this exit code ended; None: the log has no end of it."""
    if exit_code is None:
        return Verdict.KILLED
    if exit_code > SIGNAL_EXIT_CODE:
        return Verdict.STOPPED
    return Verdict.FAILED if exit_code else Verdict.COMPLETED


def find_outcome(logs: AuditLogs, selection: Selection, wanted: str | None) -> RunOutcome | None:
    """Return the outcome of the run that began last, or of the one with the wanted id, here or in an orchestrator."""
    runs: dict[str, RunOutcome] = {}
    for _, event, _, _, run in EventSelector(_EVENTS, selection).read(logs):
        if not run or wanted not in {None, run, event.orchestrator_run_id}:
            continue
        # The blocks of one "meltano run" share their id: what follows an end belongs to the next block.
        if run not in runs or runs[run].has_ended:
            runs.pop(run, None)
            runs[run] = RunOutcome(run)
        runs[run].add(event)
    return list(runs.values())[-1] if runs else None
