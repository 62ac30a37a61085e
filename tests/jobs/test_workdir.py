"""The work folder: where it is, errors of its disk, and how much lies in it."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tap_cxone.cancellation import CancellationToken
from tap_cxone.errors import DiskError, disk_errors
from tap_cxone.jobs.fetching import FileFetcher, FileStore
from tap_cxone.jobs.model import ExportJob
from tap_cxone.jobs.polling import PollSchedule
from tap_cxone.jobs.slots import JobSlots
from tap_cxone.jobs.workdir import DiskBudget, open_workdir
from tests.conftest import january, wait_until
from tests.jobs.fakes import DAYS, FakeApi, FakeVerified, RecordingListener, a_context

if TYPE_CHECKING:
    from tap_cxone.jobs.model import ExportFile
    from tap_cxone.windows import Window

FIRST, SECOND, THIRD, *_ = DAYS


def test_the_work_folder_is_private_and_removed_at_the_end(tmp_path: Path) -> None:
    with open_workdir(str(tmp_path / "new" / "place")) as folder:
        assert folder.parent == tmp_path / "new" / "place"
        assert folder.stat().st_mode & 0o077 == 0
        (folder / "export").touch()
    assert list(folder.parent.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named_with_its_setting(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(DiskError, match=rf"{file}.*'work_dir'"), open_workdir(str(file / "folder")):
        pass


def abandoned(place: Path) -> Path:
    """Return a folder that a killed run has left."""
    with open_workdir(str(place)) as folder:
        left = shutil.copytree(folder, place / "tap-cxone-left")
    return Path(left)


def sweep(place: Path) -> None:
    with open_workdir(str(place)):
        pass


def test_a_folder_of_a_killed_run_is_removed(tmp_path: Path) -> None:
    folder = abandoned(tmp_path)
    (folder / "export-0").touch()
    sweep(tmp_path)
    assert not folder.exists()


def test_a_folder_that_merely_looks_like_a_work_folder_is_kept(tmp_path: Path) -> None:
    for name in ("tap-cxone-notes", "tap-cxone-other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "lock").touch()
    (tmp_path / "tap-cxone-other" / "tap-cxone-work-folder").write_bytes(b"\xff my notes")
    (tmp_path / "tap-cxone-link").symlink_to(abandoned(tmp_path / "elsewhere"))
    before = sorted(tmp_path.rglob("*"))
    sweep(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_of_another_user_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = abandoned(tmp_path)
    user = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: user + 1)
    sweep(tmp_path)
    assert folder.exists()


def test_a_folder_in_use_is_kept(tmp_path: Path) -> None:
    with open_workdir(str(tmp_path)) as folder:
        sweep(tmp_path)
        assert folder.exists()


@pytest.mark.slow
def test_a_folder_that_is_being_created_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process sweeps just before the lock of the folder is taken."""
    flock = fcntl.flock
    swept = threading.Event()

    def flock_late(descriptor: int, operation: int) -> None:
        if not swept.is_set() and list(tmp_path.glob("*/lock")):  # it is created just before
            swept.set()
            subprocess.run([sys.executable, "-c", SWEEP, str(tmp_path)], check=True, timeout=60)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock_late)
    with open_workdir(str(tmp_path)) as folder:
        assert swept.is_set()
        assert folder.stat().st_mode & 0o077 == 0, "it is not a new folder of that name"


SWEEP = """
import sys
from tap_cxone.jobs.workdir import open_workdir
with open_workdir(sys.argv[1]):
    pass
"""
PROCESSES = 6
STARTS = PROCESSES * 400
START_AND_SWEEP = """
import sys
from tap_cxone.jobs.workdir import open_workdir
for _ in range(int(sys.argv[2])):
    with open_workdir(sys.argv[1]) as folder:
        (folder / "export").write_bytes(b"x")
        assert (folder / "export").read_bytes() == b"x"
"""


@pytest.mark.slow
def test_processes_that_start_at_the_same_time_keep_their_folders(tmp_path: Path) -> None:
    command = [sys.executable, "-c", START_AND_SWEEP, str(tmp_path), str(STARTS // PROCESSES)]
    processes = [subprocess.Popen(command) for _ in range(PROCESSES)]
    assert [process.wait(120) for process in processes] == [0] * PROCESSES
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_disk_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=rf"{tmp_path} .*No space left on device.*'work_dir'"), disk_errors(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_the_budget_applies_to_windows_behind_a_file_that_is_held() -> None:
    budget = DiskBudget(100)
    assert budget.has_room(FIRST)
    budget.hold(SECOND, 99)
    assert budget.has_room(THIRD), "below the limit"
    budget.hold(THIRD, 1)
    assert not budget.has_room(DAYS[3])
    assert budget.has_room(FIRST), "nothing would be emitted otherwise"
    budget.release(SECOND)
    assert budget.has_room(DAYS[3])


def test_a_window_without_room_waits_and_lets_an_earlier_one_pass() -> None:
    allowed = {FIRST}
    slots = JobSlots(1, CancellationToken(), allowed.__contains__)
    passed: list[Window] = []

    def work(window: Window) -> None:
        with slots.acquire(window):
            passed.append(window)

    threads = [threading.Thread(target=work, args=(window,)) for window in (SECOND, FIRST)]
    for thread in threads:
        thread.start()
    wait_until(lambda: passed == [FIRST], "the first window has passed")
    allowed.add(SECOND)
    wait_until(lambda: passed == [FIRST, SECOND], "the second window has passed")
    for thread in threads:
        thread.join()


def test_a_file_is_verified_when_there_is_room_for_it(tmp_path: Path) -> None:
    api, budget = FakeApi(), DiskBudget(5)
    files = FileStore(tmp_path, lambda path: FakeVerified(path.read_bytes() * 3), budget)
    fetcher = FileFetcher(a_context(api, RecordingListener()), files, PollSchedule(5.0))

    fetched: dict[Window, ExportFile[FakeVerified]] = {}

    def fetch(window: Window) -> None:
        fetched[window] = fetcher.fetch(ExportJob(f"{window}", window, january(15)), 1000.0, accept_blank=False)

    fetch(FIRST)
    later = threading.Thread(target=fetch, args=(SECOND,))
    later.start()
    wait_until(lambda: api.calls["download"] == 2, "the second file is downloaded")
    later.join(0.1)
    assert SECOND not in fetched
    fetched[FIRST].close()
    later.join()
    assert fetched[SECOND].verified.size == 6
    assert fetched[FIRST].verified.closed
