"""The state of the simulated platform: tokens, jobs, data, rate limit, faults and recorded requests.

The state is in memory and not tied to connections, so it survives a client that is killed at any moment.
"""

from __future__ import annotations

import math
import random
import secrets
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_cxone.sandbox.entities import RowStream
from tap_cxone.sandbox.events import EventStream
from tap_cxone.sandbox.jobs import Jobs, export_rules, extraction_rules
from tap_cxone.sandbox.storage import Storage
from tap_cxone.sandbox.variations import Lateness

if TYPE_CHECKING:
    from tap_cxone.sandbox.options import Fault, SandboxOptions

CLIENT_ID = "sandbox"
CLIENT_SECRET = "sandbox"  # noqa: S105 - the sandbox is public
# Real keys may contain a plus, a slash and padding. These break a client that does not form-encode them.
ACCESS_KEY_ID = "SANDBOX+made/up/key/id=="
ACCESS_KEY_SECRET = "sandbox/made+up+access/key&secret=="  # noqa: S105
TENANT_ID = "5a9db0c5-0000-4000-8000-7e9a97000001"
_MAX_RECORDED_REQUESTS = 100_000


@dataclass(frozen=True)
class Request:
    """A recorded request."""

    call: str  # discovery, token, list, create, status, download or unknown
    method: str
    path: str  # without the query string
    status: int | None  # of the response; None if there was none
    at: float  # when it arrived, in seconds of `time.monotonic()`
    job_id: str | None  # the job that it was about, if any
    fault: str | None  # the kind of the injected fault, if any


class FaultPlan:
    """Decides which fault is injected into a call; of several that apply, the first one listed wins."""

    def __init__(self, faults: tuple[Fault, ...], seed: int) -> None:
        """Start with all counters at zero."""
        self._faults = faults
        self._calls = [0] * len(faults)
        self._injected = [0] * len(faults)
        self._random = random.Random(seed)  # noqa: S311 - must be reproducible, is no secret

    def next_fault(self, call: str) -> str | None:
        """Count a call and return the kind of fault to inject into it, or None."""
        kind = None
        for number, fault in enumerate(self._faults):
            if fault.call not in (call, "any"):
                continue
            self._calls[number] += 1
            if kind is not None or self._calls[number] <= fault.after or self._injected[number] == fault.times:
                continue
            if fault.probability < 1 and self._random.random() >= fault.probability:
                continue
            self._injected[number] += 1
            kind = fault.kind
        return kind


class Platform:
    """The state of one simulated organisation.

    The server thread changes it. Other threads take snapshots; they may also replace `faults` or expire the tokens.
    """

    def __init__(self, options: SandboxOptions, url: str) -> None:
        """Create the state of a platform at that base URL. Jobs of other integrations start now."""
        self.options = options
        self.url = url
        self.events = EventStream(options.events_per_day, options.quiet_days)
        self.rows = RowStream(options.rows_per_day, options.quiet_days, Lateness(options))
        self.exports = Jobs(options, export_rules(options))
        self.extractions = Jobs(options, extraction_rules(options))
        self.storage = Storage(url, options.url_seconds)
        self.faults = FaultPlan(options.faults, options.seed)
        self.requests: deque[Request] = deque(maxlen=_MAX_RECORDED_REQUESTS)
        self.issued_tokens: list[str] = []
        self._tokens: dict[str, float] = {}
        self._recent: deque[float] = deque()

    @property
    def expires_in(self) -> int:
        """The `expires_in` of token responses, in whole seconds."""
        claimed = self.options.token_expires_in
        return math.ceil(self.options.token_seconds) if claimed is None else claimed

    def issue_access_token(self, token: str | None = None) -> str:
        """Issue a token that authorises calls, by default a new opaque one. Earlier tokens stay valid."""
        now = time.monotonic()
        self._tokens = {issued: expires_at for issued, expires_at in self._tokens.items() if expires_at > now}
        token = self.issue_token(token)
        self._tokens[token] = now + self.options.token_seconds
        return token

    def issue_token(self, token: str | None = None) -> str:
        """Issue a token that authorises no calls (a refresh or id token), by default a new opaque one."""
        token = token or secrets.token_urlsafe(32)
        self.issued_tokens.append(token)
        return token

    def is_valid_token(self, token: str) -> bool:
        """Return whether a token authorises calls and has not expired."""
        return self._tokens.get(token, -math.inf) > time.monotonic()

    def expire_tokens(self) -> None:
        """Expire every token immediately."""
        self._tokens = {}

    def rate_limit_wait(self) -> int:
        """Count a request against the rate limit. Return 0 if it is allowed, else the whole seconds to wait."""
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
