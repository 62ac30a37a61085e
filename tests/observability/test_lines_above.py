"""Log lines above the live display."""

from __future__ import annotations

import io
import logging
import sys
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from tap_cxone.observability.audit_log import AuditLog
from tap_cxone.observability.events import EventName
from tap_cxone.observability.lines_above import LinesAbove

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WINDOW: dict[str, Any] = {"dateFrom": "2024-01-01T00:00:00.000Z", "dateTo": "2024-01-01T12:00:00.000Z"}


@pytest.fixture
def shown() -> Iterator[Callable[[], list[str]]]:
    """Return what the console shows while log lines appear above a display of 80 columns."""
    root, level = logging.getLogger(), logging.getLogger().level
    handler = logging.StreamHandler(sys.stderr)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    console = Console(file=io.StringIO(), width=80)
    lines = LinesAbove(console)
    lines.start()
    assert handler not in root.handlers

    def without_times() -> list[str]:
        assert isinstance(console.file, io.StringIO)
        return [line.partition("Z ")[2] for line in console.file.getvalue().splitlines()]

    yield without_times
    lines.stop()
    assert handler in root.handlers
    root.removeHandler(handler)
    root.setLevel(level)


def test_warning_is_one_line(shown: Callable[[], list[str]]) -> None:
    logging.getLogger("tap-cxone").warning("%s", "a long warning\n" * 10)
    [line] = shown()
    assert line.startswith("a long warning a long warning")
    assert line.endswith("…")
    assert len(line) + len("12:00:00Z ") <= 80


def test_error_is_whole(shown: Callable[[], list[str]]) -> None:
    text = "words of an error that has to be read to its end " * 4
    logging.getLogger("tap-cxone").error("%s", text)
    assert len(shown()) == 3


def test_failure_is_short(shown: Callable[[], list[str]]) -> None:
    log = AuditLog()
    log.event(EventName.EXPORT_JOB_FAILED, stream="s", run_id="r", job_id="j" * 36, **WINDOW, reason="out of memory")
    log.event(EventName.SCHEMA_VALIDATION_FAILURE, stream="s", job_id="j", **WINDOW, record_id="secret", reason="odd")
    assert shown() == [
        "2024-01-01T00:00/12:00 job failed: out of memory",
        "2024-01-01T00:00/12:00 record rejected: odd",
    ]


@pytest.mark.parametrize(
    ("name", "level", "is_shown"),
    [
        ("tap-cxone", logging.INFO, False),
        ("tap-cxone.audit", logging.INFO, False),
        ("singer_sdk.metrics", logging.INFO, False),
        ("tap-cxone.retry", logging.WARNING, False),
        ("tap-cxone.retry", logging.ERROR, True),
        ("tap-cxone", logging.WARNING, True),
        ("another", logging.INFO, True),
    ],
)
def test_what_the_display_shows_is_not_repeated(
    shown: Callable[[], list[str]], name: str, level: int, *, is_shown: bool
) -> None:
    logging.getLogger(name).log(level, "a line")
    assert len(shown()) == is_shown
