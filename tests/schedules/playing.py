"""Plays a schedule against the sandbox, and checks what the tap promises after every line that it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import time_machine

from tap_cxone.dates import format_date, parse_date
from tap_cxone.sandbox import Fault, Sandbox, SandboxOptions
from tests.schedules.processes import run_tap
from tests.schedules.schedule import moment
from tests.schedules.surfaces import catalog_of, stream_of
from tests.schedules.target import Target

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from pathlib import Path

    from tests.schedules.processes import Output
    from tests.schedules.schedule import PlannedRun, Schedule
    from tests.schedules.surfaces import Key, Records, Stream

LOG_CHARACTERS = 4000


def play(schedule: Schedule, folder: Path) -> None:
    """Play a schedule; fail with an AssertionError that says which promise was broken in which run.

    Args:
        schedule: what happens.
        folder: an empty folder for the files of the runs.
    """
    (folder / "work").mkdir()
    with Sandbox(SandboxOptions(**schedule.platform)) as sandbox:
        pipeline = Pipeline(schedule, stream_of(schedule, sandbox), folder)
        for run in schedule.runs:
            with time_machine.travel(moment(run.at), tick=False):
                pipeline.play(run)
        pipeline.check_end()


class Pipeline:
    """Tap and target over all runs of a schedule."""

    def __init__(self, schedule: Schedule, stream: Stream, folder: Path) -> None:
        self._schedule = schedule
        self._stream = stream
        self._folder = folder
        self._platform = PlatformHistory(stream, schedule.lookback_time)
        self._target = Target(stream.keys)

    def play(self, run: PlannedRun) -> None:
        """Play one run, and check it line by line."""
        sandbox = self._stream.sandbox
        sandbox.set_faults(*map(Fault.parse, run.faults))
        self._platform.observe(moment(run.at))
        output = run_tap(
            self._folder,
            moment(run.at),
            run.kill,
            lambda: len(sandbox.requests),
            config=self._config(run),
            state=self._target.state,
            catalog=catalog_of(self._stream.name),
        )
        try:
            self._check_exit(run, output)
            self._load(run, output.messages)
        except AssertionError as err:
            err.add_note(f"in {run}, whose log ends with:\n{output.log[-LOG_CHARACTERS:]}")
            raise
        if run.loss:
            self._target.lose(run.loss)

    def check_end(self) -> None:
        """Check that the target holds exactly what the platform holds up to the end of the last run."""
        end = self._end_of(self._schedule.runs[-1])
        assert self._bookmark(self._target.state) == end, "the last run has not moved the bookmark to its end"
        held, expected = (
            {key: record for key, record in records.items() if record[self._stream.date_field] < end}
            for records in (self._target.records, self._platform.records)
        )
        assert not (lost := expected.keys() - held.keys()), f"{len(lost)} records are missing, such as {min(lost)}"
        assert not (extra := held.keys() - expected.keys()), f"{len(extra)} records are not there, such as {min(extra)}"
        stale = [key for key in expected if held[key] != expected[key]]
        assert not stale, f"{len(stale)} records have old values, such as {min(stale)}"
        assert not list((self._folder / "work").iterdir()), "temporary files are left"

    def _config(self, run: PlannedRun) -> dict[str, Any]:
        schedule = self._schedule
        config = self._stream.settings(schedule) | {
            "end_date": None if run.end is None else format_date(moment(run.end)),
            "lookback_minutes": schedule.lookback,
            "settle_minutes": schedule.settle,
            "max_concurrent_exports": schedule.max_concurrent_exports,
            "export_format": schedule.export_format,
            "journal_path": str(self._folder / "jobs.jsonl") if schedule.journal else None,
            "work_dir": str(self._folder / "work"),
        }
        return {name: value for name, value in config.items() if value is not None}

    def _end_of(self, run: PlannedRun) -> str:
        latest = run.at - self._schedule.settle
        return format_date(moment(latest if run.end is None else min(run.end, latest)))

    def _bookmark(self, state: dict[str, Any] | None) -> str:
        """Return the bookmark, in a form that can be compared; "" without one."""
        own = (state or {}).get("bookmarks", {}).get(self._stream.name, {})
        return str(own.get("replication_key_value", ""))

    def _check_exit(self, run: PlannedRun, output: Output) -> None:
        expected = {0}
        if run.kill:
            expected |= {-9} if run.kill.signal == "SIGKILL" else {143, -15}  # -15: before the tap handles signals
        if run.may_fail or self._schedule.failing_jobs > 1:
            expected |= {2, 3, 5}
        assert output.code in expected, f"exit code {output.code}, not one of {expected}"
        assert output.code == -9 or not output.torn, "the last line of the output is not whole"
        if output.code == 143 and output.messages:
            assert output.messages[-1]["type"] == "STATE", "a signal ends a run with a state"

    def _load(self, run: PlannedRun, messages: list[dict[str, Any]]) -> None:
        """Load the messages of a run, and check after each what is promised."""
        target = self._target
        target.begin_run()
        written: set[Key] = set()
        bookmark = self._bookmark(target.state)
        latest = max(bookmark, self._end_of(run))
        for message in messages:
            if message["type"] == "RECORD":
                record, key = message["record"], target.key_of(message["record"])
                assert key not in written, f"{key} is written twice in one run"
                assert record in self._platform.versions.get(key, ()), f"the platform never had these values: {record}"
                written.add(key)
                target.load(record)
            elif message["type"] == "STATE":
                new = self._bookmark(message["value"])
                assert bookmark <= new, f"the bookmark moves backwards from {bookmark} to {new}"
                assert new <= latest, f"the bookmark {new} is later than the end of the run, {latest}"
                bookmark = new
                if new:
                    self._platform.check(target.records, parse_date(new))
                target.commit(message["value"])


class PlatformHistory:
    """What the platform's exports hold now, and what they held at the times of earlier runs.

    Attributes:
        records: the records now.
        versions: all versions of each record so far.
    """

    def __init__(self, stream: Stream, lookback: timedelta) -> None:
        self._stream = stream
        self._lookback = lookback
        self.records: Records = {}
        self.versions: dict[Key, list[dict[str, Any]]] = {}

    def observe(self, now: datetime) -> None:
        """Take note of what the exports hold now. The clock of the platform stands still during a run."""
        self.records = self._stream.records(now)
        for key, record in self.records.items():
            versions = self.versions.setdefault(key, [])
            if record not in versions:
                versions.append(record)

    def check(self, held: Records, bookmark: datetime) -> None:
        """Check that a target with this bookmark has what no later run will read, and whatever was not late."""
        end, final = format_date(bookmark), format_date(bookmark - self._lookback)
        for key, record in self.records.items():
            date = record[self._stream.date_field]
            if date < final:
                assert held.get(key) == record, (
                    f"the bookmark {end} has passed {key} of {date} for good: {held.get(key)}"
                )
            elif date < end and not self._stream.is_late(key):
                assert key in held, f"the bookmark {end} has passed {key} of {date}"
