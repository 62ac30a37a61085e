"""Fakes for the unit tests of the job code: a clock without waiting, a scripted API, a recording listener."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import replace
from datetime import timedelta
from typing import IO, TYPE_CHECKING, Any

from tap_cxone.cancellation import CancellationToken
from tap_cxone.dates import utc_now
from tap_cxone.jobs.context import JobContext, JobPolicy
from tap_cxone.jobs.fetching import FileStore
from tap_cxone.jobs.journal import JobRecord, Journal
from tap_cxone.jobs.model import ActiveExport, JobState, JobStatus
from tap_cxone.jobs.store import JobStore
from tap_cxone.jobs.workdir import DiskBudget
from tap_cxone.windows import Window
from tests.conftest import january

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

DAYS = [Window(january(day), january(day + 1)) for day in range(1, 15)]
"""Windows of one day, from January 1st on."""
SETTLE = timedelta(minutes=30)
COMPLETED, FAILED, GONE = (JobStatus(state) for state in (JobState.COMPLETED, JobState.FAILED, JobState.GONE))
QUEUED, RUNNING = JobStatus(JobState.QUEUED), JobStatus(JobState.RUNNING)


class FakeClock:
    """A monotonic clock that only advances in ``sleep``, which does not wait."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float, /) -> None:
        self.seconds += seconds


class FakeVerified:
    """The result of a verification; records whether it was closed."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.closed = False
        self.is_blank = not content.strip()

    @property
    def size(self) -> int:
        return len(self.content)

    def close(self) -> None:
        self.closed = True


class FakeApi:
    """A platform with scripted responses; by default every job succeeds at once.

    Attributes:
        statuses: results of status calls by job id, in order; afterwards the job is completed.
        downloads: contents of downloads by job id, in order (an exception is raised); afterwards ``b"[]"``.
        creates: results of create calls, in order (an exception is raised); afterwards the next new id.
        active: results of list calls, in order; the last one is repeated.
        fail_longer_than: jobs of longer windows fail.
        throttle_seconds: results of ``seconds_until_create``, in order; afterwards 0.
    """

    surface = "analytics"
    max_active = 3
    format = "json"
    compression: str | None = "gzip"
    granularity = timedelta(milliseconds=1)
    min_window = timedelta(hours=1)
    min_poll_seconds = 0.2

    def __init__(self) -> None:
        self.statuses: dict[str, deque[JobStatus]] = {}
        self.downloads: dict[str, deque[bytes | Exception]] = {}
        self.creates: deque[str | Exception] = deque()
        self.active: deque[list[ActiveExport]] = deque([[]])
        self.fail_longer_than: timedelta | None = None
        self.throttle_seconds: deque[float] = deque()
        self.created: list[Window] = []
        self.calls: Counter[str] = Counter()
        self.matching: set[str] = set()

    def seconds_until_create(self) -> float:
        return self.throttle_seconds.popleft() if self.throttle_seconds else 0.0

    def record_create(self, at: datetime) -> None:  # noqa: ARG002
        self.calls["record_create"] += 1

    def list_active(self) -> list[ActiveExport]:
        self.calls["list"] += 1
        return self.active.popleft() if len(self.active) > 1 else self.active[0]

    def create(self, window: Window) -> str:
        self.calls["create"] += 1
        if self.creates and isinstance(result := self.creates.popleft(), Exception):
            raise result
        self.created.append(window)
        job_id = f"job-{len(self.created)}"
        if self.fail_longer_than is not None and window.end - window.start > self.fail_longer_than:
            self.statuses[job_id] = deque([FAILED])
        return job_id

    def matches_query(self, export: ActiveExport, window: Window) -> bool:  # noqa: ARG002
        return export.job_id in self.matching

    def fingerprint(self, window: Window) -> str:
        return f"fingerprint of {window}"

    def status(self, job_id: str) -> JobStatus:
        self.calls["status"] += 1
        left = self.statuses.get(job_id)
        return left.popleft() if left else COMPLETED

    def download(self, job_id: str, file: IO[bytes]) -> int:
        self.calls["download"] += 1
        left = self.downloads.get(job_id)
        content = left.popleft() if left else b"[]"
        if isinstance(content, Exception):
            raise content
        return file.write(content)


class RecordingListener:
    """Records the events of the job code as tuples: name, window or job id, details."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def named(self, name: str) -> list[tuple[Any, ...]]:
        return [event[1:] for event in self.events if event[0] == name]

    def waiting_for_slot(self, window: Window) -> None:
        self.events.append(("waiting_for_slot", window))

    def waiting(self, window: Window, reason: str) -> None:
        self.events.append(("waiting", window, reason))

    def job_created(self, job: Any, latency_ms: int | None) -> None:
        self.events.append(("created", job.job_id, latency_ms))

    def polling(self, job: Any, state: JobState | None) -> None:
        self.events.append(("polling", job.job_id, state))

    def job_completed(self, job: Any, seconds: float, queue_seconds: float | None) -> None:
        self.events.append(("completed", job.job_id, seconds, queue_seconds))

    def job_failed(self, job: Any, reason: str) -> None:
        self.events.append(("failed", job.job_id, reason))

    def downloading(self, job: Any) -> None:
        self.events.append(("downloading", job.job_id))

    def downloaded(self, file: Any, seconds: float, attempts: int) -> None:  # noqa: ARG002
        self.events.append(("downloaded", file.job.job_id, attempts))

    def window_left(self, window: Window) -> None:
        self.events.append(("left", window))


def a_context(api: FakeApi, listener: RecordingListener, clock: FakeClock | None = None, **limits: Any) -> JobContext:
    policy = replace(JobPolicy("events", max_jobs=3, poll_seconds=5.0, timeout_seconds=60.0), **limits)
    return JobContext(api, policy, listener, CancellationToken(clock=clock or FakeClock()))


def a_record(job_id: str | None, window: Window, api: FakeApi | None = None, **changes: Any) -> JobRecord:
    """Return a record of a job of an earlier run that fits the query of the API."""
    return replace(JobRecord(job_id, window, (api or FakeApi()).fingerprint(window), utc_now()), **changes)


def a_store(
    api: FakeApi,
    records: Sequence[JobRecord] = (),
    *,
    path: Path | None = None,
    announce: Callable[[JobRecord], None] = lambda _: None,
    end: datetime | None = None,
) -> JobStore:
    journal = Journal(str(path) if path else None, "scope", SETTLE)
    return JobStore(journal, records, api.fingerprint, announce, settle=SETTLE, end=end or january(31))


def a_file_store(folder: Path) -> FileStore[FakeVerified]:
    return FileStore(folder, lambda path: FakeVerified(path.read_bytes()), DiskBudget(1 << 30))
