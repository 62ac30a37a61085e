"""The options of the sandbox and the faults it can inject.

The command line generates its options and their help from `SandboxOptions`. A new option only needs a field here and
the code that reads it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

CALLS = ("discovery", "token", "list", "create", "status", "download")
STATUS_KINDS = ("500", "502", "503", "429", "429-date", "429-bare", "401", "403", "400", "404", "409")
CONNECTION_KINDS = ("cut", "reset", "lost", "slow")
DAMAGE_KINDS = ("truncated", "corrupt", "unclosed")
KINDS = (*STATUS_KINDS, "html", *CONNECTION_KINDS, *DAMAGE_KINDS)

_SHARES = ("bad_records", "repeated_records", "invalid_first", "bad_rows", "late_records", "corrected_records")
_POSITIVE = ("members", "active_limit", "rate_limit", "rate_seconds", "rival_every")

_FAULT = re.compile(
    r"(?P<call>[a-z]+)=(?P<kind>[a-z0-9-]+)(:(?P<times>[0-9]+))?(@(?P<after>[0-9]+))?(%(?P<percent>[0-9]+(\.[0-9]+)?))?"
)


@dataclass(frozen=True)
class Fault:
    """A failure that the sandbox injects into a call. A ValueError says which value is not valid."""

    call: str  # one of `CALLS`, or any
    kind: str  # one of `KINDS`
    times: int | None = None  # how many calls are affected at most
    after: int = 0  # how many calls pass before it can occur
    probability: float = 1.0  # the chance that a call is affected, more than 0

    def __post_init__(self) -> None:
        """Reject a fault that can never occur, so that no test passes because of a misspelt fault."""
        if problem := next(self._problems(), None):
            raise ValueError(problem)

    def _problems(self) -> Iterator[str]:
        if self.call not in (*CALLS, "any"):
            yield f"unknown call '{self.call}': use one of {', '.join(CALLS)}, any"
        if self.kind not in KINDS:
            yield f"unknown fault '{self.kind}': use one of {', '.join(KINDS)}"
        if self.kind in DAMAGE_KINDS and self.call != "download":
            yield f"the fault '{self.kind}' damages a file: it only applies to the call download, not to {self.call}"
        if (self.times is not None and self.times < 1) or self.after < 0 or not 0 < self.probability <= 1:
            yield (
                f"the fault {self.call}={self.kind} can never occur: TIMES must be at least 1, AFTER at least 0, "
                "PERCENT more than 0 and at most 100"
            )

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Parse `CALL=KIND[:TIMES][@AFTER][%PERCENT]`, such as `status=429:3`; a ValueError says what is wrong."""
        match = _FAULT.fullmatch(text)
        if match is None:
            msg = f"'{text}' does not have the form CALL=KIND[:TIMES][@AFTER][%PERCENT]"
            raise ValueError(msg)
        return cls(
            call=match["call"],
            kind=match["kind"],
            times=int(match["times"]) if match["times"] else None,
            after=int(match["after"] or 0),
            probability=float(match["percent"] or 100) / 100,
        )


def _switch(default: T, text: str, kind: type | None = None, choices: tuple[str, ...] = ()) -> T:
    """Declare a switch: default, help text, type (if the default does not show it) and choices."""
    return field(default=default, metadata={"help": text, "kind": kind or type(default), "choices": choices})


