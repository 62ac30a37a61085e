"""The export engine: who runs when. Threads export windows; the caller's thread gets their files in window order.

As many jobs are in flight as are allowed, while earlier windows download and are consumed. Windows are begun in order
and no more than ``WINDOWS_AHEAD`` times the allowed jobs ahead of the one that is being consumed, that one included:
with three jobs at once no more than six windows lie on the disk, however slow the consumer is.

Only the caller's thread touches what the caller owns (state, standard output): threads send it notes, and it reads
them whenever it waits for a file or calls ``attend``.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_cxone.cancellation import CancellationToken
    from tap_cxone.jobs.model import ExportFile
    from tap_cxone.jobs.runner import JobRunner
    from tap_cxone.jobs.store import JobRecord
    from tap_cxone.windows import Window

WINDOWS_AHEAD = 2
_LOOK_SECONDS = 0.2
_JOIN_SECONDS = 0.5


@dataclass
class _Task:
    """One window and what its thread has sent so far."""

    window: Window
    files: deque[ExportFile] = field(default_factory=deque)
    running: bool = False
    done: bool = False
    error: BaseException | None = None


@dataclass
class _Note:
    """What a thread tells the caller's: a file, the end of a task, or a new job that waits to be announced."""

    task: _Task | None = None
    file: ExportFile | None = None
    error: BaseException | None = None
    job: JobRecord | None = None
    heard: threading.Event = field(default_factory=threading.Event)


class JobOrchestrator:
    """Runs the export of a list of windows.

    Args:
        most_jobs: jobs of ours that may be active at once.
        on_job: told of each job, in the caller's thread, before the job is first looked at.
        check: called in the caller's thread now and then; raises to end the run.
        stop: ends the threads' waits; raised when the engine is done.
    """

    def __init__(
        self,
        *,
        most_jobs: int,
        on_job: Callable[[JobRecord], None],
        check: Callable[[], None],
        stop: CancellationToken,
    ) -> None:
        self._ahead = WINDOWS_AHEAD * most_jobs
        self._on_job = on_job
        self._check = check
        self._stop = stop
        self._notes: queue.SimpleQueue[_Note] = queue.SimpleQueue()
        self._tasks: list[_Task] = []
        self._begun = 0
        self._consumed = 0
        self._room = threading.Condition()

    def announce(self, job: JobRecord) -> None:
        """From a thread: hand a job over and wait until the caller's thread has dealt with it."""
        note = _Note(job=job)
        self._notes.put(note)
        while not note.heard.wait(_LOOK_SECONDS):
            self._stop.check()

    def exports(self, windows: Sequence[Window], exporter: JobRunner) -> Iterator[ExportFile]:
        """Export windows and yield their files in order. A file is removed when the next one is asked for.

        Raises:
            CxoneError: whatever ended the export of a window, after the files of all windows before it.
        """
        self._tasks = [_Task(window) for window in windows]
        threads = [
            threading.Thread(target=self._work, args=(exporter,), name=f"export-{number}", daemon=True)
            for number in range(min(self._ahead, len(windows)))
        ]
        for thread in threads:
            thread.start()
        try:
            for task in self._tasks:
                for file in self._files(task):
                    try:
                        yield file
                    finally:
                        file.path.unlink(missing_ok=True)
                with self._room:
                    self._consumed += 1
                    self._room.notify_all()
        finally:
            self._close(threads)

    def attend(self) -> None:
        """In the caller's thread, between two writes: deal with what the threads have sent."""
        self._check()
        while not self._notes.empty():
            self._read(self._notes.get())

    def _files(self, task: _Task) -> Iterator[ExportFile]:
        while True:
            self.attend()
            if task.files:
                yield task.files.popleft()
            elif task.error:
                raise task.error
            elif task.done:
                return
            else:
                try:
                    self._read(self._notes.get(timeout=_LOOK_SECONDS))
                except queue.Empty:
                    continue

    def _read(self, note: _Note) -> None:
        if note.job:
            self._on_job(note.job)
            note.heard.set()
        elif note.task and note.file:
            note.task.files.append(note.file)
        elif note.task:
            note.task.error = note.error
            note.task.done = True

    def _close(self, threads: list[threading.Thread]) -> None:
        """End the threads; one that hangs in a request is left behind, and does not keep the process alive."""
        self._stop.cancel()
        deadline = time.monotonic() + _JOIN_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        while not self._notes.empty():
            if file := self._notes.get().file:
                file.scan.close()
        for task in self._tasks:
            for file in task.files:
                file.scan.close()

    # --- In the threads -----------------------------------------------------------------------------------------------

    def _work(self, exporter: JobRunner) -> None:
        while task := self._next_task():
            error: BaseException | None = None
            try:
                for file in exporter.files(task.window):
                    self._notes.put(_Note(task, file))
            except BaseException as err:  # noqa: BLE001 - it is raised again, in the caller's thread
                error = err
            self._notes.put(_Note(task, error=error))

    def _next_task(self) -> _Task | None:
        with self._room:
            while (
                self._begun < len(self._tasks) and self._begun >= self._consumed + self._ahead and not self._stop.cause
            ):
                self._room.wait(_LOOK_SECONDS)
            if self._stop.cause or self._begun >= len(self._tasks):
                return None
            task = self._tasks[self._begun]
            self._begun += 1
            task.running = True
            return task
