"""The audit log as events: each line decoded once into what the report uses of it, and selected.

Record ids and samples are not decoded, so that they cannot get any further. Reads; writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, BinaryIO

import msgspec

from tap_cxone.dates import format_date, parse_date

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_TEXT = 300
"""Characters of a reason, a name or an id that are kept."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_MS, _LAST_MS = (
    round((datetime(*day, tzinfo=UTC) - _EPOCH).total_seconds() * 1000) for day in ((1, 1, 2), (9999, 12, 30))
)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_LARGEST = 2**53
_Count = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST)]
_Figure = Annotated[float, msgspec.Meta(ge=0, le=1e15)]


class Event(msgspec.Struct):
    """One line of the audit log. What older logs do not have yet is None or empty.

    Times are texts as in the log, figures in the unit that their name says; ``seconds`` are seconds.
    """

    event: str
    logged_at: str = ""
    stream: str | None = None
    run_id: str | int | None = None
    job_id: str | int | None = None
    dateFrom: str | None = None  # noqa: N815 - the platform's name
    dateTo: str | None = None  # noqa: N815 - the platform's name
    bookmark: str | None = None
    reason: str | None = None
    exit: str | None = None
    call: str | None = None
    receiver: str | None = None
    missing_fields: list[str] | None = None
    days: dict[str, int] | None = None
    latency_ms: _Figure | None = None
    seconds: _Figure | None = None
    queue_seconds: _Figure | None = None
    emit_seconds: _Figure | None = None
    wait_seconds: _Figure | None = None
    wall_seconds: _Figure | None = None
    running_seconds: _Figure | None = None
    download_seconds: _Figure | None = None
    rate_limit_seconds: _Figure | None = None
    attempts: _Count | None = None
    bytes: _Count | None = None
    record_count: _Count | None = None
    total_records: _Count | None = None
    duplicates: _Count | None = None
    schema_errors: _Count | None = None
    windows: _Count | None = None
    records: _Count | None = None
    refused: _Count | None = None
    requests: _Count | None = None
    retries: _Count | None = None
    rate_limit_waits: _Count | None = None


class _Named(msgspec.Struct):
    event: str


@dataclass(frozen=True)
class Selection:
    """Which events are wanted; None: all.

    Attributes:
        run_id: of this run.
        stream: of this stream, and those that belong to no stream.
        start: logged at or after, in milliseconds since 1970.
        end: logged before.
    """

    run_id: str | None = None
    stream: str | None = None
    start: int | None = None
    end: int | None = None


@dataclass
class LogFacts:
    """What was seen of the log itself.

    Attributes:
        lines: how many there are.
        selected: how many of them are events that were asked for.
        unreadable: half lines, and whatever else is no event.
        first: when the first selected one was logged, in milliseconds since 1970; None where none tells.
        last: when the last one was.
    """

    lines: int = 0
    selected: int = 0
    unreadable: int = 0
    first: int | None = None
    last: int | None = None


@dataclass
class Reader:
    """Reads an audit log, line by line.

    Args:
        known: events that somebody has use for; others are counted only.
    """

    known: frozenset[str]
    selection: Selection = field(default_factory=Selection)
    facts: LogFacts = field(default_factory=LogFacts)
    _runs: dict[str, str] = field(default_factory=dict)

    def events(self, log: BinaryIO) -> Iterator[tuple[int, Event, int | None, str]]:
        """Yield the selected events with their offsets in bytes, times (ms since 1970) and runs, "" where unknown."""
        decode = msgspec.json.Decoder(Event).decode
        facts, known, offset, length = self.facts, self.known, 0, 0
        for line in log:
            offset, length = offset + length, len(line)
            facts.lines += 1
            try:
                event = decode(line)
            except _UNREADABLE:
                facts.unreadable += not self._is_other(line)
                continue
            if event.event not in known:
                continue
            at, run = moment(event.logged_at), self._run(event)
            if self._is_wanted(event, at, run):
                facts.selected += 1
                if at is not None:
                    facts.first = at if facts.first is None else min(facts.first, at)
                    facts.last = at if facts.last is None else max(facts.last, at)
                yield offset, event, at, run

    def _run(self, event: Event) -> str:
        """Return the run that an event belongs to; older logs do not say it with each, but in which order they came."""
        stream = event.stream or ""
        if event.run_id is None:
            return self._runs.get(stream, "")
        run = clean(str(event.run_id))
        if event.event == "run_started":
            self._runs[stream] = run
        return run

    def _is_wanted(self, event: Event, at: int | None, run: str) -> bool:
        wanted = self.selection
        if wanted.run_id is not None and run != wanted.run_id:
            return False
        if wanted.stream is not None and event.stream is not None and event.stream != wanted.stream:
            return False
        if wanted.start is not None and (at is None or at < wanted.start):
            return False
        return wanted.end is None or (at is not None and at < wanted.end)

    def _is_other(self, line: bytes) -> bool:
        """Return whether a line is an event nobody has use for, whose fields may be whatever they like."""
        try:
            return msgspec.json.decode(line, type=_Named).event not in self.known
        except _UNREADABLE:
            return not line.strip()


def run_ids(log: BinaryIO) -> list[str]:
    """Return the runs that the log names, in the order in which they began; each once, at its latest place."""
    runs: dict[str, None] = {}
    reader = Reader(frozenset({"run_started", "run_finished", "window_extracted"}))
    for _, event, _, run in reader.events(log):
        if run and (event.event == "run_started" or run not in runs):
            runs.pop(run, None)
            runs[run] = None
    return list(runs)


def moment(text: str | None) -> int | None:
    """Return a date as milliseconds since 1970, UTC; None where it is none."""
    if not text:
        return None
    try:
        value = datetime.fromisoformat(text)
        value = value if value.tzinfo else value.replace(tzinfo=UTC)
    except ValueError:
        try:
            value = parse_date(text)
        except ValueError:
            return None
    passed = value - _EPOCH
    milliseconds = (passed.days * 86_400 + passed.seconds) * 1000 + passed.microseconds // 1000
    # With an offset a date can lie outside of the calendar of UTC.
    return milliseconds if _FIRST_MS <= milliseconds <= _LAST_MS else None


def as_datetime(milliseconds: int) -> datetime:
    """Return milliseconds since 1970 as a date."""
    # What is reckoned from a figure of the log can lie outside of the calendar.
    seconds, rest = divmod(min(max(milliseconds, _FIRST_MS), _LAST_MS), 1000)
    return datetime.fromtimestamp(seconds, tz=UTC).replace(microsecond=rest * 1000)


def as_text(milliseconds: int | None) -> str | None:
    """Return milliseconds since 1970 as the audit log writes them."""
    return None if milliseconds is None else format_date(as_datetime(milliseconds))


def clean(text: str | None) -> str:
    """Make a text fit to be shown: no control characters, nothing invisible, not endless."""
    text = (text or "")[: LONGEST_TEXT + 1]
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
