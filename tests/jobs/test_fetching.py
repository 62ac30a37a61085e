"""FileFetcher: downloads that are damaged, empty, gone or not ours."""

from __future__ import annotations

import io
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from tap_cxone.dates import utc_now
from tap_cxone.errors import CorruptExportError, DiskError, ExportFailedError, UnfitExportError
from tap_cxone.jobs.fetching import FETCH_ATTEMPTS, FileFetcher, FileStore
from tap_cxone.jobs.model import ExportFile, ExportJob, JobFailedError, JobGoneError
from tap_cxone.jobs.polling import PollSchedule
from tap_cxone.jobs.workdir import DiskBudget
from tests.jobs.fakes import DAYS, FakeApi, FakeVerified, RecordingListener, a_context

if TYPE_CHECKING:
    from pathlib import Path

JOB = ExportJob("job", DAYS[0], utc_now())
BOM = b"\xef\xbb\xbf"


class Fetching:
    """A FileFetcher with fakes. Content that starts with "damaged" or "unfit" fails the verification."""

    def __init__(self, folder: Path, *downloads: bytes | Exception, limit: int = 1 << 30) -> None:
        self.api = FakeApi()
        self.api.downloads["job"] = deque(downloads)
        self.folder = folder
        self.paths: set[Path] = set()
        self.listener = RecordingListener()
        context = a_context(self.api, self.listener)
        self.fetcher = FileFetcher(context, FileStore(folder, self.verify, DiskBudget(limit)), PollSchedule(5.0))

    def verify(self, path: Path) -> FakeVerified:
        self.paths.add(path)
        content = path.read_bytes()
        if content.startswith(b"damaged"):
            msg = "the file is cut off"
            raise CorruptExportError(msg)
        if content.startswith(b"unfit"):
            msg = "the file has no column for the key"
            raise UnfitExportError(msg)
        return FakeVerified(content)

    def fetch(self, *, accept_blank: bool = False, job: ExportJob = JOB) -> ExportFile[FakeVerified]:
        return self.fetcher.fetch(job, 1000.0, accept_blank=accept_blank)


def test_a_verified_file_is_returned_with_its_size(tmp_path: Path) -> None:
    fetching = Fetching(tmp_path, b"content")
    file = fetching.fetch()
    assert (file.job, file.size, file.verified.content) == (JOB, 7, b"content")
    assert list(tmp_path.iterdir()) == []
    assert fetching.listener.named("downloaded") == [("job", 1)]


def test_a_damaged_file_is_downloaded_again_and_removed(tmp_path: Path) -> None:
    fetching = Fetching(tmp_path, b"damaged", b"damaged", b"whole")
    file = fetching.fetch()
    assert file.verified.content == b"whole"
    assert list(tmp_path.iterdir()) == []
    assert fetching.listener.named("downloaded") == [("job", 3)]


def test_a_file_that_stays_damaged_fails_the_job(tmp_path: Path) -> None:
    fetching = Fetching(tmp_path, *[b"damaged"] * 9)
    with pytest.raises(JobFailedError, match="cut off"):
        fetching.fetch()
    assert fetching.api.calls["download"] == FETCH_ATTEMPTS
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_stream_ends_the_run_with_what_to_change(tmp_path: Path) -> None:
    with pytest.raises(ExportFailedError, match=rf"{DAYS[0]} of events .*job job.*no column for the key"):
        Fetching(tmp_path, *[b"unfit"] * 9).fetch()


def test_a_file_that_is_gone_fails_the_job_at_once(tmp_path: Path) -> None:
    fetching = Fetching(tmp_path, JobGoneError())
    with pytest.raises(JobFailedError, match="does not have its file any more"):
        fetching.fetch()
    assert fetching.api.calls["download"] == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("empty", [b"", b"\r\n"])
def test_a_blank_file_is_only_accepted_at_the_last_download(tmp_path: Path, empty: bytes) -> None:
    with pytest.raises(JobFailedError, match="empty"):
        Fetching(tmp_path, *[empty] * FETCH_ATTEMPTS).fetch()
    fetching = Fetching(tmp_path, *[empty] * FETCH_ATTEMPTS)
    assert fetching.fetch(accept_blank=True).size == len(empty)
    assert fetching.api.calls["download"] == FETCH_ATTEMPTS


def test_files_of_many_threads_have_unique_names(tmp_path: Path) -> None:
    fetching = Fetching(tmp_path)
    jobs = [ExportJob(f"job-{number}", DAYS[number % len(DAYS)], utc_now()) for number in range(100)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda job: fetching.fetch(job=job), jobs))
    assert len(fetching.paths) == 100


def test_a_download_beyond_the_limit_ends_the_run_at_once(tmp_path: Path) -> None:
    fetching = Fetching(tmp_path, b"x" * (1 << 20) + b"x", limit=1 << 20)
    with pytest.raises(ExportFailedError, match=r"longer than 1 MiB \('work_dir_max_mib'\): raise that setting, or"):
        fetching.fetch()
    assert fetching.api.calls["download"] == 1
    assert list(tmp_path.iterdir()) == []
    assert Fetching(tmp_path, b"x" * (1 << 20), limit=1 << 20).fetch().size == 1 << 20


def test_a_disk_that_is_full_when_the_file_is_closed(tmp_path: Path) -> None:
    fetching = Fetching(tmp_path, b"content")
    full = io.FileIO("/dev/full", "w")
    with (
        mock.patch("tap_cxone.jobs.fetching.io.FileIO", return_value=full),
        pytest.raises(DiskError, match=r"No space left on device.*'work_dir'"),
    ):
        fetching.fetch()
