"""The switches of the sandbox: one frozen dataclass, from which the command line takes its options and their help.

A new switch is one field here, read where it takes effect; nothing else needs to know of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Literal, TypeVar

T = TypeVar("T")

CALLS = ("discovery", "token", "list", "create", "status", "download")
STATUS_KINDS = ("500", "502", "503", "429", "429-date", "429-bare", "401", "403", "400", "404", "409")
CONNECTION_KINDS = ("cut", "reset", "lost", "slow")
DAMAGE_KINDS = ("truncated", "corrupt", "unclosed")
KINDS = (*STATUS_KINDS, "html", *CONNECTION_KINDS, *DAMAGE_KINDS)

Encoding = Literal["payload", "transport", "both", "none", "mislabelled"]
Layout = Literal["array", "pretty", "ndjson"]
ClientAuth = Literal["any", "basic", "body"]
StatusCase = Literal["upper", "lower", "title"]

_FAULT = re.compile(
    r"(?P<call>[a-z]+)=(?P<kind>[a-z0-9-]+)(:(?P<times>[0-9]+))?(@(?P<after>[0-9]+))?(%(?P<percent>[0-9]+(\.[0-9]+)?))?"
)


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong at a call.

    `call` is one of discovery, token, list, create, status, download, or any; `kind` one of `KINDS`. The fault
    lets the first `after` calls pass, then strikes each call with `probability` (0 to 1), `times` times at most (None:
    for good). Raises ValueError for a call, kind or number that does not exist.
    """

    call: str
    kind: str
    times: int | None = None
    after: int = 0
    probability: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what could never strike, so that a test does not pass because of a misspelt fault."""
        if self.call not in (*CALLS, "any"):
            msg = f"no call is named '{self.call}': use one of {', '.join(CALLS)}, any"
            raise ValueError(msg)
        if self.kind not in KINDS:
            msg = f"no fault is named '{self.kind}': use one of {', '.join(KINDS)}"
            raise ValueError(msg)
        if self.kind in DAMAGE_KINDS and self.call != "download":
            msg = f"the fault '{self.kind}' damages a file: it needs the call download, not {self.call}"
            raise ValueError(msg)
        if (self.times is not None and self.times < 1) or self.after < 0 or not 0 < self.probability <= 1:
            msg = f"the fault {self.call}={self.kind} never strikes: times from 1, after from 0, more than 0 to 100 %"
            raise ValueError(msg)

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read `CALL=KIND[:TIMES][@AFTER][%PERCENT]`, such as `status=429:3`; ValueError for anything else."""
        match = _FAULT.fullmatch(text)
        if match is None:
            msg = f"'{text}' is not of the form CALL=KIND[:TIMES][@AFTER][%PERCENT]"
            raise ValueError(msg)
        return cls(
            call=match["call"],
            kind=match["kind"],
            times=int(match["times"]) if match["times"] else None,
            after=int(match["after"] or 0),
            probability=float(match["percent"] or 100) / 100,
        )


def _switch(default: T, text: str, kind: type | None = None, choices: tuple[str, ...] = ()) -> T:
    """Describe one switch: its default, its help, its type where the default does not show it, its choices."""
    return field(default=default, metadata={"help": text, "kind": kind or type(default), "choices": choices})


