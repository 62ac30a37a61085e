"""Sends everything that is due to every receiver, and records each result in the audit log at once.

If the process is killed between a delivery and its line in the log, the next run delivers the window again, under the
same webhook-id.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tap_cxone.dates import format_date, utc_now
from tap_cxone.notify.delivery import DeliveryError
from tap_cxone.notify.locking import locked
from tap_cxone.notify.payload import loaded_message
from tap_cxone.observability.audit_reader import open_audit_log
from tap_cxone.observability.delivery_ledger import read_ledger
from tap_cxone.observability.events import EventName
from tap_cxone.observability.jsonlines import JsonLinesFile

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from tap_cxone.notify.delivery import Deliverer
    from tap_cxone.notify.receivers import Receiver
    from tap_cxone.observability.delivery_ledger import ExtractedWindow, Ledger

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
    log: Path, receivers: list[Receiver], deliverer: Deliverer, *, max_attempts: int, run_id: str | None
) -> Results:
    """Announce every window that is due.

    Args:
        log: the audit log.
        receivers: the receivers to notify.
        deliverer: sends the messages.
        max_attempts: maximum number of attempts for one message.
        run_id: the run whose load has just succeeded; None if unknown.

    Raises:
        CxoneError: the audit log cannot be read, written or locked.
    """
    with locked(log), open_audit_log(log) as reading:
        if reading is None:
            logger.warning("Setting 'audit_log_path': the file does not exist, so nothing is due")
            return Results()
        ledger = read_ledger(reading, run_id)
        with JsonLinesFile(str(log), "audit_log_path", durable=True) as writing:
            sender = _Sender(ledger, reading, writing, deliverer, max_attempts)
            return sender.run(receivers)


class _Sender:
    """Sends to one receiver after another."""

    def __init__(
        self, ledger: Ledger, reading: BinaryIO, writing: JsonLinesFile, deliverer: Deliverer, max_attempts: int
    ) -> None:
        self._ledger = ledger
        self._reading = reading
        self._writing = writing
        self._deliverer = deliverer
        self._max_attempts = max_attempts
        self._results = Results()

    def run(self, receivers: list[Receiver]) -> Results:
        for run in self._ledger.unconfirmed:
            self._write(EventName.LOAD_CONFIRMED, run_id=run)
        for receiver in receivers:
            self._send_to(receiver)
        fields = self._results.event()
        self._write(EventName.WEBHOOK_METRICS, **fields)
        logger.info("%s %s", EventName.WEBHOOK_METRICS, " ".join(f"{name}={value}" for name, value in fields.items()))
        return self._results

    def _send_to(self, receiver: Receiver) -> None:
        due = self._ledger.due(receiver.name)
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
        body = loaded_message(window, self._reading)
        identity = {
            "stream": window.stream,
            "job_id": window.job_id,
            "dateFrom": format_date(window.start),
            "dateTo": format_date(window.end),
            "receiver": receiver.name,
            "host": receiver.host,
            "webhook_id": window.webhook_id,
        }
        try:
            done = self._deliverer.deliver(receiver, window.webhook_id, body, max_attempts=max_attempts)
        except DeliveryError as err:
            self._results.failed += 1
            self._write(EventName.WEBHOOK_SYNC_FAILURE, **identity, attempts=err.attempts, reason=err.reason)
            logger.warning(
                "%s was not announced: %s: %s (attempts: %d); it stays due", window, receiver, err.reason, err.attempts
            )
            return err
        self._results.delivered += 1
        self._results.records += window.record_count
        self._results.latencies_ms.append(done.latency_ms)
        sent = {"records_sent": window.record_count, "latency_ms": done.latency_ms, "attempts": done.attempts}
        self._write(EventName.WEBHOOK_SYNC_SUCCESS, **identity, **sent)
        logger.info("%s was announced: %s, %d ms", window, receiver, done.latency_ms)
        return None

    def _write(self, event: EventName, **fields: Any) -> None:  # noqa: ANN401 - any JSON-compatible value
        self._writing.write({"event": event, "logged_at": format_date(utc_now()), **fields})
