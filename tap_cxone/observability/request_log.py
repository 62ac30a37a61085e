"""Counts the requests of a run and writes retries to the audit log; the HTTP client notifies it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_cxone.observability.events import EventName

if TYPE_CHECKING:
    from tap_cxone.observability.audit_log import AuditLog
    from tap_cxone.observability.labels import RunLabels
    from tap_cxone.observability.progress import Progress


class RequestLog:
    """Listener of the HTTP client. Thread-safe.

    Args:
        progress: counts the requests.
        audit_log: gets an event for each retry.
        run_id: id of the run in the audit log.
        labels: tenant and host of the run.
    """

    def __init__(self, progress: Progress, audit_log: AuditLog, run_id: str, labels: RunLabels) -> None:
        self._progress = progress
        self._audit_log = audit_log
        self._run_id = run_id
        self._labels = labels

    def requested(self) -> None:
        """Record a request."""
        self._progress.requested()

    def retrying(self, call: str, reason: str, seconds: float, rate_limited: bool) -> None:  # noqa: FBT001 - a callback
        """Record that a request is going to be repeated after ``seconds``."""
        self._progress.retrying(call, reason, seconds, rate_limited=rate_limited)
        self._audit_log.event(
            EventName.REQUEST_RETRIED,
            log=False,  # the retry policy has logged it
            run_id=self._run_id,
            **self._labels.fields(),
            call=call,
            reason=reason,
            wait_seconds=round(seconds, 3),
        )
