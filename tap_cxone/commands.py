"""Entry points: each starts a command as a process. What all commands have in common is here.

Ctrl-C ends a command with exit code 130, also while its modules are imported, which takes most of the time of a short
command. Until this module is imported, Python writes a traceback: so it imports hardly anything itself.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_INTERRUPTED = 128 + signal.SIGINT


def tap() -> None:
    """Start ``tap-cxone``, whose only subcommand is ``doctor``: the command line of the SDK has none."""
    _start("tap_cxone.doctor.cli" if sys.argv[1:2] == ["doctor"] else "tap_cxone.cli")


def notify() -> None:
    """Start ``cxone-notify``."""
    _start("tap_cxone.notify.cli", error_code=1)


def report() -> None:
    """Start ``cxone-report``, whose exit code 1 means that there are gaps."""
    _start("tap_cxone.report.cli", error_code=2)


def sandbox() -> None:
    """Start ``cxone-sandbox``."""
    _start("tap_cxone.sandbox.cli", error_code=1)


def _start(module: str, error_code: int | None = None) -> None:
    # At once: a module that is being imported may catch an exception, and there is nothing to clean up yet.
    _on_interrupt(os._exit)
    from tap_cxone.errors import exit_on_error  # noqa: PLC0415 - see above
    from tap_cxone.output import check_output  # noqa: PLC0415

    def run() -> None:
        check_output()
        main = importlib.import_module(module).main
        _on_interrupt(sys.exit)
        try:
            main()
        finally:
            sys.stdout.flush()
            _on_interrupt(os._exit)

    try:
        exit_on_error(run, error_code)
    except BrokenPipeError:  # from ``finally``; the reader wants nothing more
        sys.exit(error_code or 1)


def _on_interrupt(leave: Callable[[int], object]) -> None:
    """Have Ctrl-C call a function with the exit code. A process that a shell starts in the background ignores it."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: leave(_INTERRUPTED))
