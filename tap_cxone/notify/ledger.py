"""What is due: read from the audit log, which is all the memory there is. Reads; writes nothing.

The log may hold a million lines and half lines. Only lines that matter are decoded, and of these only what decides;
a window's sample stays in the file until its message is made.
"""

from __future__ import annotations

import bisect
import hashlib
import logging
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from tap_cxone.dates import format_date, parse_date

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

EXTRACTED, SUMMARY = "window_extracted", "validation_summary"
SUCCESS, FAILURE = "webhook_sync_success", "webhook_sync_failure"
STARTED, CONFIRMED = "run_started", "load_confirmed"
_NAMES = f'(?:{EXTRACTED}|{SUMMARY}|{SUCCESS}|{FAILURE}|{STARTED}|{CONFIRMED})"'.encode()
_MATTERS = re.compile(b'"' + _NAMES)
_BEGINS_OTHERWISE = re.compile(rb'\{\s*"event"\s*:\s*"(?!' + _NAMES + b")")
"""Spares the search through lines that name another event first, as the tap writes them."""

logger = logging.getLogger("cxone-notify")


class Line(msgspec.Struct):
    """What decides in a line of the audit log, whatever else it holds."""

    event: str
    logged_at: str = ""
    stream: str = ""
    job_id: str | int = ""
    dateFrom: str = ""  # noqa: N815 - the platform's name
    dateTo: str = ""  # noqa: N815 - the platform's name
    record_count: int = 0
    duplicates: int = 0
    schema_errors: int = 0
    receiver: str = ""
    attempts: int = 0
    reason: str = ""
    run_id: str | None = None
    bookmark: str | None = None


@dataclass(frozen=True, slots=True)
class Extraction:
    """A window that was extracted.

    Attributes:
        webhook_id: names window and job, the same at each delivery.
        start: of the window.
        end: of the window, exclusive.
        run_id: the run that extracted it, or none where the log does not say.
        offset: where its line begins in the log, in bytes.
        length: of that line.
    """

    webhook_id: str
    stream: str
    job_id: str
    start: datetime
    end: datetime
    record_count: int
    duplicates: int
    schema_errors: int
    run_id: str | None
    offset: int
    length: int

    def __str__(self) -> str:
        """Return the window as it is named in messages."""
        return f"Window {format_date(self.start)}/{format_date(self.end)} of {self.stream} (job {self.job_id})"


@dataclass(frozen=True, slots=True)
class Failure:
    """How the last delivery of a window to a receiver failed."""

    at: str
    attempts: int
    reason: str


@dataclass
class Ledger:
    """The audit log as seen by the one who sends.

    Attributes:
        windows: what has been loaded, in the order in which it was extracted; of windows that were extracted
            again, the latest.
        waiting: extracted by a run of which it is not known (yet) that its load came to its end.
        unconfirmed: runs that this look has taken for loaded because the caller stands behind them.
    """

    windows: list[Extraction] = field(default_factory=list)
    waiting: list[Extraction] = field(default_factory=list)
    unconfirmed: list[str] = field(default_factory=list)
    _delivered: dict[str, dict[str, str]] = field(default_factory=dict)
    _failed: dict[str, dict[str, Failure]] = field(default_factory=dict)

    def due(self, receiver: str) -> list[Extraction]:
        """Return what a receiver has not been told yet, in order."""
        delivered = self._delivered.get(receiver, {})
        return [window for window in self.windows if window.webhook_id not in delivered]

    def delivered_at(self, receiver: str, window: Extraction) -> str | None:
        """Return when a receiver was told of a window, or none."""
        return self._delivered.get(receiver, {}).get(window.webhook_id)

    def failure(self, receiver: str, window: Extraction) -> Failure | None:
        """Return how the last delivery failed, or none."""
        return self._failed.get(receiver, {}).get(window.webhook_id)

    def receivers(self) -> list[str]:
        """Return everyone whom the log knows."""
        return sorted({*self._delivered, *self._failed})


def webhook_id(stream: str, start: datetime, end: datetime, job_id: str) -> str:
    """Return the name of the message for a window and job."""
    parts = "\0".join((stream, format_date(start), format_date(end), job_id))
    return f"msg_{hashlib.sha256(parts.encode()).hexdigest()[:32]}"


def matching_lines(log: BinaryIO) -> Iterator[tuple[int, bytes, Line]]:
    """Yield the lines that matter, with their offsets; what is no such event is passed over."""
    decoder = msgspec.json.Decoder(Line)
    offset = 0
    for line in log:
        if not _BEGINS_OTHERWISE.match(line) and _MATTERS.search(line):
            try:
                yield offset, line, decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                logger.info("The audit log has half a line, or something else unreadable, at byte %d", offset)
        offset += len(line)


def read_ledger(log: BinaryIO, own_run: str | None = None) -> Ledger:
    """Read the audit log.

    Args:
        log: the file, at its beginning.
        own_run: the run behind whose load the caller stands, if that is known.
    """
    reading = _Reading()
    for offset, raw, line in matching_lines(log):
        reading.take(offset, len(raw), line)
    return reading.ledger(own_run)


