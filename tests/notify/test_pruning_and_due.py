"""``cxone-notify prune`` changes nothing that is due, now or later."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

import pytest

from tap_cxone.dates import format_date, utc_now
from tap_cxone.errors import CxoneError
from tap_cxone.notify.pruning import prune
from tap_cxone.notify.receivers import Receiver
from tap_cxone.notify.replacing import replacement
from tap_cxone.observability.audit_files import AuditLogs, file_number, open_audit_logs
from tap_cxone.observability.delivery_ledger import read_ledger
from tests.conftest import january
from tests.notify.conftest import Log

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tap_cxone.observability.delivery_ledger import Ledger

LONG_AGO = format_date(january(1))


def due(path: Path) -> list[str]:
    """Return the jobs of the windows that are due to the receiver ``bi``."""
    with path.open("rb") as file:
        return [window.job_id for window in read_ledger(AuditLogs([file])).due("bi")]


BI = Receiver("bi", "bi.example.com", "https://bi.example.com")


def test_window_that_was_replaced_is_not_due_after_a_prune(tmp_path: Path) -> None:
    log = Log(tmp_path / "audit.jsonl")
    for run in ("failed", "again"):
        log.write("run_started", stream="bot_conversations", run_id=run, bookmark=None, logged_at=LONG_AGO)
        log.extract(run, 1, 11, run_id=run, logged_at=LONG_AGO)
    log.write("load_confirmed", run_id="again", logged_at=LONG_AGO)
    dates = {"dateFrom": format_date(january(1)), "dateTo": format_date(january(11)), "logged_at": LONG_AGO}
    log.write("webhook_sync_success", stream="bot_conversations", job_id="again", receiver="bi", **dates)
    prune([log.path], [BI], utc_now())
    log.begin("next", 11)
    assert due(log.path) == []


def test_window_is_kept_until_the_load_of_the_one_that_covers_it_is_known(tmp_path: Path) -> None:
    log = Log(tmp_path / "audit.jsonl")
    for run in ("loaded", "failed"):
        log.write("run_started", stream="bot_conversations", run_id=run, bookmark=None, logged_at=LONG_AGO)
        log.extract(run, 1, 11, run_id=run, logged_at=LONG_AGO)
        if run == "loaded":
            log.write("load_confirmed", run_id=run, logged_at=LONG_AGO)
    assert due(log.path) == ["failed"], "a sender would vouch for the last run"
    prune([log.path], [BI], utc_now())
    log.begin("next", None)
    assert due(log.path) == ["loaded"]


def test_prune_that_ends_after_some_of_the_files_makes_nothing_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window is in an older file than its delivery, and than the window that replaces another one."""
    older, newer = Log(tmp_path / "moved.jsonl"), Log(tmp_path / "audit.jsonl")
    older.extract("replaced", 1, 11, logged_at="2024-01-01T00:00:00.000Z")
    older.extract("delivered", 11, 21, logged_at="2024-01-02T00:00:00.000Z")
    newer.extract("again", 1, 11, logged_at="2024-01-03T00:00:00.000Z")
    for job, start in (("delivered", 11), ("again", 1)):
        dates = {"dateFrom": format_date(january(start)), "dateTo": format_date(january(start + 10))}
        names = {"stream": "bot_conversations", "job_id": job, "receiver": "bi"}
        newer.write("webhook_sync_success", **names, **dates, logged_at="2024-01-04T00:00:00.000Z")
    paths = [newer.path, older.path]

    def replace(path: Path, reading: BinaryIO) -> AbstractContextManager[BinaryIO]:
        monkeypatch.setattr("tap_cxone.notify.pruning.replacement", no_space)
        return replacement(path, reading)

    def no_space(*_: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tap_cxone.notify.pruning.replacement", replace)
    with pytest.raises(CxoneError, match="No space"):
        prune(paths, [BI], utc_now())
    assert not older.path.read_bytes()
    assert len(newer.lines) == 6
    with open_audit_logs(paths) as logs:
        assert read_ledger(logs).due("bi") == []


class Life:
    """Months in the life of two logs with the same events, of which one is pruned: runs, loads, deliveries, failures.

    Args:
        folder: an empty folder.
        seed: determines what happens.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._random = random.Random(seed)
        self._folders = [folder / "whole", folder / "pruned"]
        self._files = range(self._random.choice([1, 1, 2, 3]))
        self._labels: list[dict[str, str]] = self._random.choice(
            [[{}], [{"tenant": "a", "host": "h"}], [{}, {"tenant": "b", "host": "h"}]]
        )
        self._hours = 0.0
        self._runs: list[tuple[float, int, dict[str, Any]]] = []
        self._jobs: list[tuple[float, int, dict[str, Any]]] = []
        for path in (Path(f"{file}.jsonl") for file in self._files):
            for logs in self._folders:
                logs.mkdir(parents=True, exist_ok=True)
                (logs / path).touch()

    def ledger(self, folder: int) -> Ledger:
        with open_audit_logs(sorted(self._folders[folder].glob("*.jsonl"))) as logs:
            return read_ledger(logs)

    def due(self, folder: int) -> list[str]:
        return [window.webhook_id for window in self.ledger(folder).due("bi")]

    def prune(self) -> None:
        """Prune one of the logs as if today were the day of its last event."""
        oldest = january(1) + timedelta(hours=self._hours - self._random.choice([24, 48, 200]))
        prune(sorted(self._folders[1].glob("*.jsonl")), [BI], oldest)

    def go_on(self) -> None:
        self._hours += self._random.choice([1, 5, 20])
        # Neither does a run last longer than what is kept, nor is an older job extracted again.
        runs, jobs = self._recent(self._runs), self._recent(self._jobs)
        choice = self._random.random()
        if choice < 0.3 or not runs:
            self._begin()
        elif choice < 0.65:
            self._extract(*self._random.choice(runs), jobs)
        elif choice < 0.72:
            file, names = self._random.choice(runs)
            self._write(file, "load_confirmed", run_id=names["run_id"])
        else:
            self._send()

    def _recent(self, items: list[tuple[float, int, dict[str, Any]]]) -> list[tuple[int, dict[str, Any]]]:
        return [(file, names) for hours, file, names in items if hours > self._hours - 24]

    def _begin(self) -> None:
        file, run = self._random.choice(self._files), f"run-{len(self._runs)}"
        names = {"stream": self._random.choice(["s", "t"]), "run_id": run, **self._random.choice(self._labels)}
        bookmark = self._random.choice([None, format_date(january(self._random.randint(1, 12)))])
        self._write(file, "run_started", bookmark=bookmark, **names)
        self._runs.append((self._hours, file, names))

    def _extract(self, file: int, names: dict[str, Any], jobs: list[tuple[int, dict[str, Any]]]) -> None:
        again = [job for job in jobs if all(job[1].get(key) == names.get(key) for key in ("stream", "tenant"))]
        if again and self._random.random() < 0.3:
            file, job = self._random.choice(again)
        else:
            start = self._random.randint(1, 10)
            dates = [format_date(january(day)) for day in (start, start + self._random.randint(1, 4))]
            job = names | {"job_id": f"job-{len(self._jobs)}", "dateFrom": dates[0], "dateTo": dates[1]}
            self._jobs.append((self._hours, file, job))
        self._write(file, "window_extracted", **(job | names))

    def _send(self) -> None:
        ledger = self.ledger(0)
        for run, file in ledger.unconfirmed.items():
            self._write(file, "load_confirmed", run_id=run)
        for window in ledger.due("bi"):
            event = self._random.choice(["webhook_sync_success", "webhook_sync_success", "webhook_sync_failure", None])
            if event:
                labels = {"tenant": window.label, "platform_host": window.host} if window.label else {}
                dates = {"dateFrom": format_date(window.start), "dateTo": format_date(window.end)}
                names = {"stream": window.stream, "job_id": window.job_id, "webhook_id": window.webhook_id}
                self._write(file_number(window.offset), event, receiver="bi", **names, **dates, **labels)
                self._hours += 0.001

    def _write(self, file: int, event: str, **fields: Any) -> None:
        line = {"event": event, "logged_at": format_date(january(1) + timedelta(hours=self._hours)), **fields}
        for folder in self._folders:
            with (folder / f"{file}.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")


@pytest.mark.parametrize("seeds", [range(10), range(10, 20), range(20, 30), range(30, 40)], ids=str)
def test_prune_never_changes_what_is_due(tmp_path: Path, seeds: range) -> None:
    for seed in seeds:
        life = Life(tmp_path / str(seed), seed)
        for step in range(40):
            life.go_on()
            if step % 10 == 9:
                life.prune()
            assert life.due(1) == life.due(0), f"seed {seed}, step {step}"
