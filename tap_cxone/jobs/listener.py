"""JobListener: receives the events of export jobs, and decides where to report them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tap_cxone.jobs.model import ExportFile, ExportJob, JobState
    from tap_cxone.windows import Window


class JobListener(Protocol):
    """Receives the events of the jobs of one stream. Called from several threads."""

    def waiting_for_slot(self, window: Window) -> None:
        """A window waits for a free slot."""

    def waiting(self, window: Window, reason: str) -> None:
        """A window is still waiting; ``reason`` says what for."""

    def job_created(self, job: ExportJob, latency_ms: int | None) -> None:
        """A job was created; ``latency_ms`` is None where the response to the request was lost."""

    def polling(self, job: ExportJob, state: JobState | None) -> None:
        """A job is followed; ``state`` is the last state seen, None before the first status call."""

    def job_completed(self, job: ExportJob, seconds: float, queue_seconds: float | None) -> None:
        """A job is completed.

        Args:
            job: the job.
            seconds: time for which this run followed it.
            queue_seconds: how much of that it spent in the queue; None if it was never seen to leave the queue.
        """

    def job_failed(self, job: ExportJob, reason: str) -> None:
        """A job failed, or its file cannot be used."""

    def downloading(self, job: ExportJob) -> None:
        """The file of a job is being downloaded."""

    def downloaded(self, file: ExportFile[Any], seconds: float, attempts: int) -> None:
        """A file is complete and verified; ``seconds`` is the time of all attempts to download and verify it."""

    def window_left(self, window: Window) -> None:
        """A window is no longer worked on: it was split, or given up."""
