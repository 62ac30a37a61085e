"""The table of memory peaks: the whole tap on exports of two sizes, in which a third of the events appear twice."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.benchmarks.contestants import Export, run_tap
from tests.benchmarks.files import DAYS, write_exports
from tests.benchmarks.markdown import table
from tests.benchmarks.server import serving

LAYOUT = "compact"
REPEAT_EVERY = 3


def memory_table(sizes: list[int]) -> str:
    """Measure and return the table.

    Args:
        sizes: numbers of distinct events.
    """
    rows = []
    for size in sizes:
        distinct = size // DAYS * DAYS
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            path = write_exports(folder, [LAYOUT], distinct, repeat_every=REPEAT_EVERY)[LAYOUT]
            with serving(path) as url:
                usage = run_tap(Export(url, LAYOUT, distinct, folder))
        rows.append([f"{distinct:,}", f"1 in {REPEAT_EVERY}", f"{usage.seconds:.1f}", f"{usage.peak_mib:.0f}"])
    return table(["distinct records in one export", "repeated", "seconds", "peak MiB of the tap"], rows)
