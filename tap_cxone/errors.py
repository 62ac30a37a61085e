"""Every error that ends a run with one sentence instead of a traceback.

    CxoneError                   1  anything else
    ├── UsageError               2  what the run was given is not valid: an option, its catalog, its state
    │   └── SettingsError        2  a setting is missing or invalid
    ├── RunCancelledError           a signal (128 + its number), or the target has gone (1)
    ├── FatalError               2  the platform refused; repeating the request does not help
    │   ├── RefusedError         3  ... because of the credentials or their permissions
    │   │   └── ThrottledError   3  ... or it may have been throttled: the platform answers both with 403
    │   └── StorageRefusedError  5  the storage refused a signed URL
    ├── UnavailableError         4  retries were used up, or all slots were occupied
    │   └── OutcomeUnknownError  4  nobody knows whether a request was carried out
    ├── CorruptExportError       5  a file is truncated or damaged
    │   ├── BlankExportError     5  a file has nothing but white space
    │   ├── NoExportError        5  a file has something else than records: an error message, for example
    │   └── UnfitExportError     5  a file is intact, but does not belong to this stream
    ├── ExportFailedError        5  a window could not be exported
    ├── DiskError                1  a file cannot be written or read
    ├── OpenFilesError           1  no more files can be opened
    └── OutputError              1  standard output cannot be written

The numbers are exit codes of ``tap-cxone``. A message names what to change. It never holds a secret, a signed URL or a
record value.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIGNAL_EXIT_CODE = 128
"""Signal n ends a process with this exit code plus n."""
_WRONG_FOLDER = frozenset({errno.ENOTDIR, errno.EEXIST, errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS})
"""Errors of a folder that the setting should not name."""
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_DESCRIPTOR = {errno.EMFILE, errno.ENFILE}


class CxoneError(Exception):
    """Base class: the run ends, and the user can do something about it.

    Attributes:
        message: one sentence for the user.
        exit_code: exit code of the process.
        retryable: whether the same run may succeed later although nobody changes anything.
    """

    exit_code = 1
    retryable = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class UsageError(CxoneError):
    """What the run was given is not valid: an option, a file that one names, or the state."""

    exit_code = 2


class SettingsError(UsageError):
    """A setting is missing or invalid; the message names it."""


class RunCancelledError(CxoneError):
    """The run was cancelled; the exit code says by what."""

    retryable = True

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class FatalError(CxoneError):
    """The platform refused a request for a reason that a retry does not change.

    Attributes:
        status: HTTP status of the response, 0 if the request could not be sent at all.
    """

    exit_code = 2

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class RefusedError(FatalError):
    """The platform refused the credentials, or they lack a permission."""

    exit_code = 3


class ThrottledError(RefusedError):
    """A request that must not be repeated blindly was answered with a status that may mean "throttled".

    It was not carried out. The message names both causes, because the platform answers a missing permission the same
    way.
    """


class StorageRefusedError(FatalError):
    """The storage, not the platform, refused a download although each attempt used a fresh pre-signed URL."""

    exit_code = 5


class UnavailableError(CxoneError):
    """A retriable failure (connection error, 429, 5xx, no free slot) lasted longer than the run may wait."""

    exit_code = 4
    retryable = True


class OutcomeUnknownError(UnavailableError):
    """A request that must not be repeated blindly was sent, but no usable response arrived.

    Args:
        message: the sentence.
        advice: what to do if this goes on; the end of a sentence, or empty.
    """

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice


class CorruptExportError(CxoneError):
    """An export file is truncated or damaged."""

    exit_code = 5


class BlankExportError(CorruptExportError):
    """An export file has nothing but white space."""


class NoExportError(CorruptExportError):
    """A file has something else than records. Another job may bring an export; one for a shorter window would not."""


class UnfitExportError(CorruptExportError):
    """An export file is intact but does not belong to this stream, and that of another job would not either."""


class ExportFailedError(CxoneError):
    """A window could not be exported: its job failed, timed out or could not be downloaded."""

    exit_code = 5


class DiskError(CxoneError):
    """A file cannot be written or read: the disk is full, for example. The exit code is 2 if the setting is wrong.

    Args:
        folder: the folder of the file.
        err: what the operating system said.
        setting: the setting that names the folder.
    """

    def __init__(self, folder: object, err: OSError, setting: str = "work_dir") -> None:
        reason = err.strerror or type(err).__name__
        if err.errno in _WRONG_FOLDER:
            self.exit_code = 2
        remedy = "free space (or inodes) on its disk" if err.errno in _NO_SPACE else "check it"
        super().__init__(
            f"The folder {folder} cannot be used ({reason}): {remedy}, or name another folder in the setting "
            f"'{setting}'."
        )


class OpenFilesError(CxoneError):
    """The process, or the whole machine, has as many open files and connections as it may have."""

    def __init__(self, err: OSError) -> None:
        super().__init__(f"No more files and connections can be opened ({err.strerror}): raise the limit (ulimit -n).")


class OutputError(CxoneError):
    """Standard output cannot be written; what has been written may be incomplete."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Standard output cannot be written ({reason}).")


@contextlib.contextmanager
def disk_errors(folder: object, setting: str = "work_dir") -> Iterator[None]:
    """Raise DiskError where a file in a folder cannot be written or read, with the setting that names the folder."""
    try:
        yield
    except OSError as err:
        if err.errno in _NO_DESCRIPTOR:
            raise OpenFilesError(err) from err
        raise DiskError(folder, err, setting) from err


def open_files_cause(err: BaseException) -> OSError | None:
    """Return the error that no more files can be opened, if it is this one or one that it was raised from."""
    chain = [err]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) and cause not in chain:
        chain.append(cause)
    return next((cause for cause in chain if isinstance(cause, OSError) and cause.errno in _NO_DESCRIPTOR), None)


@contextlib.contextmanager
def open_files_errors() -> Iterator[None]:
    """Raise OpenFilesError where any error that is not ours says that no more files can be opened."""
    try:
        yield
    except CxoneError:
        raise
    except Exception as err:
        if cause := open_files_cause(err):
            raise OpenFilesError(cause) from err
        raise


def exit_on_error(command: Callable[[], object], exit_code: int | None = None) -> None:
    """Run a command; if it raises a CxoneError, or no more files can be opened, log one sentence and exit.

    Args:
        command: the command.
        exit_code: exit code for every error; None: that of the error.
    """
    try:
        with open_files_errors():
            command()
    except CxoneError as err:
        logging.getLogger("tap-cxone").error("%s", err.message)  # noqa: TRY400 - one sentence, no traceback
        sys.exit(exit_code or err.exit_code)