def extraction_id(line: Line) -> str | None:
    """Return which window and job a line is about, or none where it does not say."""
    try:
        return webhook_id(line.stream, parse_date(line.dateFrom), parse_date(line.dateTo), str(line.job_id))
    except ValueError:
        return None


class _Reading:
    """The log, line by line, into a ledger."""

    def __init__(self) -> None:
        self._extractions: list[Extraction] = []
        self._summaries: dict[str, tuple[int, int]] = {}
        self._delivered: dict[str, dict[str, str]] = {}
        self._failed: dict[str, dict[str, Failure]] = {}
        self._runs = _Runs()

    def take(self, offset: int, length: int, line: Line) -> None:
        if line.event in {STARTED, CONFIRMED}:
            self._runs.take(offset, line)
            return
        name = extraction_id(line)
        if name is None:
            if line.event == EXTRACTED:
                logger.warning("The audit log names a window without dates at byte %d: it is passed over", offset)
        elif line.event == SUMMARY:
            self._summaries[name] = line.duplicates, line.schema_errors
        elif line.event == EXTRACTED:
            self._extracted(name, offset, length, line)
        elif line.event == SUCCESS:
            self._delivered.setdefault(line.receiver, {})[name] = line.logged_at
            self._failed.get(line.receiver, {}).pop(name, None)
        elif line.event == FAILURE:
            self._failed.setdefault(line.receiver, {})[name] = Failure(line.logged_at, line.attempts, line.reason)

    def _extracted(self, name: str, offset: int, length: int, line: Line) -> None:
        duplicates, schema_errors = self._summaries.pop(name, (0, 0))
        self._extractions.append(
            Extraction(
                webhook_id=name,
                stream=line.stream,
                job_id=str(line.job_id),
                start=parse_date(line.dateFrom),
                end=parse_date(line.dateTo),
                record_count=line.record_count,
                duplicates=duplicates,
                schema_errors=schema_errors,
                run_id=line.run_id,
                offset=offset,
                length=length,
            )
        )

    def ledger(self, own_run: str | None) -> Ledger:
        trusted = self._runs.trusted(own_run)
        loaded: list[Extraction] = []
        waiting: list[Extraction] = []
        for window in self._extractions:
            (loaded if self._runs.has_loaded(window, trusted) else waiting).append(window)
        return Ledger(
            windows=_latest(loaded),
            waiting=_latest(waiting),
            unconfirmed=sorted(trusted - self._runs.confirmed),
            _delivered=self._delivered,
            _failed=self._failed,
        )


class _Runs:
    """Which runs there were, and which of them have loaded what they extracted.

    A run behind whose load a sender stood has. Of any other one (its load failed, its sender was killed, it belongs to
    another pipeline and is under way) that is loaded what a later run's bookmark has passed.
    """

    def __init__(self) -> None:
        self.confirmed: set[str] = set()
        self._known: set[str] = set()
        self._last: dict[str, str] = {}
        self._offsets: dict[str, list[int]] = {}
        self._bookmarks: dict[str, list[datetime | None]] = {}

    def take(self, offset: int, line: Line) -> None:
        if not line.run_id:
            return
        if line.event == CONFIRMED:
            self.confirmed.add(line.run_id)
            return
        try:
            bookmark = parse_date(line.bookmark) if line.bookmark else None
        except ValueError:
            bookmark = None
        self._known.add(line.run_id)
        self._last[line.stream] = line.run_id
        self._offsets.setdefault(line.stream, []).append(offset)
        self._bookmarks.setdefault(line.stream, []).append(bookmark)

    def trusted(self, own_run: str | None) -> set[str]:
        """Return the runs behind which the caller stands: its own, or else the last one of each stream."""
        return {own_run} if own_run in self._known and own_run else set(self._last.values())

    def has_loaded(self, window: Extraction, trusted: set[str]) -> bool:
        run = window.run_id
        if run is None or run not in self._known or run in trusted or run in self.confirmed:
            return True
        first_later = bisect.bisect(self._offsets.get(window.stream, []), window.offset)
        later = self._bookmarks.get(window.stream, [])[first_later:]
        return any(bookmark is not None and bookmark >= window.end for bookmark in later)


def _latest(windows: list[Extraction]) -> list[Extraction]:
    """Leave out what lies entirely in windows that were extracted later: these speak for it.

    Windows of one run never overlap, so what covers a window belongs to other runs.
    """
    covered: defaultdict[str, _Covered] = defaultdict(_Covered)
    latest_first = reversed(windows)
    return [window for window in latest_first if covered[window.stream].add(window.start, window.end)][::-1]


class _Covered:
    """Ranges of time that do not touch, in order."""

    def __init__(self) -> None:
        self._starts: list[datetime] = []
        self._ends: list[datetime] = []

    def add(self, start: datetime, end: datetime) -> bool:
        """Add a range; return whether there is anything in it that was not covered."""
        first = bisect.bisect_left(self._ends, start)  # the first that reaches up to it
        last = bisect.bisect_right(self._starts, end)  # behind the last that does
        if first < last:
            if self._starts[first] <= start and end <= self._ends[first]:
                return False
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]
        return True
