"""How long to wait before a request is tried again, and when to give up. One policy for every call.

What passes by itself (connection, 429, 5xx, an answer that is not what was asked for) is raised as ``RetriableError``
by the caller and tried again here within one budget of seconds a call; everything else goes straight through.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

import tenacity

from tap_cxone.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

RETRY_BUDGET_SECONDS = 300.0
"""How long one call may go on failing in ways that pass, pauses included."""

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
RETRY_AFTER_DEFAULT_SECONDS = 5.0
"""Pause after a 429 that names none (platform contract, section 1)."""
RETRY_AFTER_CAP_SECONDS = 120.0
"""Longest pause that a Retry-After is followed for; then the call is tried again all the same."""

logger = logging.getLogger("tap-cxone")
_T = TypeVar("_T")
_jitter = tenacity.wait_random(0, FIRST_PAUSE_SECONDS)
_growing = tenacity.wait_exponential(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS) + _jitter


class Patience:
    """Seconds of pauses that are left for one kind of failure; they end sooner than the budget of the call.

    Args:
        seconds: how many there are.
    """

    def __init__(self, seconds: float) -> None:
        self._left = seconds

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return self._left <= 0

    def take(self, seconds: float) -> float:
        """Return how much of a pause there is patience for; so much less is left."""
        taken = min(seconds, self._left)
        self._left -= taken
        return taken


class RetriableError(Exception):
    """A failure that usually passes.

    Attributes:
        reason: what happened, fit for a log line.
        retry_after: pause in seconds that the platform asked for, or none.
        patience: what the pauses for this kind of failure are taken from, or none.
        refusal: raised in place of an ``UnavailableError`` where it does not pass within the budget, or none.
    """

    def __init__(
        self,
        reason: str,
        retry_after: float | None = None,
        *,
        patience: Patience | None = None,
        refusal: Exception | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.patience = patience
        self.refusal = refusal


def call_with_retry(
    attempt: Callable[[], _T],
    *,
    what: str,
    sleep: Callable[[float], None],
    budget: float = RETRY_BUDGET_SECONDS,
    least_attempts: int = 1,
    least_pause: float = 0.0,
    on_retry: Callable[[str, float, bool], None] | None = None,
) -> _T:
    """Call ``attempt`` until it raises no ``RetriableError``.

    Args:
        attempt: the call; anything but a ``RetriableError`` goes through.
        what: what is being tried, for the log.
        sleep: pauses for so many seconds.
        budget: seconds after which no further attempt is made.
        least_attempts: attempts that are made all the same, where a single one may outlast the budget.
        least_pause: seconds between two attempts, at least.
        on_retry: called before each pause: why, for how many seconds, and whether a rate limit asks for it.

    Raises:
        UnavailableError: the budget is spent (unless the failure brings a refusal of its own).
    """

    def announce(state: tenacity.RetryCallState) -> None:
        error = _error(state)
        if on_retry:
            on_retry(
                _failure(state), state.upcoming_sleep, bool(error and (error.patience or error.retry_after is not None))
            )
        again = datetime.now(UTC) + timedelta(seconds=state.upcoming_sleep)
        logger.warning(
            "%s: %s; attempt %d, trying again in %.1f s (at %s)",
            what,
            _failure(state),
            state.attempt_number,
            state.upcoming_sleep,
            again.strftime("%H:%M:%SZ"),
        )

    def give_up(state: tenacity.RetryCallState) -> _T:
        error = _error(state)
        if error and error.refusal:
            raise error.refusal from None
        seconds = state.seconds_since_start or 0.0
        msg = f"{what}: {_failure(state)}; gave up after {state.attempt_number} attempts in {seconds:.0f} s."
        raise UnavailableError(msg) from None

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(RetriableError),
        wait=lambda state: max(_pause(state), least_pause),
        stop=tenacity.stop_all(tenacity.stop_before_delay(budget), tenacity.stop_after_attempt(least_attempts)),
        sleep=sleep,
        before_sleep=announce,
        retry_error_callback=give_up,
    )(attempt)


def retry_after_seconds(header: str | None, now: datetime | None = None) -> float | None:
    """Read a Retry-After header: seconds or an HTTP date (RFC 9110, 10.2.3). None where it says nothing usable."""
    if not header:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), RETRY_AFTER_CAP_SECONDS)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    seconds = (when - (now or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 0.0), RETRY_AFTER_CAP_SECONDS)


def _pause(state: tenacity.RetryCallState) -> float:
    error = _error(state)
    asked = error.retry_after if error else None
    # Never at once: a platform that asks for a pause of 0 s, or names a past date, would be asked in a hot loop.
    pause = _growing(state) if asked is None else max(asked, FIRST_PAUSE_SECONDS)
    return error.patience.take(pause) if error and error.patience else pause


def _failure(state: tenacity.RetryCallState) -> str:
    error = _error(state)
    return error.reason if error else "failed"


def _error(state: tenacity.RetryCallState) -> RetriableError | None:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, RetriableError) else None
