"""``python -m tests.end_to_end.signalled_tap ARGUMENTS``: the tap, which gets SIGTERM when its run is complete.

Afterwards the process takes longer to exit than a run may take to end after a signal.
"""

from __future__ import annotations

import signal
import time
from unittest.mock import patch

from tap_cxone.cli import main
from tap_cxone.jobs.journal import Journal
from tap_cxone.shutdown import GRACE_SECONDS


class SlowExit:
    """Keeps the process alive for a while after Python has removed its signal handlers."""

    def __del__(self) -> None:
        time.sleep(GRACE_SECONDS + 0.5)


class SignalledJournal(Journal):
    """A journal whose process gets SIGTERM when a stream has been read to its end."""

    def __exit__(self, *_: object) -> None:
        super().__exit__(None, None, None)
        signal.raise_signal(signal.SIGTERM)


if __name__ == "__main__":
    kept = SlowExit()
    with patch("tap_cxone.streams.extraction.Journal", SignalledJournal):
        main()
