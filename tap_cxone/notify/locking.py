"""The lock of an audit log or a quarantine: only one process at a time sends from it, prunes it or erases from it."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from tap_cxone.errors import CxoneError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

MAX_WAIT_SECONDS = 600.0
"""How long to wait for another process that uses the same file."""

logger = logging.getLogger("cxone-notify")


class LockedError(CxoneError):
    """Another process has held the lock for too long."""


@contextlib.contextmanager
def locked(log: Path, setting: str = "audit_log_path") -> Iterator[None]:
    """Hold the lock of a file. The tap does not need it to append to the file.

    Args:
        log: the file.
        setting: name of the setting with its path, for error messages.

    Raises:
        LockedError: another process does not release the lock.
        CxoneError: the lock file beside the log cannot be created.
    """
    lock = FileLock(f"{log}.lock", mode=0o600)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            logger.info("Another cxone-notify is using the file of '%s': waiting for it", setting)
            lock.acquire(timeout=MAX_WAIT_SECONDS)
    except Timeout:
        msg = f"Another cxone-notify has been using the file of '{setting}' for {MAX_WAIT_SECONDS:.0f} s."
        raise LockedError(msg) from None
    except OSError as err:
        msg = f"Setting '{setting}': a lock file cannot be created beside the file ({err.strerror})."
        raise CxoneError(msg) from err
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def all_locked(logs: Iterable[Path]) -> Iterator[None]:
    """Hold the locks of several audit logs.

    Raises:
        LockedError: another process does not release one of them.
        CxoneError: a lock file beside a log cannot be created.
    """
    with contextlib.ExitStack() as stack:
        for log in sorted(logs):  # in the same order in every process, so that two cannot wait for each other
            stack.enter_context(locked(log))
        yield
