"""The audit log as a file: found, locked against other senders, opened."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from filelock import FileLock, Timeout

from tap_cxone.errors import CxoneError

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_WAIT_SECONDS = 600.0
"""For another sender on the same audit log."""

logger = logging.getLogger("cxone-notify")


class LockedError(CxoneError):
    """Another sender has been at work on the audit log for too long."""


def log_file(path: str) -> Path:
    """Return the audit log that a setting names, under the one name that everybody locks it by.

    Raises:
        CxoneError: there can be no such file.
    """
    try:
        return Path(path).expanduser().resolve()
    except (OSError, ValueError, RuntimeError):
        msg = "Setting 'audit_log_path': it is no usable path."
        raise CxoneError(msg) from None


@contextlib.contextmanager
def locked(log: Path) -> Iterator[None]:
    """Be the only one who sends from an audit log, or cuts it; the tap appends to it all the same.

    Raises:
        LockedError: another one does not come to its end.
        CxoneError: there can be no lock beside the log.
    """
    lock = FileLock(f"{log}.lock", mode=0o600)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            logger.info("Another sender is at work on this audit log: waiting for it")
            lock.acquire(timeout=LONGEST_WAIT_SECONDS)
    except Timeout:
        msg = f"Another sender has been at work on the audit log for {LONGEST_WAIT_SECONDS:.0f} s."
        raise LockedError(msg) from None
    except OSError as err:
        msg = f"Setting 'audit_log_path': a lock cannot be made beside the file ({err.strerror})."
        raise CxoneError(msg) from err
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def opened(log: Path) -> Iterator[BinaryIO | None]:
    """Open an audit log for reading; none where there is no such file yet.

    Raises:
        CxoneError: it cannot be read.
    """
    try:
        file = log.open("rb")
    except FileNotFoundError:
        yield None
        return
    except OSError as err:
        msg = f"Setting 'audit_log_path': the file cannot be read ({err.strerror})."
        raise CxoneError(msg) from err
    with file:
        yield file
