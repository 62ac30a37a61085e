"""The tables of rates: processor time and wall time per record, of whole processes, without their start-up.

Every contestant reads two exports of different size over HTTP. The difference of its median times for the two, divided
by the difference of the numbers of records, is its time per record. The contestants take turns, because the speed of a
machine drifts. A fast contestant has several turns in a round, because its start-up is long compared with its work.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tests.benchmarks.contestants import Export, run_plain_tap, run_reference, run_tap
from tests.benchmarks.files import DAYS, LAYOUTS, write_exports
from tests.benchmarks.markdown import table
from tests.benchmarks.server import serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.processes import Usage

    Contestant = Callable[[Export], Usage]

MICRO = 1e6
TAP, PLAIN = "tap-cxone", "plain singer-sdk tap"
CONTESTANTS: dict[str, Contestant] = {PLAIN: run_plain_tap, TAP: run_tap}
REFERENCES: dict[str, Contestant] = CONTESTANTS | {
    "plain singer-sdk tap, msgspec writer": partial(run_plain_tap, writer="msgspec"),
    "bare script, no output": partial(run_reference, name="script"),
    "floor: inflate, decode, encode, all in memory": partial(run_reference, name="floor"),
}
REFERENCE_LAYOUT = "compact"
FAST_TURNS = 3
"""Turns in a round of a contestant that is not on the Singer SDK's own path."""


class Rate:
    """The runs of one contestant on one layout.

    Args:
        sizes: numbers of records of the two exports, the smaller first.
    """

    def __init__(self, sizes: tuple[int, int]) -> None:
        self._difference = sizes[1] - sizes[0]
        self._runs: tuple[list[Usage], list[Usage]] = ([], [])

    def add(self, small: Usage, large: Usage) -> None:
        for runs, usage in zip(self._runs, (small, large), strict=True):
            runs.append(usage)

    @property
    def cpu(self) -> float:
        """Processor time in µs per record."""
        small, large = (median(usage.cpu_seconds for usage in runs) for runs in self._runs)
        return (large - small) / self._difference * MICRO

    @property
    def wall(self) -> float:
        """Wall time in µs per record."""
        small, large = (median(usage.seconds for usage in runs) for runs in self._runs)
        return (large - small) / self._difference * MICRO

    @property
    def peak(self) -> float:
        """Memory peak at the larger size, in MiB."""
        return max(usage.peak_mib for usage in self._runs[1])


def tables(names: list[str], records: int, rounds: int, *, with_references: bool) -> list[str]:
    """Measure and return the table of the layouts, and that of the other reference points.

    Args:
        names: keys of ``LAYOUTS``.
        records: records of the larger export; the smaller one has a quarter.
        rounds: how often each contestant gets its turns on each layout.
        with_references: whether to measure the contestants that only read the compact array.
    """
    with_references = with_references and REFERENCE_LAYOUT in names
    with tempfile.TemporaryDirectory() as folder:
        contest = _Contest(Path(folder), names, records)
        for _ in range(rounds):
            for name in names:
                contest.run(name, REFERENCES if with_references and name == REFERENCE_LAYOUT else CONTESTANTS)
    found = [_layouts(contest, names)]
    return [*found, _references(contest)] if with_references else found


def _layouts(contest: _Contest, names: list[str]) -> str:
    cpu, wall, peak = "CPU µs per record", "wall µs per record", "peak MiB"
    header = ["export", *(f"{what}, {who}" for what in (cpu, wall, peak) for who in (PLAIN, TAP))]
    header[3:3], header[6:6] = ["ratio"], ["ratio"]
    rows = []
    for name in names:
        plain, tap = contest.rates[name, PLAIN], contest.rates[name, TAP]
        cpus = [f"{plain.cpu:.2f}", f"{tap.cpu:.2f}", f"{plain.cpu / tap.cpu:.1f}"]
        walls = [f"{plain.wall:.2f}", f"{tap.wall:.2f}", f"{plain.wall / tap.wall:.1f}"]
        rows.append([LAYOUTS[name].label, *cpus, *walls, f"{plain.peak:.0f}", f"{tap.peak:.0f}"])
    return table(header, rows)


def _references(contest: _Contest) -> str:
    plain = contest.rates[REFERENCE_LAYOUT, PLAIN]
    header = [LAYOUTS[REFERENCE_LAYOUT].label, "CPU µs per record", "ratio", "wall µs per record", "ratio", "peak MiB"]
    rows = []
    for label in REFERENCES:
        rate = contest.rates[REFERENCE_LAYOUT, label]
        cpu = [f"{rate.cpu:.2f}", f"{plain.cpu / rate.cpu:.1f}"]
        rows.append([label, *cpu, f"{rate.wall:.2f}", f"{plain.wall / rate.wall:.1f}", f"{rate.peak:.0f}"])
    return table(header, rows)


class _Contest:
    def __init__(self, folder: Path, names: list[str], records: int) -> None:
        large = records // DAYS * DAYS
        self._sizes = (large // 4 // DAYS * DAYS, large)
        self._folder = folder
        self._files = [write_exports(folder, names, size) for size in self._sizes]
        self.rates: dict[tuple[str, str], Rate] = {}

    def run(self, name: str, contestants: dict[str, Contestant]) -> None:
        """Let each contestant read both files of a layout."""
        for label, contestant in contestants.items():
            rate = self.rates.setdefault((name, label), Rate(self._sizes))
            for _ in range(1 if label.startswith(PLAIN) else FAST_TURNS):
                rate.add(self._run(name, 0, contestant), self._run(name, 1, contestant))

    def _run(self, name: str, index: int, contestant: Contestant) -> Usage:
        with serving(self._files[index][name]) as url:
            return contestant(Export(url, name, self._sizes[index], self._folder))
