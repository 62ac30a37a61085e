"""What a user sees of a run: a live display, plain log lines or structured ones. Standard output is only Singer."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.sandbox import Fault
from tests.conftest import config_for, read_lines, wait_until
from tests.end_to_end.helpers import QUESTIONS, RECORDINGS, SHUTDOWN_SECONDS, WORKFLOWS, catalog_for, extraction_config

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartSandbox, Tap

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CURSOR_SHOWN, CURSOR_HIDDEN = "\x1b[?25h", "\x1b[?25l"


class Terminal:
    """A tap process with a terminal as standard error and a file as standard output."""

    def __init__(
        self, tap: Tap, config: dict[str, Any], *options: str, columns: int = 160, files: Any = None, **environment: str
    ) -> None:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.output_path = tap.folder / "out"
        with self.output_path.open("wb") as out:
            self.process = subprocess.Popen(
                tap.command(config, *options, **(files or {})),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=slave,
                cwd=tap.folder,
                env=os.environ | {"TERM": "xterm", "COLUMNS": str(columns)} | environment,
            )
        os.close(slave)
        self.shown = b""
        self._reader = threading.Thread(target=self._read, args=(master,))
        self._reader.start()

    def _read(self, master: int) -> None:
        try:
            while data := os.read(master, 1 << 16):
                self.shown += data
        except OSError:  # the other end is closed
            pass
        finally:
            os.close(master)

    def finish(self) -> tuple[int, str]:
        """Wait until the tap ends; return its exit code and everything that it wrote to the terminal."""
        code = self.process.wait(60)
        self._reader.join()
        return code, self.shown.decode()

    def display_lines(self) -> list[str]:
        """Wait until the tap ends; return all lines of and above the display, each time that it wrote them."""
        _, text = self.finish()
        display = text[text.index(CURSOR_HIDDEN) : text.rindex(CURSOR_SHOWN)]
        return [line.rstrip() for line in re.split(r"[\r\n]+", ESCAPES.sub("", display))]

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text in ESCAPES.sub("", self.shown.decode(errors="ignore")), f"the terminal shows {text!r}")


def test_a_terminal_shows_progress_and_a_summary(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(job_seconds=0.6, queue_seconds=0.3, faults=(Fault("status", "429", times=1, after=6),))
    terminal = Terminal(tap, config_for(sandbox, window_days=1))
    code, text = terminal.finish()
    assert code == 0
    plain = ESCAPES.sub("", text)
    assert re.search(r"windows: [1-9] done, \d running, \d waiting; \d+ records; [\d.]+ (B|KiB); \d+/s", plain)
    assert re.search(r"about [\d.]+ (s|ms) left", plain)
    assert re.search(r"  2024-01-0\d/01-\d\d\s+[\d.]+ m?s\s+queued", plain)
    assert re.search(r"call 'status' waits until \d\d:\d\d:\d\dZ \(429 Too Many Requests\)", plain)
    assert "Summary: 10 of 10 windows, 240 records" in plain
    assert "export_job_created" not in plain, "what the display shows is not logged too"
    assert text.rindex(CURSOR_SHOWN) > text.rindex(CURSOR_HIDDEN), "the cursor is visible again"
    lines = [json.loads(line) for line in terminal.output_path.read_text().splitlines()]
    assert sum(line["type"] == "RECORD" for line in lines) == 240


def test_failures_and_splits_are_shown_as_they_happen_in_80_columns(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(
        fail_longer_than_hours=24,
        job_seconds=0.4,
        bad_records=0.1,
        faults=(Fault("status", "503", times=2), Fault("download", "truncated", times=1)),
    )
    display = Terminal(tap, config_for(sandbox, window_days=2, end_date="2024-01-05"), columns=80).display_lines()
    assert max(map(len, display)) <= 80
    above = [line for line in display if re.match(r"\d\d:\d\d:\d\dZ ", line)]
    for window in ("2024-01-01/01-03", "2024-01-03/01-05"):
        assert sum(f"Z {window} job failed: " in line for line in above) == 2, "two jobs before it is split"
        assert sum(line.endswith(f"Z {window} is split into halves") for line in above) == 1
    assert sum("download 1 of 3" in line for line in above) == 1
    rejected = [line for line in above if " record rejected: " in line]
    assert len(rejected) >= 4
    assert len(above) == 4 + 2 + 1 + len(rejected), "one line each"
    assert not [line for line in above if "trying again" in line], "the display shows it"
    shown = "\n".join(display)
    for part in (
        r"jobs: [1-4] of \d failed",
        r"records: \d+ rejected",
        r"call 'status' waits until \d\d:\d\d:\d\dZ \(503 Service Unavailable\)",
        r"repeated requests: 2",
        r"  2024-01-01/01-02 ",
    ):
        assert re.search(part, shown), part


def test_every_stream_name_and_wait_fits_into_80_columns(start_sandbox: StartSandbox, tap: Tap) -> None:
    sandbox = start_sandbox(submit_seconds=3, rows_per_day=12, fail_first=1)
    config = extraction_config(sandbox, submit_interval=3, extraction_window_days=1)
    display = Terminal(tap, config, columns=80, files={"catalog": catalog_for(RECORDINGS, WORKFLOWS)}).display_lines()
    assert max(map(len, display)) <= 80
    assert any("waiting for submit_interval until " in line for line in display)
    assert sum("job failed: " in line for line in display) == 1
    assert any(line.startswith(RECORDINGS) and line.endswith(" left") for line in display)


def test_an_error_is_printed_below_the_display(start_sandbox: StartSandbox, tap: Tap) -> None:
    code, text = Terminal(tap, config_for(start_sandbox(fail_all=True), window_days=1, end_date="2024-01-02")).finish()
    assert code == 5
    assert text.rindex(CURSOR_SHOWN) > text.rindex(CURSOR_HIDDEN)
    plain = ESCAPES.sub("", text)
    assert plain.rindex("could not be exported") > plain.rindex("Summary: 0 of 1 windows")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_restores_the_terminal(start_sandbox: StartSandbox, tap: Tap, number: int) -> None:
    terminal = Terminal(tap, config_for(start_sandbox(job_seconds=60)))
    terminal.wait_for("windows: 0 done, 3 running, 1 waiting")
    terminal.process.send_signal(number)
    code, text = terminal.finish()
    assert code == 128 + number
    assert text.rindex(CURSOR_SHOWN) > text.rindex(CURSOR_HIDDEN)


def test_without_a_terminal_the_log_has_plain_lines_and_metrics(
    start_sandbox: StartSandbox, tap: Tap, tmp_path: Path
) -> None:
    audit = tmp_path / "audit.jsonl"
    sandbox = start_sandbox(bad_records=0.1, repeated_records=0.1, faults=(Fault("status", "503", times=2),))
    run = tap(config_for(sandbox, audit_log_path=str(audit)))
    assert "\x1b" not in run.log
    [summary] = [line for line in run.log.splitlines() if "Summary:" in line]
    finished = read_lines(audit)[-2]
    for part in (
        f"4 of 4 windows, {len(run.records)} records, ",
        f"{finished['duplicates']} duplicates, {finished['refused']} rejected",
        "4 jobs, 0 failed",
        f"{len(sandbox.requests)} requests, 2 retries, 0 waits for rate limits",
        "bookmarks: bot_conversations 2024-01-11T00:00:00.000Z",
    ):
        assert part in summary
    metrics = [json.loads(line.partition("METRIC: ")[2]) for line in run.log.splitlines() if "METRIC: " in line]
    durations = [point for point in metrics if point["metric"] == "job_duration"]
    assert len(durations) == 4
    assert all(0 < point["value"] < 60 and point["tags"]["stream"] == "bot_conversations" for point in durations)
    counts = {point["metric"]: point["value"] for point in metrics if point["type"] == "counter"}
    assert counts["refused_record_count"] == finished["refused"] > 0
    assert counts["repeated_record_count"] == finished["duplicates"] > 0
    retried = [event for event in read_lines(audit) if event["event"] == "request_retried"]
    assert [(event["call"], event["reason"]) for event in retried] == [("status", "503 Service Unavailable")] * 2


def test_structured_log_lines_have_figures_as_fields(start_sandbox: StartSandbox, tap: Tap, tmp_path: Path) -> None:
    settings = tmp_path / "logging.yaml"
    settings.write_text(
        """
        version: 1
        disable_existing_loggers: false
        formatters: {structured: {(): singer_sdk.logging.StructuredFormatter}}
        handlers:
          lines: {class: logging.StreamHandler, formatter: structured, stream: ext://sys.stderr}
        root: {level: INFO, handlers: [lines]}
        """
    )
    run = tap(config_for(start_sandbox()), environment={"SINGER_SDK_LOG_CONFIG": str(settings)})
    lines = [json.loads(line) for line in run.log.splitlines() if line.startswith("{")]
    by_message = {line["message"].partition(" ")[0]: line["extra"] for line in lines}
    assert any("4 of 4 windows" in line["message"] for line in lines), "the message has them too"
    assert by_message["export_job_created"].keys() >= {"stream", "job_id", "dateFrom", "dateTo", "run_id"}
    assert by_message["window_extracted"]["record_count"] > 0
    assert "sample" not in by_message["window_extracted"]
    assert by_message["Summary:"]["windows_done"] == 4
    assert by_message["Summary:"]["records"] == len(run.records)


def test_a_dumb_terminal_gets_plain_lines(start_sandbox: StartSandbox, tap: Tap) -> None:
    terminal = Terminal(tap, config_for(start_sandbox()), TERM="dumb")
    code, text = terminal.finish()
    assert code == 0
    assert "export_job_created" in text
    assert CURSOR_HIDDEN not in text


def test_a_terminal_shows_the_wait_for_the_next_create(tap: Tap) -> None:
    config = {
        "sandbox": True,
        "auth_method": "access_key",
        "start_date": "2024-01-01",
        "end_date": "2024-01-03",
        "submit_interval": 4,
        "poll_interval": 1,
    }
    terminal = Terminal(tap, config, "--test")
    terminal.wait_for("waiting for submit_interval until ")
    terminal.process.terminate()
    terminal.finish()


def test_a_failing_stream_map_is_audited_as_a_failure(start_sandbox: StartSandbox, tap: Tap, tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    maps = {"bot_conversations": {"x": "1/0"}}
    run = tap(config_for(start_sandbox(), audit_log_path=str(audit), stream_maps=maps))
    assert run.code == 2
    *_, failure, finished, _ = read_lines(audit)
    assert (failure["event"], finished["event"]) == ("pipeline_error", "run_finished")
    assert finished["exit"] == "failed"
    assert finished["reason"] == failure["reason"]
    assert "Summary: 0 of 4 windows" in run.log


def test_a_signal_is_reported_although_the_target_does_not_read(
    start_sandbox: StartSandbox, tap: Tap, tmp_path: Path
) -> None:
    audit = tmp_path / "audit.jsonl"
    config = config_for(start_sandbox(events_per_day=5000), audit_log_path=str(audit))
    running = tap.start(config)
    running.wait_until_output_is_full()
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(SHUTDOWN_SECONDS) == 143
    assert "Summary: 0 of 4 windows" in running.log
    finished = read_lines(audit)[-2]
    assert (finished["event"], finished["exit"]) == ("run_finished", "stopped")
    assert "SIGTERM" in finished["reason"]


def test_each_stream_counts_only_its_own_requests(tap: Tap, tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    config = {"sandbox": True, "auth_method": "access_key", "start_date": "2024-01-01", "end_date": "2024-01-02"}
    catalog = catalog_for("bot_conversations", RECORDINGS, WORKFLOWS, QUESTIONS)
    config |= {"submit_interval": 0, "poll_interval": 1, "audit_log_path": str(audit)}
    run = tap(config, catalog=catalog)
    assert run.code == 0
    finished = [event for event in read_lines(audit) if event["event"] == "run_finished"]
    assert len(finished) == 4
    assert run.log.count("Summary:") == 1
    assert max(event["requests"] for event in finished) <= 8, "requests of other streams are not counted"
