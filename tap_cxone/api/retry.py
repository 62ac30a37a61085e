"""Retries: one policy for every call, with growing pauses and a time budget.

Code that makes a request raises ``RetriableError`` for a failure that a retry can cure (a lost connection, 429,
5xx, a malformed response). ``call_with_retry`` repeats the call then; every other exception passes through.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

import tenacity

from tap_cxone.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

RETRY_BUDGET_SECONDS = 300.0
"""Default time for all attempts and pauses of one call."""
THROTTLED_BUDGET_SECONDS = 60.0
"""Default sum of the pauses after responses that mean either "throttled" or "forbidden"."""

UNREACHABLE_ATTEMPTS = 3
"""Attempts at a host that was never reached: its address is more likely to be wrong than the host to be down."""
UNREACHABLE_SECONDS = 12.0
"""Time after which no further attempt is made at such a host."""

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
RETRY_AFTER_DEFAULT_SECONDS = 5.0
"""Pause after a 429 without a Retry-After header (platform contract, section 1)."""
RETRY_AFTER_CAP_SECONDS = 120.0
"""Longest pause that a Retry-After header can ask for."""

logger = logging.getLogger("tap-cxone.retry")
_T = TypeVar("_T")
_jitter = tenacity.wait_random(0, FIRST_PAUSE_SECONDS)
_growing = tenacity.wait_exponential(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS) + _jitter


@dataclass(frozen=True)
class RetryPolicy:
    """How long one call is retried.

    Attributes:
        budget: seconds, pauses included, after which no further attempt is made.
        throttled_budget: sum of the pauses, in seconds, after failures that are marked as throttled.
        min_attempts: attempts that are made even when the budget is used up, for calls whose attempts can each take
            longer than the budget.
        min_pause: shortest pause between two attempts, in seconds.
    """

    budget: float = RETRY_BUDGET_SECONDS
    throttled_budget: float = THROTTLED_BUDGET_SECONDS
    min_attempts: int = 1
    min_pause: float = 0.0


class RetriableError(Exception):
    """A failure that a retry can cure.

    Attributes:
        reason: what happened, fit for a log line.
        retry_after: pause in seconds that the platform asked for, or None.
        throttled: whether the response may mean "throttled"; its pauses count against ``throttled_budget``.
        unreachable: whether there was no connection to a host that was never reached; few attempts are made then.
        advice: what to do when the retries are used up; the end of a sentence, or empty.
        final_error: raised when the retries are used up; None for an ``UnavailableError``.
    """

    def __init__(
        self,
        reason: str,
        retry_after: float | None = None,
        *,
        throttled: bool = False,
        unreachable: bool = False,
        advice: str = "",
        final_error: Exception | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.throttled = throttled
        self.unreachable = unreachable
        self.advice = advice
        self.final_error = final_error

    @property
    def rate_limited(self) -> bool:
        """Whether the pause after this failure is due to a rate limit."""
        return self.throttled or self.retry_after is not None


def call_with_retry(
    attempt: Callable[[], _T],
    *,
    what: str,
    sleep: Callable[[float], None],
    policy: RetryPolicy,
    on_retry: Callable[[str, float, bool], None] | None = None,
) -> _T:
    """Call ``attempt`` until it returns, and return its result.

    Args:
        attempt: the call.
        what: name of the call, for the log.
        sleep: pauses for a number of seconds.
        policy: how long to retry.
        on_retry: called before each pause with the reason, the seconds, and whether a rate limit is the cause.

    Raises:
        UnavailableError: the retries are used up and the last failure has no ``final_error``.
    """
    schedule = _Schedule(policy)

    def before_sleep(state: tenacity.RetryCallState) -> None:
        error = _error(state)
        if on_retry:
            on_retry(error.reason, state.upcoming_sleep, error.rate_limited)
        again = datetime.now(UTC) + timedelta(seconds=state.upcoming_sleep)
        logger.warning(
            "%s: %s; attempt %d, trying again in %.1f s (at %s)",
            what,
            error.reason,
            state.attempt_number,
            state.upcoming_sleep,
            again.strftime("%H:%M:%SZ"),
        )

    def give_up(state: tenacity.RetryCallState) -> _T:
        error = _error(state)
        if error.final_error:
            raise error.final_error from None
        attempts = "1 attempt" if state.attempt_number == 1 else f"{state.attempt_number} attempts"
        advice = f": {error.advice}" if error.advice else ""
        seconds = state.seconds_since_start or 0.0
        msg = f"{what}: {error.reason}; gave up after {attempts} in {seconds:.0f} s{advice}."
        raise UnavailableError(msg) from None

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(RetriableError),
        wait=schedule.pause,
        stop=schedule.is_over,
        sleep=sleep,
        before_sleep=before_sleep,
        retry_error_callback=give_up,
    )(attempt)


class _Schedule:
    """Pauses and end of the retries of one call."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._min_pause = policy.min_pause
        self._throttled_left = policy.throttled_budget
        self._used_up = tenacity.stop_all(
            tenacity.stop_before_delay(policy.budget), tenacity.stop_after_attempt(policy.min_attempts)
        )
        self._is_unreachable = tenacity.stop_any(
            tenacity.stop_after_attempt(UNREACHABLE_ATTEMPTS), tenacity.stop_before_delay(UNREACHABLE_SECONDS)
        )

    def pause(self, state: tenacity.RetryCallState) -> float:
        """Return the seconds until the next attempt; after a throttled failure, 0 if their budget is used up."""
        error = _error(state)
        # A requested pause of 0 s, or a date in the past, must not lead to a hot loop.
        asked = None if error.retry_after is None else max(error.retry_after, FIRST_PAUSE_SECONDS)
        pause = max(_growing(state) if asked is None else asked, self._min_pause)
        if error.throttled:
            pause = min(pause, self._throttled_left)
            self._throttled_left -= pause
        return pause

    def is_over(self, state: tenacity.RetryCallState) -> bool:
        """Return whether to give up. tenacity calls it after ``pause``."""
        if _error(state).unreachable and self._is_unreachable(state):
            return True
        return (_error(state).throttled and state.upcoming_sleep <= 0) or self._used_up(state)


def _error(state: tenacity.RetryCallState) -> RetriableError:
    """Return the failure of the last attempt; tenacity only asks for pauses after a ``RetriableError``."""
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, RetriableError) else RetriableError("failed")


def retry_after_seconds(header: str | None, now: datetime | None = None) -> float | None:
    """Parse a Retry-After header: seconds or an HTTP date (RFC 9110, 10.2.3).

    Returns:
        Seconds from 0 to ``RETRY_AFTER_CAP_SECONDS``; None without a valid header.
    """
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
