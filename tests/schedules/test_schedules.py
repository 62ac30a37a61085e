"""Random schedules: windows, look-back, faults, kills and losses, on both surfaces.

CI plays the same schedules every time. To play others, and more: `SCHEDULES=500 python -m pytest tests/schedules`. A
schedule that fails is printed: add it to `FORMER_FAILURES`.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.schedules.playing import play
from tests.schedules.schedule import DAY, HOUR, SETTLED, Kill, PlannedRun, Schedule, Surface, schedules

GROUPS = 3
"""Groups of schedules of a surface; different workers can play them."""
SCHEDULES_IN_GROUP: dict[Surface, int] = {"bot_conversations": 5, "qm_workflows": 3}
SCHEDULES = GROUPS * sum(SCHEDULES_IN_GROUP.values())
"""How many schedules are played, if the environment does not ask for another number."""
FRESH_SCHEDULES = int(os.environ.get("SCHEDULES", "0"))
SECONDS_PER_SCHEDULE = 60

FORMER_FAILURES: dict[str, Schedule] = {
    "a look-back counted from the end of the run, although a job of the run before had seen less": Schedule(
        surface="bot_conversations",
        window_days=1,
        lookback=DAY,
        settle=30,
        max_concurrent_exports=3,
        export_format="json",
        journal=True,
        late=DAY + 30,
        inclusive_end=False,
        quiet_days=0,
        job_seconds=0.05,
        failing_jobs=0,
        longest_job_hours=None,
        runs=(
            PlannedRun(2 * DAY + 40, kill=Kill("SIGKILL", 12, "requests")),
            PlannedRun(3 * DAY + 20),
            PlannedRun(3 * DAY + 20 + SETTLED),
        ),
    ),
    "a row of a job of the run before hid the corrected one at the edge of the windows": Schedule(
        surface="qm_workflows",
        window_days=1,
        lookback=0,
        settle=8 * HOUR,
        max_concurrent_exports=1,
        export_format="json",
        journal=True,
        late=8 * HOUR,
        inclusive_end=True,
        quiet_days=0,
        job_seconds=0.05,
        failing_jobs=0,
        longest_job_hours=None,
        runs=(
            PlannedRun(DAY + 8 * HOUR + 5, kill=Kill("SIGKILL", 5, "requests")),
            PlannedRun(2 * DAY + 8 * HOUR + 4),
            PlannedRun(2 * DAY + 8 * HOUR + 4 + SETTLED),
        ),
    ),
}
"""Schedules that showed a defect, by what was wrong."""


def examples(surface: Surface) -> int:
    """Return how many schedules a group has."""
    return -(-SCHEDULES_IN_GROUP[surface] * (FRESH_SCHEDULES or SCHEDULES) // SCHEDULES)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("surface", "group"),
    [
        pytest.param(surface, group, marks=pytest.mark.timeout(SECONDS_PER_SCHEDULE * examples(surface)))
        for surface in get_args(Surface)
        for group in range(GROUPS)
    ],
)
def test_whatever_happens_the_target_ends_up_with_what_the_platform_holds(surface: Surface, group: int) -> None:
    @settings(
        max_examples=examples(surface),
        derandomize=not FRESH_SCHEDULES,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        phases=[Phase.generate],  # to shrink a schedule would take minutes; it is short enough to be read
        suppress_health_check=list(HealthCheck),
    )
    @given(schedules(surface, group))
    def check(schedule: Schedule) -> None:
        with tempfile.TemporaryDirectory() as folder:
            play(schedule, Path(folder))

    if not FRESH_SCHEDULES:
        check = seed(group)(check)  # otherwise the groups would be the same
    check()


@pytest.mark.slow
@pytest.mark.parametrize("schedule", FORMER_FAILURES.values(), ids=FORMER_FAILURES)
def test_a_schedule_that_showed_a_defect(schedule: Schedule, tmp_path: Path) -> None:
    play(schedule, tmp_path)
