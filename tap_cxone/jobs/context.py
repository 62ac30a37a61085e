"""JobContext: what the steps of a job share, including the limits of the stream's jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_cxone.cancellation import CancellationToken, Clock
    from tap_cxone.jobs.listener import JobListener
    from tap_cxone.jobs.model import AsyncJobApi


@dataclass(frozen=True)
class JobPolicy:
    """Limits of the jobs of one stream.

    Attributes:
        stream: name of the stream, for messages.
        max_jobs: jobs of ours that may be active at once.
        poll_seconds: longest pause between two status calls.
        timeout_seconds: time until an unfinished job counts as failed; also the longest wait for a free slot.
        max_failed_creates: requests to create one job before the run gives up, if they are refused one after the other
            while a slot is free (then a permission is missing, and the cause is not throttling), or if the outcome of
            each is unknown (a lost response, or a 5xx other than 503).
        timeout_source: what determines ``timeout_seconds``, for messages.
    """

    stream: str
    max_jobs: int
    poll_seconds: float
    timeout_seconds: float
    max_failed_creates: int = 8
    timeout_source: str = "export_timeout"


@dataclass(frozen=True)
class JobContext:
    """What the steps of the jobs of one stream share.

    Attributes:
        api: where the jobs are created.
        policy: limits of the stream's jobs.
        listener: is notified of everything that happens to a window or a job.
        cancellation: ends every wait.
    """

    api: AsyncJobApi
    policy: JobPolicy
    listener: JobListener
    cancellation: CancellationToken

    @property
    def clock(self) -> Clock:
        """The clock by which waits are measured."""
        return self.cancellation.clock