@dataclass(frozen=True)
class SandboxOptions:
    """All switches of the sandbox; the defaults describe a platform without failures.

    Durations are in seconds, shares are between 0 and 1. A ValueError names the switch whose value is not valid.
    """

    # Data of the platform
    events_per_day: int = _switch(240, "Events per day, from 2024-01-01 on. One of them starts exactly at midnight.")
    quiet_days: int = _switch(0, "Every N-th day has no events and no rows; 0 for no such days.")
    inclusive_end: bool = _switch(
        default=False,
        text="Exports include events that start exactly at dateTo, and extractions include the day endDate.",
    )
    bad_records: float = _switch(0.0, "Share of events that are invalid in every export.")
    repeated_records: float = _switch(0.0, "Share of events and rows that appear twice in a file.")
    invalid_first: float = _switch(0.0, "Share of events that are preceded by an invalid copy of themselves.")
    late_records: float = _switch(0.0, "Share of events and rows that files lack until late_minutes after their date.")
    corrected_records: float = _switch(
        0.0, "Share of events and rows that files hold in a first version until late_minutes after their date."
    )
    late_minutes: float = _switch(60.0, "How late the late and corrected events and rows are complete, in minutes.")
    extra_fields: bool = _switch(default=False, text="Records have fields that are not part of the API contract.")
    rows_per_day: int = _switch(120, "Rows per day of each Data Extraction entity. One is dated exactly midnight.")
    bad_rows: float = _switch(0.0, "Share of rows that have one cell too many or too few in every extraction file.")

    header_spelling: str = _switch(
        "words",
        "Spelling of the headers of extraction files: words (Workflow ID, Firstname (Agent)), camel (workflowId, "
        "firstnameAgent) or capitals (WORKFLOW_ID, FIRSTNAME_AGENT).",
        choices=("words", "camel", "capitals"),
    )

    # Form of export files
    encoding: str | None = _switch(
        None,
        "Compression of downloads, overriding what the export asked for. mislabelled is gzip labelled as plain JSON. "
        "Default: payload if the export asked for gzip, else none.",
        choices=("payload", "transport", "both", "none", "mislabelled"),
    )
    members: int = _switch(1, "Number of gzip members in a download.")
    layout: str | None = _switch(None, "Layout of JSON exports. Default: array.", choices=("array", "pretty", "ndjson"))
    csv_bom: bool = _switch(default=False, text="CSV exports start with a byte-order mark.")

    # Jobs
    active_limit: int = _switch(3, "How many exports may be queued or running at the same time.")
    queue_seconds: float = _switch(0.0, "How long a job is queued.")
    job_seconds: float = _switch(0.2, "How long a job runs.")
    fail_first: int = _switch(0, "The first N jobs fail.")
    fail_longer_than_hours: float | None = _switch(None, "Exports fail if their range is longer.", kind=float)
    fail_all: bool = _switch(default=False, text="Every job fails.")
    stuck_first: int = _switch(0, "The first N jobs never finish.")
    purge_after: float | None = _switch(None, "Seconds after which a finished job no longer exists (404).", kind=float)
    foreign_jobs: int = _switch(0, "Exports of another integration that are active at the start.")
    foreign_seconds: float = _switch(3.0, "How long the jobs of another integration run.")
    list_shows_query: bool = _switch(default=True, text="The list of exports includes the body of each create.")

    # Data Extraction jobs; the switches for jobs above that do not mention exports apply to them, too
    submit_seconds: float = _switch(30.0, "Minimum time between two extraction jobs; earlier creates get a 403.")
    submit_counts_refusals: bool = _switch(default=False, text="A refused create restarts the minimum time.")
    forbidden_entities: str = _switch("", "Comma-separated entities that the client may not extract (403).")
    status_case: str = _switch("upper", "Letter case of extraction statuses.", choices=("upper", "lower", "title"))
    url_seconds: float = _switch(30.0, "How long a signed storage URL is valid.")
    extraction_expires_after: float | None = _switch(
        None, "Seconds for which the file of an extraction is kept. Default: 24 hours.", kind=float
    )
    fail_longer_than_days: float | None = _switch(
        None, "Extraction jobs fail if there are more days than this between startDate and endDate.", kind=float
    )
    cancel_first: int = _switch(0, "The first N extraction jobs are cancelled.")
    foreign_extractions: int = _switch(0, "Extraction jobs of another integration that are active at the start.")
    rival_every: float | None = _switch(
        None, "Every N seconds another integration starts an extraction job, regardless of the limits.", kind=float
    )

    # Access
    token_seconds: float = _switch(1200.0, "Lifetime of a token.")
    token_expires_in: int | None = _switch(
        None, "Value of expires_in. Default: the real lifetime, rounded up to whole seconds.", kind=int
    )
    client_auth: str = _switch(
        "any",
        "Where /auth/token accepts client id and secret: HTTP Basic, request body or either.",
        choices=("any", "basic", "body"),
    )
    rate_limit: int | None = _switch(
        None, "Requests allowed in each rate limit period; further ones get a 429. Default: no limit.", kind=int
    )
    rate_seconds: float = _switch(60.0, "Length of the rate limit period.")

    clock_ahead: float = _switch(0.0, "Seconds by which the platform's clock, in Date headers, is ahead.")

    # Faults
    faults: tuple[Fault, ...] = _switch(
        (),
        "CALL=KIND[:TIMES][@AFTER][%PERCENT]: inject a fault into a call (discovery, token, list, create, status, "
        "download, any), at most TIMES times, only after AFTER calls, into PERCENT of the calls. May be repeated. "
        "Kinds: 400, 401, 403, 404, 409, 500, 502, 503; 429, 429-date, 429-bare (Retry-After in seconds, as a date, "
        "absent); html (status 200 with an HTML page); cut (the response is cut off); reset (connection reset, request "
        "not executed); lost (request executed, no response); slow; and for download: truncated, corrupt, unclosed (a "
        "damaged file whose Content-Length is right).",
    )
    retry_after: int = _switch(1, "Seconds to wait that the faults 429 and 429-date ask for.")
    slow_seconds: float = _switch(2.0, "How long the fault slow delays a response.")
    seed: int = _switch(0, "Random seed of the faults with a PERCENT.")

    def __post_init__(self) -> None:
        """Reject values that make no sense."""
        if problem := next(self._problems(), None):
            raise ValueError(problem)

    def _problems(self) -> Iterator[str]:
        for switch in fields(self):
            name, value, choices = switch.name, getattr(self, switch.name), switch.metadata["choices"]
            if choices and value is not None and value not in choices:
                yield f"{name} must be one of {', '.join(choices)}, not {value!r}"
            if isinstance(value, (int, float)) and value < 0:
                yield f"{name} must not be negative, but is {value}"
            if name in _SHARES and value > 1:
                yield f"{name} must be a share from 0 to 1, but is {value}"
            if name in _POSITIVE and value == 0:
                yield f"{name} must be more than 0"
