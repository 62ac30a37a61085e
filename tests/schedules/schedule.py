"""What a schedule is: every decision of it, and the strategies that draw them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

Surface = Literal["bot_conversations", "qm_workflows"]

HOUR, DAY = 60, 24 * 60
"""In minutes, as all times of a schedule."""
SETTLED = DAY + HOUR
"""Minutes before the last run: the jobs of earlier runs are too old to be used, so it sees all that has arrived."""

FIRST_RUN = (20 * HOUR, 3 * DAY)
PAUSES = (23 * HOUR + 41, 6 * HOUR + 11, 26 * HOUR, 45, 49 * HOUR + 30, 0)
LOOKBACKS = (DAY, 0, 90, 36 * HOUR)
BOTH = (True, False)
SETTLES = (30, 0, 4 * HOUR)

CURABLE_FAULTS = (
    *("download=truncated:1", "download=corrupt:1", "download=unclosed:1", "download=cut:1@1", "download=503:1"),
    *("create=lost:1", "create=reset:1@1", "create=503:1", "create=429:1"),
    *("status=503:2", "status=429:1@1", "status=html:1", "status=cut:1@2", "list=429:1", "list=503:1@1", "token=503:1"),
)
"""Faults that the tap copes with: the run completes all the same."""
FATAL_FAULTS = ("create=400:1@1", "create=400:1@2", "status=400:1@3", "download=403@1")
"""Faults that end a run with exit code 2, 3 or 5, if they occur."""


@dataclass(frozen=True)
class Kill:
    """How and when a run is killed: after so many lines of output, requests of the tap, or milliseconds."""

    signal: Literal["SIGKILL", "SIGTERM"]
    after: int
    unit: Literal["lines", "requests", "milliseconds"]


@dataclass(frozen=True)
class Loss:
    """What a target loses that dies after a run: its last states, and perhaps the records that it read since."""

    states: int
    records: bool


@dataclass(frozen=True)
class PlannedRun:
    """One run of the tap. Times are minutes after `START`; `end` is the setting end_date, None for no such setting."""

    at: int
    end: int | None = None
    faults: tuple[str, ...] = ()
    kill: Kill | None = None
    loss: Loss | None = None

    @property
    def may_fail(self) -> bool:
        """Whether a fault may end the run."""
        return not set(FATAL_FAULTS).isdisjoint(self.faults)


@dataclass(frozen=True)
class Schedule:
    """Runs of one pipeline, the settings that they share, and the platform that they meet.

    Attributes:
        surface: the stream that is read.
        window_days: length of a window.
        lookback: the setting lookback_minutes.
        settle: the setting settle_minutes.
        max_concurrent_exports: the setting.
        export_format: the setting.
        journal: whether there is a job journal.
        late: how late a part of the records arrives or is corrected, in minutes; at most settle and lookback together.
        inclusive_end: whether exports include the end of their range.
        quiet_days: every so manieth day has no records; 0 for none.
        job_seconds: how long a job runs.
        failing_jobs: the first so many jobs fail.
        longest_job_hours: jobs with a longer range fail; None for no limit.
        runs: the runs, in order; the last one meets no faults and is not killed.
    """

    surface: Surface
    window_days: int
    lookback: int
    settle: int
    max_concurrent_exports: int
    export_format: Literal["json", "csv"]
    journal: bool
    late: int
    inclusive_end: bool
    quiet_days: int
    job_seconds: float
    failing_jobs: int
    longest_job_hours: int | None
    runs: tuple[PlannedRun, ...]

    @property
    def lookback_time(self) -> timedelta:
        return timedelta(minutes=self.lookback)

    @property
    def platform(self) -> dict[str, Any]:
        """The options of the sandbox."""
        return {
            "events_per_day": 24,
            "rows_per_day": 12,
            "repeated_records": 0.1,
            "late_records": 0.3,
            "corrected_records": 0.3,
            "late_minutes": self.late,
            "inclusive_end": self.inclusive_end,
            "quiet_days": self.quiet_days,
            "job_seconds": self.job_seconds,
            "fail_first": self.failing_jobs,
            "fail_longer_than_hours": self.longest_job_hours,
            "retry_after": 0,
            "submit_seconds": 1,
        }


START = datetime(2024, 1, 1, tzinfo=UTC)
"""The setting start_date, and the time from which a schedule counts."""


def moment(minutes: int) -> datetime:
    """Return a time of a schedule as a date-time."""
    return START + timedelta(minutes=minutes)


# --- Strategies -------------------------------------------------------------------------------------------------------


def schedules(surface: Surface, group: int) -> SearchStrategy[Schedule]:
    """Draw schedules of two or three runs and the last one.

    Args:
        surface: the stream.
        group: rotates the choices. Hypothesis tries the first of each first, and groups should not begin with the same.
    """
    is_analytics = surface == "bot_conversations"

    def choice(*options: Any) -> SearchStrategy[Any]:
        first = group % len(options)
        return st.sampled_from(options[first:] + options[:first])

    def settings_and_platform(lookback: int, settle: int) -> SearchStrategy[Schedule]:
        return st.builds(
            Schedule,
            surface=st.just(surface),
            window_days=choice(1, 2, 3, 4) if is_analytics else choice(2, 1, 3),
            lookback=st.just(lookback),
            settle=st.just(settle),
            max_concurrent_exports=choice(2, 3, 1),
            export_format=choice("json", "csv"),
            journal=choice(*BOTH),
            late=choice(lookback + settle, lookback + settle, settle, 0),
            inclusive_end=choice(*BOTH),
            quiet_days=choice(0, 2, 3),
            job_seconds=choice(0.05, 0.4),
            failing_jobs=choice(0, 1, 2) if is_analytics else choice(0, 1),
            longest_job_hours=choice(None, None, 24) if is_analytics else st.none(),
            runs=_runs(),
        )

    return st.tuples(choice(*LOOKBACKS), choice(*SETTLES)).flatmap(lambda drawn: settings_and_platform(*drawn))


@st.composite
def _runs(draw: Callable[[SearchStrategy[Any]], Any]) -> tuple[PlannedRun, ...]:
    at = draw(st.integers(*FIRST_RUN))
    runs = [draw(_run(at))]
    for pause in draw(st.lists(st.sampled_from(PAUSES), min_size=1, max_size=2)):
        at += pause
        runs.append(draw(_run(at)))
    return (*runs, PlannedRun(at + SETTLED + draw(st.sampled_from((0, 11 * HOUR + 3)))))


def _run(at: int) -> SearchStrategy[PlannedRun]:
    curable = st.lists(st.sampled_from(CURABLE_FAULTS), max_size=2, unique=True).map(tuple)
    fatal = st.sampled_from(FATAL_FAULTS).map(lambda fault: (fault,))
    signals = st.sampled_from(("SIGKILL", "SIGTERM"))
    kills = (
        st.builds(Kill, signals, st.integers(1, 80), st.just("lines")),
        st.builds(Kill, signals, st.integers(1, 20), st.just("requests")),
        st.builds(Kill, signals, st.integers(300, 3000), st.just("milliseconds")),
    )
    return st.builds(
        PlannedRun,
        at=st.just(at),
        end=st.one_of(st.none(), st.none(), st.none(), st.integers(0, at), st.just(at // DAY * DAY)),
        faults=st.one_of(curable, curable, curable, fatal),
        kill=st.one_of(*kills, st.none()),
        loss=st.one_of(st.none(), st.none(), st.builds(Loss, states=st.integers(1, 3), records=st.booleans())),
    )
