"""The limits within which the jobs of a stream are run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class JobPolicy:
    """Limits of the jobs of one stream.

    Attributes:
        stream: name of the stream, for messages.
        max_jobs: jobs of ours that may be active at once.
        poll_seconds: longest pause between two status calls.
        timeout_seconds: time until an unfinished job counts as failed; also the longest wait for a free slot.
    """

    stream: str
    max_jobs: int
    poll_seconds: float
    timeout_seconds: float
