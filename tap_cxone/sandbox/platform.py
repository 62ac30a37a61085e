"""The state of the simulated platform: tokens, jobs, events, the rate limit, the faults to come, what was asked.

All in memory, none of it bound to a connection: a client may be killed at any moment. Knows nothing of HTTP.
"""

from __future__ import annotations

import math
import random
import secrets
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_cxone.sandbox.events import EventStream
from tap_cxone.sandbox.jobs import JobBook

if TYPE_CHECKING:
    from tap_cxone.sandbox.options import Fault, SandboxOptions

CLIENT_ID = "sandbox"
CLIENT_SECRET = "sandbox"  # noqa: S105 - the sandbox is public
_REMEMBERED_REQUESTS = 100_000


@dataclass(frozen=True)
class Request:
    """A request that was answered or hung up on.

    `call` is token, list, create, status, download or unknown; `status` None where no answer was given; `at` the
    seconds of `time.monotonic()` at its arrival; `fault` the kind of fault that struck it.
    """

    call: str
    method: str
    path: str
    status: int | None
    at: float
    job_id: str | None
    fault: str | None


class FaultPlan:
    """Decides which call is struck by which fault; the first fault in order that strikes wins."""

    def __init__(self, faults: tuple[Fault, ...], seed: int) -> None:
        """Start counting calls from here."""
        self._faults = faults
        self._seen = [0] * len(faults)
        self._struck = [0] * len(faults)
        self._random = random.Random(seed)  # noqa: S311 - chance that can be repeated, not a secret

    def draw(self, call: str) -> str | None:
        """Return the kind of fault that strikes this call, or None."""
        kind = None
        for number, fault in enumerate(self._faults):
            if fault.call not in (call, "any"):
                continue
            self._seen[number] += 1
            if kind is not None or self._seen[number] <= fault.after or self._struck[number] == fault.times:
                continue
            if fault.probability < 1 and self._random.random() >= fault.probability:
                continue
            self._struck[number] += 1
            kind = fault.kind
        return kind


class Platform:
    """One simulated organisation."""

    def __init__(self, options: SandboxOptions) -> None:
        """Open it for business; the clocks of foreign jobs start now."""
        self.options = options
        self.stream = EventStream(options.events_per_day, options.quiet_days)
        self.jobs = JobBook(options)
        self.faults = FaultPlan(options.faults, options.seed)
        self.requests: deque[Request] = deque(maxlen=_REMEMBERED_REQUESTS)
        self._tokens: dict[str, float] = {}
        self._recent: deque[float] = deque()

    def issue_token(self) -> str:
        """Return a new token; earlier ones live on until they run out."""
        now = time.monotonic()
        self._tokens = {token: end for token, end in self._tokens.items() if end > now}
        token = secrets.token_urlsafe(32)
        self._tokens[token] = now + self.options.token_seconds
        return token

    def is_live(self, token: str) -> bool:
        """Tell whether a token was issued here and has not run out."""
        return self._tokens.get(token, -math.inf) > time.monotonic()

    def expire_tokens(self) -> None:
        """End every token now."""
        self._tokens = {}

    def seconds_over_limit(self) -> int:
        """Count a request against the rate limit; 0 when it may pass, else the whole seconds to wait."""
        limit, period = self.options.rate_limit, self.options.rate_seconds
        if limit is None:
            return 0
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - period:
            self._recent.popleft()
        if len(self._recent) < limit:
            self._recent.append(now)
            return 0
        return max(1, math.ceil(self._recent[0] + period - now))
