"""The state of one stream: its bookmark, its platform, and the export jobs that travel with it."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_cxone.api.identity import PlatformIdentity
from tap_cxone.dates import format_date, parse_date, utc_now
from tap_cxone.errors import UsageError
from tap_cxone.jobs.journal import JobRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping, Sequence
    from datetime import datetime

JOBS_IN_STATE = "export_jobs"
"""Key of the stream's bookmark under which the state carries jobs: id, window, fingerprint and time."""
PLATFORM_IN_STATE = "platform"
"""Key of the stream's bookmark under which the state says which platform and tenant the bookmark belongs to."""
_MAX_AHEAD = timedelta(days=1)
"""How far ahead of the clock a bookmark may be; it is never ahead unless a clock was wrong."""

logger = logging.getLogger("tap-cxone")


def check_form(state: Mapping[str, Any]) -> None:
    """Check that a state has the form on which the SDK and ``StreamState`` rely.

    Raises:
        UsageError: it has another form.
    """
    bookmarks = state.get("bookmarks", {})
    if not isinstance(bookmarks, dict):
        msg = (
            "The state is damaged: 'bookmarks' is not an object: correct it, or read everything again with "
            "--full-refresh."
        )
        raise UsageError(msg)
    for stream, part in bookmarks.items():
        if not _has_sdk_form(part):
            msg = (
                f"The state is damaged: what it has for stream '{stream}' is not an object, or is not in the form of "
                "the Meltano SDK: correct it, or remove it to read the stream again from 'start_date' on."
            )
            raise UsageError(msg)


def _has_sdk_form(part: object) -> bool:
    if not isinstance(part, dict):
        return False
    partitions = part.get("partitions", [])
    has_markers = isinstance(part.get("progress_markers", {}), dict)
    return has_markers and isinstance(partitions, list) and all(map(_has_sdk_form, partitions))


class StreamState:
    """One stream's part of the state. Used by the main thread only.

    Only a window whose records have all been written moves the bookmark, and never backwards.

    Args:
        state: that part, which is changed in place.
        stream: name of the stream, for messages.
        replication_key: name of the replication key; None for a full read, which has no bookmark.
        write: writes the whole state as a STATE message.
        former_keys: earlier names of the replication key. A bookmark under one of them is valid.
    """

    def __init__(
        self,
        state: MutableMapping[str, Any],
        *,
        stream: str,
        replication_key: str | None,
        write: Callable[[], None],
        former_keys: Sequence[str] = (),
    ) -> None:
        self._state = state
        self._stream = stream
        self._replication_key = replication_key
        self._write = write
        self._valid_keys = (replication_key, *former_keys)
        self._platform: PlatformIdentity | None = None

    @property
    def is_incremental(self) -> bool:
        """Whether the stream has a bookmark."""
        return self._replication_key is not None

    def bookmark(self) -> datetime | None:
        """Return the bookmark, or None.

        Raises:
            UsageError: it is not a date, or far in the future.
        """
        text = self._state.get("replication_key_value")
        is_of_this_key = self._state.get("replication_key", self._replication_key) in self._valid_keys
        if not self._replication_key or not text or not is_of_this_key:
            return None
        try:
            bookmark = parse_date(text)
        except (ValueError, AttributeError):
            msg = f"The bookmark of '{self._stream}' in the state is not an ISO 8601 date: correct or remove it."
            raise UsageError(msg) from None
        if bookmark - utc_now() > _MAX_AHEAD:
            msg = (
                f"The bookmark of '{self._stream}' in the state ({format_date(bookmark)}) is more than a day in the "
                "future: set the clock of this machine, or, if the clock is right, correct the bookmark, or read "
                "everything again with --full-refresh."
            )
            raise UsageError(msg)
        return bookmark

    def platform(self) -> PlatformIdentity | None:
        """Return the platform that the bookmark belongs to; None without a bookmark, or in the state of 0.1.0.

        Raises:
            UsageError: the bookmark is not valid.
        """
        return PlatformIdentity.from_dict(self._state.get(PLATFORM_IN_STATE)) if self.bookmark() else None

    def bind(self, platform: PlatformIdentity) -> None:
        """Have each commit write this platform; a tenant that it does not name is kept, if the host is the same."""
        stored = self.platform()
        is_kept = stored and stored.host == platform.host and not platform.tenant
        self._platform = stored if is_kept else platform

    def replace_platform(self, platform: PlatformIdentity | None) -> None:
        """Write the state with this platform, or without one, and with an unchanged bookmark."""
        self._state.pop(PLATFORM_IN_STATE, None)
        self._platform = platform
        self._set_platform()
        self._write()

    def start(self, start_date: datetime, lookback: timedelta) -> datetime:
        """Return where a run begins: the bookmark less the look-back, or the start date.

        Raises:
            UsageError: the bookmark is not valid.
        """
        bookmark, now = self.bookmark(), utc_now()
        if start_date > now:
            logger.warning(
                "Stream '%s': setting 'start_date' (%s) is in the future: nothing is extracted until then, and nothing "
                "before it; set an earlier date, or the clock of this machine if it is wrong",
                self._stream,
                format_date(start_date),
            )
        if bookmark is None:
            return start_date
        if bookmark > now:
            logger.warning(
                "Stream '%s': the bookmark (%s) is in the future: the time before it counts as extracted; set the "
                "clock of this machine if it is wrong, or set the bookmark in the state to an earlier date",
                self._stream,
                format_date(bookmark),
            )
        if start_date > bookmark:
            logger.warning(
                "Stream '%s': setting 'start_date' (%s) is later than the bookmark (%s): the time between them is not "
                "extracted",
                self._stream,
                format_date(start_date),
                format_date(bookmark),
            )
        # Compared as a difference, because the look-back may begin before the first representable date.
        return bookmark - lookback if bookmark - start_date > lookback else start_date

    def commit(self, loaded_until: datetime, window_end: datetime) -> str | None:
        """Move the bookmark forwards and write the state, with the jobs of later windows only.

        Args:
            loaded_until: the time up to which the target has everything.
            window_end: end of the window that has been written.

        Returns:
            The bookmark in the state now.
        """
        if self._replication_key:
            bookmark = self.bookmark()
            self._state["replication_key"] = self._replication_key
            self._state["replication_key_value"] = format_date(
                max(loaded_until, bookmark) if bookmark else loaded_until
            )
            self._set_platform()
        self._write_jobs([job for job in self.jobs() if job.window.start >= window_end])
        return self._state.get("replication_key_value")

    def jobs(self) -> list[JobRecord]:
        """Return the jobs in the state; entries that are not valid are ignored."""
        lines = self._state.get(JOBS_IN_STATE)
        return list(filter(None, map(JobRecord.from_dict, lines if isinstance(lines, list) else [])))

    def add_job(self, job: JobRecord) -> None:
        """Add a job and write the state; the job replaces one whose window has the same start."""
        self._write_jobs([*(other for other in self.jobs() if other.window.start != job.window.start), job])

    def _set_platform(self) -> None:
        if self._platform:
            self._state[PLATFORM_IN_STATE] = self._platform.to_dict()

    def _write_jobs(self, jobs: list[JobRecord]) -> None:
        self._state.pop(JOBS_IN_STATE, None)
        if jobs:
            self._state[JOBS_IN_STATE] = [job.to_dict() for job in jobs]
        self._write()
