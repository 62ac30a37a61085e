"""Fetching the file of a completed job: download, verify, and download again if it is damaged."""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from typing_extensions import override

from tap_cxone.errors import (
    BlankExportError,
    CorruptExportError,
    ExportFailedError,
    NoExportError,
    UnfitExportError,
    disk_errors,
)
from tap_cxone.jobs.model import ExportFile, JobFailedError, JobGoneError, Verified
from tap_cxone.jobs.slots import JobSlots

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tap_cxone.jobs.context import JobContext
    from tap_cxone.jobs.model import ExportJob
    from tap_cxone.jobs.polling import PollSchedule
    from tap_cxone.jobs.workdir import DiskBudget

FETCH_ATTEMPTS = 3
"""Downloads of the file of one job before the file counts as damaged on the platform."""

V = TypeVar("V", bound=Verified)

logger = logging.getLogger("tap-cxone")


@dataclass(frozen=True)
class FileStore(Generic[V]):
    """Where files are kept until they are consumed, and how they are verified.

    Attributes:
        folder: a private folder.
        verify: checks a whole file and returns what the reader of its records needs; raises CorruptExportError, or
            OSError if it cannot write.
        budget: bounds the verified files.
    """

    folder: Path
    verify: Callable[[Path], V]
    budget: DiskBudget


class FileFetcher(Generic[V]):
    """Downloads and verifies the files of completed jobs. Thread-safe.

    Args:
        context: what the steps of a job share.
        files: where files are kept and how they are verified.
        schedule: gives the pause between two downloads.
    """

    def __init__(self, context: JobContext, files: FileStore[V], schedule: PollSchedule) -> None:
        self._api = context.api
        self._policy = context.policy
        self._listener = context.listener
        self._cancellation = context.cancellation
        self._clock = context.clock
        self._files = files
        self._schedule = schedule
        self._verification = JobSlots(1, context.cancellation, files.budget.has_room)
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def fetch(self, job: ExportJob, started: float, *, accept_blank: bool) -> ExportFile[V]:
        """Download and verify the file of a completed job.

        A file without a byte, or of blanks only, is what an overloaded server sends, and also what JSON Lines look
        like without records. With ``accept_blank`` it is accepted if every download is blank.

        Args:
            job: the job.
            started: when its window got a slot, in seconds of the monotonic clock.
            accept_blank: whether such a file may be genuine.

        Raises:
            JobFailedError: the file is gone, or damaged each time.
            ExportFailedError: the file is intact but not one of this stream; another job would yield the same.
        """
        self._listener.downloading(job)
        begun = self._clock.monotonic()
        is_blank = True  # as far as it has been downloaded
        for attempt in range(1, FETCH_ATTEMPTS + 1):
            last = attempt == FETCH_ATTEMPTS
            try:
                file = self._fetch_once(job, started, accept_blank=accept_blank and is_blank and last)
            except CorruptExportError as err:
                logger.warning(
                    "Window %s, download %d of %d: %s (job %s)",
                    job.window,
                    attempt,
                    FETCH_ATTEMPTS,
                    err.message,
                    job.job_id,
                )
                is_blank = is_blank and isinstance(err, BlankExportError)
                kind, message = type(err), err.message
            else:
                self._listener.downloaded(file, self._clock.monotonic() - begun, attempt)
                return file
            if not last:
                self._cancellation.sleep(self._schedule.pause(0))
        # Raised here and not where it is caught, so that it does not refer to the buffers of the failed download.
        raise self._unusable(job, kind, message, is_blank=is_blank)

    def _fetch_once(self, job: ExportJob, started: float, *, accept_blank: bool) -> ExportFile[V]:
        folder, budget = self._files.folder, self._files.budget
        path = folder / f"export-{self._next_number()}"
        try:
            with disk_errors(folder):
                file = _LimitedFile(io.FileIO(path, "w"), budget.limit)
            try:
                size = self._api.download(job.job_id, file)
            finally:
                with disk_errors(folder):  # closing writes the rest
                    file.close()
            # One at a time, the earliest first: verifying three files at once would make none of them ready sooner.
            with self._verification.acquire(job.window), disk_errors(folder):
                verified = self._files.verify(path)
                _check_blank(verified, job, accept=accept_blank)
                budget.hold(job.window, verified.size)
        except _FileTooLongError:
            msg = (
                f"Window {job.window} of {self._policy.stream}: its file is longer than {budget.limit >> 20} MiB "
                "('work_dir_max_mib'): raise that setting, or shorten the windows by 'window_days' or "
                "'extraction_window_days'."
            )
            raise ExportFailedError(msg) from None
        except JobGoneError as err:
            raise JobFailedError(
                job, str(err) or "the platform does not have its file any more", may_split=False
            ) from err
        finally:
            with contextlib.suppress(OSError):  # the whole folder is removed at the end
                path.unlink(missing_ok=True)
        seconds = self._clock.monotonic() - started

        def release() -> None:
            budget.release(job.window)
            self._verification.recheck()

        return ExportFile(job, size, seconds, verified, release)

    def _next_number(self) -> int:
        with self._lock:
            return next(self._numbers)

    def _unusable(
        self, job: ExportJob, kind: type[CorruptExportError], message: str, *, is_blank: bool
    ) -> ExportFailedError | JobFailedError:
        if issubclass(kind, UnfitExportError):
            return ExportFailedError(
                f"Window {job.window} of {self._policy.stream} could not be read (job {job.job_id}): {message}."
            )
        return JobFailedError(job, message, may_split=not issubclass(kind, NoExportError), is_blank=is_blank)


class _FileTooLongError(Exception):
    """A download is longer than what may lie in the work folder."""


class _LimitedFile(io.BufferedWriter):
    """A file for a download. Without a limit, a server could fill the disk.

    Args:
        raw: the file.
        limit: its greatest length in bytes.
    """

    def __init__(self, raw: io.RawIOBase, limit: int) -> None:
        super().__init__(raw)
        self._limit = limit

    @override
    def write(self, buffer: Any, /) -> int:
        if self.tell() + len(buffer) > self._limit:
            raise _FileTooLongError
        return super().write(buffer)


def _check_blank(verified: Verified, job: ExportJob, *, accept: bool) -> None:
    if verified.is_blank and not accept:
        verified.close()
        msg = "the file is empty: it does not even hold an empty list or a header"
        raise BlankExportError(msg)
    if verified.is_blank:
        logger.warning("Window %s: its export stays empty and counts as one without records", job.window)
