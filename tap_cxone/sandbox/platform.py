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
from tap_cxone.sandbox.extractions import ExtractionBook
from tap_cxone.sandbox.jobs import JobBook
from tap_cxone.sandbox.rows import RowStream
from tap_cxone.sandbox.storage import Storage

if TYPE_CHECKING:
    from tap_cxone.sandbox.options import Fault, SandboxOptions

CLIENT_ID = "sandbox"
CLIENT_SECRET = "sandbox"  # noqa: S105 - the sandbox is public
# A plus, a slash and padding, as real ones may have: a client that forgets to encode a form is found out.
ACCESS_KEY_ID = "SANDBOX+made/up/key/id=="
ACCESS_KEY_SECRET = "sandbox/made+up+access/key&secret=="  # noqa: S105
TENANT_ID = "5a9db0c5-0000-4000-8000-7e9a97000001"
_REMEMBERED_REQUESTS = 100_000


@dataclass(frozen=True)
class Request:
    """A request that was answered or hung up on.

    `call` is discovery, token, list, create, status, download or unknown; `status` None where no answer was given;
    `at` the seconds of `time.monotonic()` at its arrival; `path` has no query string; `fault` is the kind of
    fault that struck it.
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

    def __init__(self, options: SandboxOptions, url: str) -> None:
        """Open it for business at that base address; the clocks of foreign jobs start now."""
        self.options = options
        self.url = url
        self.stream = EventStream(options.events_per_day, options.quiet_days)
        self.jobs = JobBook(options)
        self.rows = RowStream(options.rows_per_day, options.quiet_days)
        self.extractions = ExtractionBook(options)
        self.storage = Storage(url, options.url_seconds)
        self.faults = FaultPlan(options.faults, options.seed)
        self.requests: deque[Request] = deque(maxlen=_REMEMBERED_REQUESTS)
        self.handed_out: list[str] = []
        self._tokens: dict[str, float] = {}
        self._recent: deque[float] = deque()

    @property
    def expires_in(self) -> int:
        """What a token endpoint says of the life of its tokens, in whole seconds."""
        claimed = self.options.token_expires_in
        return math.ceil(self.options.token_seconds) if claimed is None else claimed

    def issue_token(self, token: str | None = None) -> str:
        """Open the platform to a token, a new opaque one if none is given; earlier ones live on until they run out."""
        now = time.monotonic()
        self._tokens = {known: end for known, end in self._tokens.items() if end > now}
        token = self.hand_out(token)
        self._tokens[token] = now + self.options.token_seconds
        return token

    def hand_out(self, token: str | None = None) -> str:
        """Remember a token that opens nothing, such as one to refresh with; a new opaque one if none is given."""
        token = token or secrets.token_urlsafe(32)
        self.handed_out.append(token)
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
