"""The end of a run: one audit event that tells a scheduler how the run ended, and whether to try again."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_cxone.context import new_run_id
from tap_cxone.errors import SIGNAL_EXIT_CODE, CxoneError
from tap_cxone.observability.audit_log import AuditLog
from tap_cxone.observability.events import EventName
from tap_cxone.observability.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_cxone.context import RunContext

_LABELS = ("tenant", "orchestrator_run_id")
"""Settings whose values label the events of a run, also of one whose settings are not valid."""


class _Outcome(NamedTuple):
    """How a run ended: exit code, whether the same run may succeed later, and why it failed."""

    exit_code: int
    retryable: bool = False
    reason: str | None = None


class RunEnd:
    """Writes the audit event ``run_ended``, once, also if the run ends before any stream begins.

    Args:
        config: settings from configuration files, not validated: the only ones there are if validation fails.
        env_prefix: what the names of variables with settings start with; None if the environment is not read.
    """

    def __init__(self, config: Mapping[str, Any], env_prefix: str | None) -> None:
        self._given = config
        self._env_prefix = env_prefix
        self._context: RunContext | None = None
        self._begun = time.monotonic()
        self._is_recorded = False

    @contextlib.contextmanager
    def recorded(self) -> Iterator[None]:
        """Record how the ``with`` block ends; its errors pass through.

        Raises:
            CxoneError: the audit log cannot be written, and the block had no error of its own.
        """
        try:
            yield
        except BaseException as err:
            with contextlib.suppress(CxoneError):  # the error of the run says more
                self._record(_outcome(err))
            raise
        self._record(_Outcome(0))

    def watch(self, context: RunContext) -> None:
        """Use the audit log, the labels and the figures of a run whose settings are valid."""
        self._context = context

    def flush(self) -> None:
        """Record the end of a run whose process is going to be ended by a signal."""
        cause = self._context.cancellation.cause if self._context else None
        if cause:
            self._record(_outcome(cause))

    def _record(self, outcome: _Outcome) -> None:
        if self._is_recorded:
            return
        self._is_recorded = True
        context = self._context
        audit_log, labels = (context.audit_log, context.labels.fields()) if context else self._before_start()
        progress = context.progress if context else Progress()
        counts = progress.counts()
        audit_log.event(
            EventName.RUN_ENDED,
            log=outcome.reason is None,  # the log has the reason already
            run_id=context.run_id if context else new_run_id(),
            **labels,
            **outcome._asdict(),
            streams=len(progress.streams()),
            windows=counts.windows_done,
            records=counts.records,
            seconds=round(time.monotonic() - self._begun, 3),
        )

    def _before_start(self) -> tuple[AuditLog, dict[str, str]]:
        """Return the audit log and the labels of a run whose settings are not valid, as far as they can be read."""
        labels = {name: value for name in _LABELS if (value := self._text(name))}
        return AuditLog(self._text("audit_log_path")), labels

    def _text(self, setting: str) -> str | None:
        value = self._given.get(setting)
        if self._env_prefix is not None:
            value = os.environ.get(self._env_prefix + setting.upper()) or value
        return value if isinstance(value, str) and value else None


def _outcome(err: BaseException) -> _Outcome:
    if isinstance(err, CxoneError):
        return _Outcome(err.exit_code, err.retryable, err.message)
    if isinstance(err, SystemExit):
        code = err.code if isinstance(err.code, int) else int(err.code is not None)
        return _Outcome(code, code > SIGNAL_EXIT_CODE)
    return _Outcome(1, reason=f"{type(err).__name__}: see the log")  # its text may hold a record value