@dataclass(frozen=True)
class SandboxOptions:
    """All switches with their defaults: a platform that behaves well. Times are seconds, shares run from 0 to 1."""

    # What the platform holds
    events_per_day: int = _switch(240, "Events a day, from 2024-01-01 on; one of them starts at midnight exactly.")
    quiet_days: int = _switch(0, "Every so many-th day has no events and no rows (0: none is quiet).")
    inclusive_end: bool = _switch(
        default=False,
        text="An export also holds events that start exactly at its dateTo, an extraction also its endDate.",
    )
    bad_records: float = _switch(0.0, "Share of events that no export holds in a valid form.")
    repeated_records: float = _switch(0.0, "Share of events that an export holds twice, and of rows in an extraction.")
    invalid_first: float = _switch(0.0, "Share of events of which an invalid copy precedes the valid one.")
    extra_fields: bool = _switch(default=False, text="Records have fields that the contract does not know.")
    rows_per_day: int = _switch(120, "Rows a day of every extraction entity; one of them is of midnight exactly.")
    bad_rows: float = _switch(0.0, "Share of rows that extraction files hold with a cell too many or too few only.")

    # How exports look
    encoding: Encoding | None = _switch(  # noqa: RUF009 - a field, not a shared value
        None,
        "How downloads are compressed, whatever was asked for; mislabelled: gzip that claims to be plain JSON. "
        "Without it: as a payload where gzip was asked for.",
        kind=str,
        choices=("payload", "transport", "both", "none", "mislabelled"),
    )
    members: int = _switch(1, "Number of gzip members in a download.")
    layout: Layout | None = _switch(  # noqa: RUF009
        None, "How JSON exports are laid out; without it: array.", kind=str, choices=("array", "pretty", "ndjson")
    )
    csv_bom: bool = _switch(default=False, text="CSV exports begin with a byte-order mark.")

    # Jobs
    active_limit: int = _switch(3, "Exports of the organisation that may be queued or running at once.")
    queue_seconds: float = _switch(0.0, "How long a job is queued.")
    job_seconds: float = _switch(0.2, "How long a job runs.")
    fail_first: int = _switch(0, "The first so many jobs fail.")
    fail_longer_than_hours: float | None = _switch(None, "Jobs with a longer range than this fail.", kind=float)
    fail_all: bool = _switch(default=False, text="Every job fails.")
    stuck_first: int = _switch(0, "The first so many jobs never finish.")
    purge_after: float | None = _switch(None, "Seconds after which a finished job is forgotten (404).", kind=float)
    foreign_jobs: int = _switch(0, "Jobs of another integration that are active at the start.")
    foreign_seconds: float = _switch(3.0, "How long the jobs of the other integration run.")
    list_shows_query: bool = _switch(default=True, text="The list of exports shows what each was created with.")

    # Extraction jobs, beside those switches for jobs that name no exports
    submit_seconds: float = _switch(30.0, "Least time between two accepted creates of extraction jobs (else 403).")
    submit_counts_refusals: bool = _switch(default=False, text="A refused create starts that time anew.")
    forbidden_entities: str = _switch("", "Entities, comma-separated, that the client may not extract (403).")
    status_case: StatusCase = _switch(  # noqa: RUF009
        "upper", "How the statuses of extraction jobs are written.", kind=str, choices=("upper", "lower", "title")
    )
    url_seconds: float = _switch(30.0, "How long a signed URL of the storage is good for.")
    extraction_expires_after: float | None = _switch(
        None, "Seconds for which the file of an extraction is kept; without it: 24 hours.", kind=float
    )
    fail_longer_than_days: float | None = _switch(
        None, "Extraction jobs with more days than this between startDate and endDate fail.", kind=float
    )
    cancel_first: int = _switch(0, "The first so many extraction jobs are cancelled by somebody.")
    foreign_extractions: int = _switch(0, "Extraction jobs of another integration that are active at the start.")
    rival_every: float | None = _switch(
        None, "Every so many seconds another integration's extraction job becomes active, come what may.", kind=float
    )

    # Access
    token_seconds: float = _switch(1200.0, "How long a token lives.")
    token_expires_in: int | None = _switch(
        None, "What expires_in claims; without it: the truth, rounded up to whole seconds.", kind=int
    )
    client_auth: ClientAuth = _switch(  # noqa: RUF009
        "any", "How /auth/token takes client id and secret.", kind=str, choices=("any", "basic", "body")
    )
    rate_limit: int | None = _switch(None, "Requests in each rate period; more are answered 429.", kind=int)
    rate_seconds: float = _switch(60.0, "Length of the rate period.")

    # Faults
    faults: tuple[Fault, ...] = _switch(
        (),
        "CALL=KIND[:TIMES][@AFTER][%PERCENT]: a fault at a call (discovery, token, list, create, status, download, "
        "any), TIMES times at most, not before AFTER calls, at PERCENT of them; may be repeated. Kinds: 400, 401, 403, "
        "404, 409, 500, 502, 503; 429, 429-date, 429-bare (Retry-After in seconds, as a date, absent); html (status "
        "200, a page); cut (the answer breaks off); reset (closed, not carried out); lost (carried out, no answer); "
        "slow; and for download truncated, corrupt, unclosed (a damaged file of the right length).",
    )
    retry_after: int = _switch(1, "Seconds that the faults 429 and 429-date ask to wait.")
    slow_seconds: float = _switch(2.0, "How long the fault slow keeps an answer back.")
    seed: int = _switch(0, "Seed of the faults that strike by chance.")

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense, naming the switch (ValueError)."""
        for switch in fields(self):
            value = getattr(self, switch.name)
            if switch.metadata["choices"] and value is not None and value not in switch.metadata["choices"]:
                msg = f"{switch.name} must be one of {', '.join(switch.metadata['choices'])}, not {value!r}"
                raise ValueError(msg)
            if isinstance(value, (int, float)) and value < 0:
                msg = f"{switch.name} must not be negative, but is {value}"
                raise ValueError(msg)
        for name in ("bad_records", "repeated_records", "invalid_first", "bad_rows"):
            if getattr(self, name) > 1:
                msg = f"{name} is a share from 0 to 1, but is {getattr(self, name)}"
                raise ValueError(msg)
        for name in ("members", "active_limit", "rate_limit", "rate_seconds", "rival_every"):
            value = getattr(self, name)
            if value is not None and not value:
                msg = f"{name} must be more than 0"
                raise ValueError(msg)
