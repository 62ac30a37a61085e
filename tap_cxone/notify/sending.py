"""Sends everything that is due to every receiver, and records each result at once, in the audit log of the window.

If the process is killed between a delivery and its line in the log, the next run delivers the window again, under the
same webhook-id.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from tap_cxone.dates import format_date, utc_now
from tap_cxone.notify.delivery import DeliveryError
from tap_cxone.notify.locking import all_locked
from tap_cxone.notify.payload import loaded_message
from tap_cxone.observability.audit_files import file_number, missing_log, open_audit_logs
from tap_cxone.observability.delivery_ledger import read_ledger
from tap_cxone.observability.events import EventName
from tap_cxone.observability.jsonlines import JsonLinesFile
from tap_cxone.observability.tenants import UNNAMED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tap_cxone.notify.delivery import Deliverer
    from tap_cxone.notify.receivers import Receiver
    from tap_cxone.observability.audit_files import AuditLogs
    from tap_cxone.observability.delivery_ledger import Ledger
    from tap_cxone.observability.windows import ExtractedWindow

_MAX_CONSECUTIVE_FAILURES = 2
"""After this many failed windows in a row, a receiver gets nothing more in this run."""

logger = logging.getLogger("cxone-notify")


@dataclass
class Results:
    """Results of a run, over all receivers.

    Attributes:
        due: number of messages that were due.
        delivered: number of them that were delivered.
        failed: number of them for which every attempt failed.
        records: number of records that the delivered messages announce.
        latencies_ms: latencies of the delivered messages, in milliseconds.
    """

    due: int = 0
    delivered: int = 0
    failed: int = 0
    records: int = 0
    latencies_ms: list[int] = field(default_factory=list)

    def event(self) -> dict[str, Any]:
        """Return the fields of the event ``webhook_metrics``."""
        latencies = sorted(self.latencies_ms)
        middle = len(latencies) // 2
        median = (latencies[middle] + latencies[~middle]) / 2 if latencies else None
        return {
            "windows": self.due,
            "delivered": self.delivered,
            "failed": self.failed,
            "not_tried": self.due - self.delivered - self.failed,
            "records": self.records,
            "success_rate": round(self.delivered / self.due, 4) if self.due else None,
            "latency_median_ms": median,
            "latency_highest_ms": latencies[-1] if latencies else None,
        }


def send(
    paths: Sequence[Path], receivers: list[Receiver], deliverer: Deliverer, *, max_attempts: int, run_id: str | None
) -> Results:
    """Announce every window that is due.

    Args:
        paths: the audit logs.
        receivers: the receivers to notify.
        deliverer: sends the messages.
        max_attempts: maximum number of attempts for one message.
        run_id: the run whose load has just succeeded; None if unknown.

    Raises:
        CxoneError: an audit log cannot be read, written or locked.
    """
    # A single file is locked even if it does not exist yet, which fails if its folder is wrong.
    existing = [path for path in paths if path.exists()] if len(paths) > 1 else paths
    with all_locked(existing), open_audit_logs(existing) as logs:
        if not logs.files:
            logger.warning("%s, so nothing is due", missing_log(paths))
            return Results()
        if missing := len(paths) - len(logs.files):
            logger.warning("Setting 'audit_log_path': %d of %d files do not exist", missing, len(paths))
        with _LogWriter(logs) as writing:
            return _Sender(logs, writing, deliverer, max_attempts).run(receivers, read_ledger(logs, run_id))


class _LogWriter:
    """Appends to the audit logs; a file is opened when its first line is written."""

    def __init__(self, logs: AuditLogs) -> None:
        self._logs = logs
        self._open: dict[int, JsonLinesFile] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def write(self, file: int, event: EventName, **fields: Any) -> None:  # noqa: ANN401 - any JSON-compatible value
        """Append an event to a file, given by its index."""
        if file not in self._open:
            lines = JsonLinesFile(self._logs.files[file].name, "audit_log_path", durable=True)
            self._open[file] = self._stack.enter_context(lines)
        self._open[file].write({"event": event, "logged_at": format_date(utc_now()), **fields})


class _Sender:
    """Sends to one receiver after another."""

    def __init__(self, logs: AuditLogs, writing: _LogWriter, deliverer: Deliverer, max_attempts: int) -> None:
        self._logs = logs
        self._writing = writing
        self._deliverer = deliverer
        self._max_attempts = max_attempts
        self._results = Results()

    def run(self, receivers: list[Receiver], ledger: Ledger) -> Results:
        for run, file in ledger.unconfirmed.items():
            self._writing.write(file, EventName.LOAD_CONFIRMED, run_id=run)
        for receiver in receivers:
            self._send_to(receiver, ledger.due(receiver.name))
        fields = self._results.event()
        self._writing.write(len(self._logs.files) - 1, EventName.WEBHOOK_METRICS, **fields)
        logger.info("%s %s", EventName.WEBHOOK_METRICS, " ".join(f"{name}={value}" for name, value in fields.items()))
        return self._results

    def _send_to(self, receiver: Receiver, due: list[ExtractedWindow]) -> None:
        self._results.due += len(due)
        failures = 0
        for position, window in enumerate(due, 1):
            # After a failure one attempt is enough to see whether only that message was the cause.
            error = self._announce(window, receiver, 1 if failures else self._max_attempts)
            failures = failures + 1 if error else 0
            if error and (error.gone or failures == _MAX_CONSECUTIVE_FAILURES) and position < len(due):
                left = len(due) - position
                logger.warning("%s gets nothing more in this run: %d more windows stay due", receiver, left)
                return

    def _announce(self, window: ExtractedWindow, receiver: Receiver, max_attempts: int) -> DeliveryError | None:
        body = loaded_message(window, self._logs)
        file = file_number(window.offset)
        identity: dict[str, Any] = {
            "stream": window.stream,
            "job_id": window.job_id,
            "dateFrom": format_date(window.start),
            "dateTo": format_date(window.end),
            "receiver": receiver.name,
            "host": receiver.host,
            "webhook_id": window.webhook_id,
        }
        if window.tenant != UNNAMED:
            identity |= {"tenant": window.label, "platform_host": window.host}
        try:
            done = self._deliverer.deliver(receiver, window.webhook_id, body, max_attempts=max_attempts)
        except DeliveryError as err:
            self._results.failed += 1
            self._writing.write(
                file, EventName.WEBHOOK_SYNC_FAILURE, **identity, attempts=err.attempts, reason=err.reason
            )
            logger.warning(
                "%s was not announced: %s: %s (attempts: %d); it stays due", window, receiver, err.reason, err.attempts
            )
            return err
        self._results.delivered += 1
        self._results.records += window.record_count
        self._results.latencies_ms.append(done.latency_ms)
        sent = {"records_sent": window.record_count, "latency_ms": done.latency_ms, "attempts": done.attempts}
        self._writing.write(file, EventName.WEBHOOK_SYNC_SUCCESS, **identity, **sent)
        logger.info("%s was announced: %s, %d ms", window, receiver, done.latency_ms)
        return None
