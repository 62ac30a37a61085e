"""``python tap_at.py MOMENT ARGUMENTS``: the tap with a clock that stands at a moment (ISO 8601, with an offset).

The simulated platform has the same time, so what has happened, arrived and settled is part of the schedule and not of
the speed of this machine. Waiting does not depend on this clock.
"""

from __future__ import annotations

import sys
from datetime import datetime

from tap_cxone.commands import tap

if __name__ == "__main__":
    sys.modules["pytest"] = None  # type: ignore[assignment] # it would be loaded: a fifth of the start-up time
    import time_machine

    with time_machine.travel(datetime.fromisoformat(sys.argv.pop(1)), tick=False):
        tap()
