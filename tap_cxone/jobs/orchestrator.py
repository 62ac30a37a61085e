"""The job orchestrator: threads export windows; the caller's thread gets the files in the order of the windows.

As many jobs as allowed are active while the files of earlier windows are downloaded and consumed. Windows are started
in order, and at most ``WINDOWS_AHEAD * max_jobs`` of them are unfinished at a time, including the one that is being
consumed: with three jobs at once, at most six windows are on the disk, however slow the consumer is.

Only the caller's thread touches what the caller owns (state, standard output). Threads send it messages, which it
handles whenever it waits for a file or calls ``process_messages``.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from tap_cxone.jobs.model import Verified

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_cxone.cancellation import CancellationToken
    from tap_cxone.jobs.journal import JobRecord
    from tap_cxone.jobs.model import ExportFile
    from tap_cxone.windows import Window

WINDOWS_AHEAD = 2
_CHECK_SECONDS = 0.2
_JOIN_SECONDS = 0.5

V = TypeVar("V", bound=Verified)


class WindowRunner(Protocol[V]):
    """Exports one window."""

    def files(self, window: Window) -> Iterator[ExportFile[V]]:
        """Yield the files of a window in order."""


@dataclass
class _Task(Generic[V]):
    """One window and what has arrived for it. Only the caller's thread uses it, except for ``window``."""

    window: Window
    files: deque[ExportFile[V]] = field(default_factory=deque)
    done: bool = False
    error: BaseException | None = None


@dataclass
class _Message(Generic[V]):
    """From a thread to the caller's: a file of a task, the end of a task, or a job to be announced."""

    task: _Task[V] | None = None
    file: ExportFile[V] | None = None
    error: BaseException | None = None
    job: JobRecord | None = None
    handled: threading.Event = field(default_factory=threading.Event)


class JobOrchestrator(Generic[V]):
    """Runs the exports of a list of windows.

    Args:
        max_jobs: jobs of ours that may be active at once.
        on_job: receives each job in the caller's thread, before it is followed.
        check: called in the caller's thread between two steps; raises to end the run.
        cancellation: token of these exports; cancelled when they end.
    """

    def __init__(
        self,
        *,
        max_jobs: int,
        on_job: Callable[[JobRecord], None],
        check: Callable[[], None],
        cancellation: CancellationToken,
    ) -> None:
        self._max_ahead = WINDOWS_AHEAD * max_jobs
        self._on_job = on_job
        self._check = check
        self._cancellation = cancellation
        self._messages: queue.SimpleQueue[_Message[V]] = queue.SimpleQueue()
        self._tasks: list[_Task[V]] = []
        self._started = 0
        self._consumed = 0
        self._progress = threading.Condition()

    def announce(self, job: JobRecord) -> None:
        """Pass a job to the caller's thread and wait until it has been handled. Called from a thread of a window."""
        message = _Message[V](job=job)
        self._messages.put(message)
        while not message.handled.wait(_CHECK_SECONDS):
            self._cancellation.check()

    def exports(self, windows: Sequence[Window], runner: WindowRunner[V]) -> Iterator[ExportFile[V]]:
        """Export windows and yield their files in order. A file is closed when the next one is asked for.

        Raises:
            CxoneError: the error that ended the export of a window, after the files of all windows before it.
        """
        self._tasks = [_Task(window) for window in windows]
        threads = [
            threading.Thread(target=self._work, args=(runner,), name=f"export-{number}", daemon=True)
            for number in range(min(self._max_ahead, len(windows)))
        ]
        for thread in threads:
            thread.start()
        try:
            for task in self._tasks:
                for file in self._files(task):
                    try:
                        yield file
                    finally:
                        file.close()
                with self._progress:
                    self._consumed += 1
                    self._progress.notify_all()
        finally:
            self._close(threads)

    def process_messages(self) -> None:
        """Handle what the threads have sent; called by the caller's thread between two writes."""
        self._check()
        while not self._messages.empty():
            self._handle(self._messages.get())

    def _files(self, task: _Task[V]) -> Iterator[ExportFile[V]]:
        while True:
            self.process_messages()
            if task.files:
                yield task.files.popleft()
            elif task.error:
                raise task.error
            elif task.done:
                return
            else:
                try:
                    self._handle(self._messages.get(timeout=_CHECK_SECONDS))
                except queue.Empty:
                    continue

    def _handle(self, message: _Message[V]) -> None:
        if message.job:
            self._on_job(message.job)
            message.handled.set()
        elif message.task and message.file:
            message.task.files.append(message.file)
        elif message.task:
            message.task.error = message.error
            message.task.done = True

    def _close(self, threads: list[threading.Thread]) -> None:
        """End the threads. One that hangs in a request is left behind; it does not keep the process alive."""
        self._cancellation.cancel()
        deadline = time.monotonic() + _JOIN_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        while not self._messages.empty():
            if file := self._messages.get().file:
                file.close()
        for task in self._tasks:
            for file in task.files:
                file.close()

    # --- In the threads -----------------------------------------------------------------------------------------------

    def _work(self, runner: WindowRunner[V]) -> None:
        while task := self._next_task():
            try:
                for file in runner.files(task.window):
                    self._messages.put(_Message(task, file))
            except BaseException as err:  # noqa: BLE001 - raised again in the caller's thread
                self._messages.put(_Message(task, error=err))
            else:
                self._messages.put(_Message(task))

    def _next_task(self) -> _Task[V] | None:
        """Wait until another window may be started; return None if there is none left or the run ends."""
        with self._progress:
            while not self._cancellation.cause and self._started < len(self._tasks):
                if self._started < self._consumed + self._max_ahead:
                    task = self._tasks[self._started]
                    self._started += 1
                    return task
                self._progress.wait(_CHECK_SECONDS)
            return None
