"""The command: options, environment variables, exit codes and output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
import time_machine

from tests.report.conftest import SCRIPT, Log, at, report

if TYPE_CHECKING:
    from pathlib import Path


def test_page_is_written_to_the_output(faulty: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert report(faulty).exit_code == 0
    page = (tmp_path / "cxone-report.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert SCRIPT not in page
    assert report(faulty, "--output", "new/folder/page.html").exit_code == 0
    assert (tmp_path / "new/folder/page.html").exists()
    assert report(faulty, environment={"CXONE_REPORT_OUTPUT": "-"}).stdout.startswith("<!DOCTYPE html>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.jsonl", "cxone-report.html", "new"]


def test_a_planted_link_is_not_written_through(faulty: Log, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / f".page.html.{os.getpid()}").symlink_to(victim)
    assert report(faulty, "--output", str(tmp_path / "page.html")).exit_code == 0
    assert victim.read_text() == "precious"
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")


def test_a_page_that_only_its_owner_may_read_stays_so(faulty: Log, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.touch(0o600)
    assert report(faulty, "--output", str(page)).exit_code == 0
    assert page.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("option", ["--json", "--check"])
def test_a_deeply_nested_line_is_skipped(faulty: Log, option: str) -> None:
    options = [option] if option == "--json" else [option, "2024-01-01", "2024-01-02"]
    before = report(faulty, *options)
    faulty.raw(b"[" * 100_000 + b"\n")
    faulty.raw(b'{"event":"window_extracted","logged_at":"2024-03-01","sample":' + b"[" * 100_000 + b"\n")
    after = report(faulty, *options)
    assert after.exit_code == before.exit_code == 0


def test_json_has_the_figures(faulty: Log, tmp_path: Path) -> None:
    content = json.loads(report(faulty, "--json").stdout)
    assert content["totals"]["records"] == 390
    assert content["durations"]["queue"] == {
        "count": 3,
        "median": 2.0,
        "p95": 2.0,
        "longest": 2.0,
        "total": 6.0,
        "percentiles_of_every": 1,
    }
    assert report(faulty, "--json", "--output", str(tmp_path / "f.json")).stdout == ""
    assert json.loads((tmp_path / "f.json").read_text()) == content


def test_json_has_the_deliveries_of_cxone_notify(faulty: Log) -> None:
    content = {entry["receiver"]: entry for entry in json.loads(report(faulty, "--json").stdout)["webhooks"]}
    assert (content["bi"]["delivered"], content["bi"]["due"], content["bi"]["failed"]) == (2, 1, 0)
    assert (content["lake"]["delivered"], content["lake"]["due"], content["lake"]["failed"]) == (0, 2, 1)
    assert content["lake"]["reason"] == "it answered 503"
    of_run = json.loads(report(faulty, "--json", "--from", at(0, 2)).stdout)["webhooks"]
    assert [entry["due"] for entry in of_run] == [0, 0]


@pytest.mark.parametrize(
    ("wanted", "jobs"),
    [("run-1", 3), ("last", 1), ("run-2", 1), ("-2", 1), ("run-10", 1), ("run-3", None), ("run-", None)],
)
def test_run_is_selected_by_the_beginning_or_end_of_its_id(faulty: Log, wanted: str, jobs: int | None) -> None:
    if wanted == "run-10":
        faulty.begin("run-1000", 1, 2, day=3)
        faulty.export("run-1000", "job", 1, 2, day=3)
    result = report(faulty, "--json", "--run", wanted)
    if jobs is None:
        assert result.exit_code == 2
        assert "'--run'" in result.stderr
    else:
        assert json.loads(result.stdout)["export_jobs"]["total"] == jobs


def test_check_passes_a_covered_range(faulty: Log) -> None:
    result = report(faulty, "--check", "2024-01-01", "2024-01-06")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "Covered: 2024-01-01T00:00:00.000Z/2024-01-06T00:00:00.000Z of bot_conversations"
    ]


def test_check_lists_one_gap_per_line(faulty: Log) -> None:
    result = report(faulty, environment={"CXONE_REPORT_CHECK": "2024-01-01 2024-01-12"})
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "bot_conversations 2024-01-06T00:00:00.000Z/2024-01-08T00:00:00.000Z never extracted",
        "bot_conversations 2024-01-11T00:00:00.000Z/2024-01-12T00:00:00.000Z never extracted",
    ]
    content = json.loads(report(faulty, "--json", "--check", "2024-01-05", "2024-01-07").stdout)
    assert not content["covered"]
    assert [gap["dateFrom"] for gap in content["gaps"]] == ["2024-01-06T00:00:00.000Z"]


def test_check_accepts_dates_relative_to_today(log: Log) -> None:
    with time_machine.travel("2024-01-31T22:00:00+00:00", tick=False):
        log.begin("run-1", 1, 30)
        log.export("run-1", "job-1", 1, 30)
        assert report(log, "--check", "today-30", "today-1").exit_code == 0
        late = report(log, "--check", "today-30", "today", "--output", "not-used")
        assert late.stdout == "bot_conversations 2024-01-30T00:00:00.000Z/2024-01-31T00:00:00.000Z never extracted\n"
        assert report(log, "--check", "today-99999999999", "today").exit_code == 2


def test_check_fails_on_too_many_rejected_records(faulty: Log) -> None:
    result = report(faulty, "--check", "2024-01-01", "2024-01-04", "--max-refused", "0.001")
    assert result.exit_code == 1
    assert result.stdout.endswith(" 2 of 303 records refused (0.66%)\n")


def test_check_covers_every_stream_or_the_selected_one(faulty: Log) -> None:
    faulty.begin("run-3", 1, 3, day=3, stream="other")
    options = ("--check", "2024-01-01", "2024-01-02")
    assert report(faulty, *options).stdout.startswith("other ")
    assert report(faulty, *options, "--stream", "bot_conversations").exit_code == 0


@pytest.mark.parametrize("options", [("--json",), ("--check", "2024-01-01", "2024-01-02")], ids=str)
def test_a_stream_that_the_log_does_not_have_is_an_error(faulty: Log, options: tuple[str, ...]) -> None:
    done = report(faulty, *options, "--stream", "bot_conversation")
    assert done.exit_code == 2
    expected = "the audit log has no stream 'bot_conversation': did you mean 'bot_conversations'?"
    assert expected in done.stderr


def test_empty_log_covers_nothing_and_has_a_page(log: Log) -> None:
    assert report(log, "--check", "2024-01-01", "2024-01-02").exit_code == 1
    assert "has no events for this report" in report(log, "--output", "-").stdout


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--check", "2024-01-01", "soon"), "--check"),
        (("--check", "2024-01-02", "2024-01-02"), "--check"),
        (("--from", "yesterday"), "--from"),
        (("--max-refused", "2"), "--max-refused"),
        (("--audit-log-path", "/no/such/file"), "'audit_log_path'"),
        (("--audit-log-path", "/"), "'audit_log_path'"),
        (("--audit-log-path", ""), "'audit_log_path'"),
        (("--output", "/proc/no/such"), "'--output'"),
        (("--output", "/"), "'--output'"),
    ],
)
def test_invalid_options_exit_with_2_and_one_sentence(faulty: Log, options: tuple[str, ...], named: str) -> None:
    result = report(faulty, *options)
    assert result.exit_code == 2
    assert named in result.stderr.splitlines()[-1]
    assert not result.stdout


@pytest.mark.slow
def test_json_and_check_work_without_the_extra(faulty: Log) -> None:
    code = "import sys; sys.modules['matplotlib'] = None; from tap_cxone.report.cli import main; main()"

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, "--audit-log-path", str(faulty.path), *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert run("--json").returncode == 0
    assert run("--check", "2024-01-01", "2024-01-02").returncode == 0
    page = run()
    assert page.returncode == 2
    assert "install the extra 'report' of tap-cxone" in page.stderr
    assert "Traceback" not in page.stderr


@pytest.mark.parametrize(
    "line",
    [
        b'{"a":' * 5000 + b"\n",
        b'{"event":"window_extracted","x":' + b"[" * 5000 + b"\n",
        b'{"event":"export_job_completed","logged_at":"2024-01-01","stream":"s","job_id":"j","seconds":4e14}\n',
        b'{"event":"window_extracted","stream":"s","dateFrom":"0001-01-01T00:00:00+14:00","dateTo":"2024-01-01"}\n',
        b'{"event":"run_started","stream":"s","dateFrom":"2024-01-01","dateTo":"9999-12-31T23:59:59-14:00"}\n',
    ],
)
def test_report_survives_hostile_lines(faulty: Log, line: bytes) -> None:
    faulty.raw(line)
    assert report(faulty, "--json").exit_code == 0
    assert report(faulty, "--output", "-").stdout.startswith("<!DOCTYPE html>")
    assert report(faulty, "--check", "2024-01-01", "2024-01-06", "--stream", "bot_conversations").exit_code == 0


def test_bug_in_the_report_does_not_exit_like_a_gap(faulty: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("tap_cxone.report.cli.read_extractions", fail)
    result = report(faulty, "--check", "2024-01-01", "2024-01-06")
    assert result.exit_code == 2
    assert "ZeroDivisionError" in result.stderr


def test_output_follows_links_and_writes_to_pipes(faulty: Log, tmp_path: Path) -> None:
    page, link, pipe = tmp_path / "page.html", tmp_path / "latest.html", tmp_path / "pipe"
    page.write_text("old")
    link.symlink_to(page)
    assert report(faulty, "--output", str(link)).exit_code == 0
    assert link.is_symlink()
    assert page.read_text().startswith("<!DOCTYPE html>")
    os.mkfifo(pipe)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    assert report(faulty, "--json", "--output", str(pipe)).exit_code == 0
    reader.join(10)
    assert pipe.is_fifo()
    assert json.loads(got[0])["totals"]["records"] == 390


def test_output_variable_does_not_apply_to_json(faulty: Log, tmp_path: Path) -> None:
    page = tmp_path / "mine.html"
    result = report(faulty, "--json", environment={"CXONE_REPORT_OUTPUT": str(page)})
    assert json.loads(result.stdout)["totals"]["records"] == 390
    assert not page.exists()


@pytest.mark.parametrize("share", ["nan", "-1", "2"])
def test_max_refused_is_from_0_to_1(faulty: Log, share: str) -> None:
    assert report(faulty, "--check", "2024-01-01", "2024-01-02", "--max-refused", share).exit_code == 2


def test_check_keeps_the_extraction_that_reached_further(log: Log) -> None:
    for day, bookmark in ((1, "2024-01-01T20:00:00.000Z"), (2, "2024-01-01T08:00:00.000Z")):
        log.begin(f"run-{day}", 1, 2, day=day)
        names = {"stream": "bot_conversations", "run_id": f"run-{day}", "job_id": f"job-{day}", "bookmark": bookmark}
        days = {"dateFrom": "2024-01-01T00:00:00.000Z", "dateTo": "2024-01-02T00:00:00.000Z"}
        log.write("window_extracted", at(5, day), record_count=5, **names, **days)
    assert report(log, "--check", "2024-01-01", "2024-01-01T20:00:00Z").exit_code == 0
    assert report(log, "--check", "2024-01-01", "2024-01-01T20:00:00.001Z").exit_code == 1


def test_stopped_runs_are_not_failed_runs(log: Log) -> None:
    for run, ending in (("run-1", "stopped"), ("run-2", "failed"), ("run-3", None), ("run-4", "stopped")):
        log.begin(run, 1, 2)
        names = {"stream": "bot_conversations", "run_id": run, "reason": "Ended."}
        if run != "run-4":
            log.write("pipeline_error", at(5), **names)
        if ending:
            log.write("run_finished", at(6), exit=ending, **names)
        if run == "run-4":
            log.write("pipeline_error", at(7), **names)
    log.begin("run-5", 1, 2)
    log.write("run_finished", at(6), stream="bot_conversations", run_id="run-5", exit="stopped")
    assert json.loads(report(log, "--json").stdout)["totals"]["errors"] == 2
