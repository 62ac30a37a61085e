"""Files that are not exports, on both APIs: how many jobs and downloads they cost, and that the bookmark stays."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.end_to_end.helpers import RECORDINGS, bookmark_of, catalog_for
from tests.http_server import HttpServer, json_response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Run, Tap
    from tests.http_server import Request, Response

FIELDS = "id,type,dateFrom,dateTo,botId,agentId,duration\n"
COLUMNS = "Segment ID,Start Date,ANI\n"
ANALYTICS, EXTRACTION = "bot_conversations", RECORDINGS
DOWNLOADS = 3
"""Downloads of one file before it counts as unusable."""


class Platform:
    """Both export APIs. Every job is completed at once. The files of the jobs are given; the last one is repeated."""

    def __init__(self) -> None:
        self.files: list[list[bytes]] = []
        self.jobs = 0
        self.downloads: list[int] = []
        self._lock = threading.Lock()
        self.server = HttpServer(self._respond)

    def _respond(self, request: Request) -> Response:
        with self._lock:
            if "token" in request.path:
                return json_response({"access_token": "token", "token_type": "Bearer", "expires_in": 3600})
            if request.method == "POST":
                self.jobs += 1
                is_extraction = "data-extraction" in request.path
                return json_response(str(self.jobs), 202) if is_extraction else json_response({"id": str(self.jobs)})
            if "/file/" in request.path or request.path.endswith("/download"):
                return 200, {}, self._file(int(request.path.removesuffix("/download").rpartition("/")[2]))
            result = {"url": f"{self.server.url}/file/{request.path.rpartition('/')[2]}", "messageError": None}
            job = {"id": "x", "status": "SUCCEEDED", "result": result}
            return json_response({"entities": [], "jobs": [], "status": "completed", "jobStatus": job})

    def _file(self, job: int) -> bytes:
        contents = self.files[min(job, len(self.files)) - 1]
        self.downloads.append(job)
        return contents[min(self.downloads.count(job), len(contents)) - 1]


@pytest.fixture
def platform() -> Iterator[Platform]:
    running = Platform()
    yield running
    running.server.stop()


def run_once(tap: Tap, platform: Platform, stream: str, *files: str | bytes | list[str], **settings: Any) -> Run:
    """Run the tap for two days in one window; each job has a file, or one for each of its downloads."""
    for contents in files:
        texts = contents if isinstance(contents, list) else [contents]
        platform.files.append([text.encode() if isinstance(text, str) else text for text in texts])
    url = platform.server.url
    config = {"start_date": "2024-01-01", "end_date": "2024-01-03", "poll_interval": 1, "submit_interval": 1}
    if stream == ANALYTICS:
        access = {"api_url": url, "client_id": "client", "client_secret": "a secret"}
        return tap(config | access | settings)
    access = {"auth_method": "access_key", "access_key_id": "key", "access_key_secret": "a secret", "api_url": url}
    config |= access | {"auth_url": f"{url}/token", "extraction_window_days": 14}
    return tap(config | settings, catalog=catalog_for(stream))


def assert_failed(run: Run, reason: str) -> None:
    assert run.code == 5
    assert not run.records
    assert "replication_key_value" not in json.dumps(run.states)
    [error] = run.errors
    assert reason in error
    assert "Traceback" not in run.log


def event(number: int, **changes: Any) -> dict[str, Any]:
    times = dict.fromkeys(("dateFrom", "dateTo"), "2024-01-01T00:00:00.000Z")
    return {"id": f"e{number}", "type": "bot", **times, "botId": "b", "agentId": "a", "duration": 1.5} | changes


# --- No export: another job, and no shorter window --------------------------------------------------------------------

NO_EXPORTS = {
    "null in an array": (ANALYTICS, "[null]"),
    "an error in an array": (ANALYTICS, '[{"error": "internal"}]'),
    "errors in lines": (ANALYTICS, '{"type": "error"}\n{"type": "error"}\n'),
    "an indented error": (ANALYTICS, '{\n  "message": "internal"\n}\n'),
    "a web page": (ANALYTICS, "<html><body>Please sign in</body></html>"),
    "an error below a header": (ANALYTICS, FIELDS + "Internal server error\n"),
    "empty cells": (ANALYTICS, FIELDS + ",,,,,,\n,,,,,,\n"),
    "rows: an error": (EXTRACTION, '{"error": "internal"}'),
    "rows: a web page": (EXTRACTION, "<html><body>Please sign in</body></html>"),
    "rows: a text": (EXTRACTION, "Service unavailable\n"),
    "rows: an error below a header": (EXTRACTION, COLUMNS + "Internal server error\n"),
    "rows: empty cells": (EXTRACTION, COLUMNS + ",,\n,,\n"),
}


@pytest.mark.parametrize(("stream", "content"), NO_EXPORTS.values(), ids=NO_EXPORTS)
def test_what_is_no_export_ends_the_run_after_a_second_job(
    tap: Tap, platform: Platform, stream: str, content: str
) -> None:
    run = run_once(tap, platform, stream, content)
    assert_failed(run, f"of {stream} could not be exported")
    assert platform.jobs == 2, "the window is not split"
    assert platform.downloads == [1] * DOWNLOADS + [2] * DOWNLOADS


@pytest.mark.parametrize(("stream", "content"), NO_EXPORTS.values(), ids=NO_EXPORTS)
def test_the_next_job_may_bring_the_export(tap: Tap, platform: Platform, stream: str, content: str) -> None:
    row = COLUMNS + "s1,2024-01-01T00:00:00Z,555\n"
    run = run_once(tap, platform, stream, content, json.dumps([event(1)]) if stream == ANALYTICS else row)
    assert run.code == 0
    assert len(run.records) == 1
    assert bookmark_of(run, stream) == "2024-01-03T00:00:00.000Z"
    assert platform.jobs == 2


def test_the_next_download_may_bring_the_export(tap: Tap, platform: Platform) -> None:
    run = run_once(tap, platform, ANALYTICS, ["[null]", "", json.dumps([event(1)])])
    assert run.code == 0
    assert len(run.records) == 1
    assert platform.jobs == 1


# --- Wrong layouts: no other job --------------------------------------------------------------------------------------

MANY = [event(number) for number in range(2000)]


@pytest.mark.parametrize(
    ("stream", "content", "reason"),
    [
        (ANALYTICS, json.dumps({"records": MANY}), "'records'"),
        (ANALYTICS, json.dumps({"records": MANY[:9]}, indent=2), "'records'"),
        (ANALYTICS, json.dumps({"records": MANY}, indent=2), "several lines"),
        (ANALYTICS, json.dumps(MANY).encode("utf-16"), "UTF-16"),
        (ANALYTICS, FIELDS.replace("botId", "id") + "e1,bot\n", "two columns 'id'"),
        (EXTRACTION, (COLUMNS + "s1,,\n").encode("utf-16"), "UTF-16"),
        (EXTRACTION, COLUMNS.replace("ANI", "SEGMENTID"), "'segment_id', 'Segment ID' and 'SEGMENTID'"),
        (EXTRACTION, COLUMNS.replace("Segment ID", "DNIS"), "no column for the key segment_id"),
    ],
    ids=[
        "wrapped",
        "indented",
        "indented, long",
        "UTF-16",
        "two ids",
        "rows: UTF-16",
        "rows: two keys",
        "rows: no key",
    ],
)
def test_a_wrong_layout_ends_the_run_after_the_first_job(
    tap: Tap, platform: Platform, stream: str, content: str | bytes, reason: str
) -> None:
    run = run_once(tap, platform, stream, content)
    assert_failed(run, reason)
    assert platform.jobs == 1


# --- Empty windows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "files", "jobs"),
    [
        (ANALYTICS, ["[]"], 1),
        (ANALYTICS, [FIELDS], 1),
        (ANALYTICS, ["\n", " \r\n"], 2),
        (EXTRACTION, [COLUMNS], 1),
        (EXTRACTION, ["", "\ufeff"], 2),
    ],
    ids=str,
)
def test_an_empty_window_is_passed_and_said_to_be_empty(
    tap: Tap, platform: Platform, stream: str, files: list[str], jobs: int
) -> None:
    run = run_once(tap, platform, stream, *files)
    assert run.code == 0
    assert not run.records
    assert bookmark_of(run, stream) == "2024-01-03T00:00:00.000Z"
    assert platform.jobs == jobs
    hint = "'export_filter'" if stream == ANALYTICS else "permissions"
    [warning] = [line for line in run.log.splitlines() if "every window of the run was empty" in line]
    assert "(1, 2024-01-01T00:00:00.000Z to 2024-01-03T00:00:00.000Z)" in warning
    assert hint in warning


@pytest.mark.parametrize(
    "files",
    [["[null]", "", "[null]", ""], ["", ["", "[null]", ""]], [["", "[null", ""], "", "[null]"]],
    ids=["after no export", "once not blank", "after damage"],
)
def test_a_blank_file_is_believed_only_after_another_one(
    tap: Tap, platform: Platform, files: list[str | list[str]]
) -> None:
    run = run_once(tap, platform, ANALYTICS, *files, end_date="2024-01-01T01:00:00Z")
    assert_failed(run, "could not be exported")
    assert platform.jobs == 2


# --- Records that are rejected ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "content", "refused"),
    [
        (ANALYTICS, json.dumps([event(1, agentId=None)]), 1),
        (ANALYTICS, json.dumps([event(1, agentId=None), {"error": "internal"}]), 2),
        (ANALYTICS, json.dumps([{name: value for name, value in event(1).items() if name != "id"}] * 2), 2),
        (ANALYTICS, FIELDS + "e1,bot,2024-01-01T00:00:00Z,2024-01-01T00:00:00Z\n", 1),
        (EXTRACTION, COLUMNS + ",2024-01-01T00:00:00Z,555\n", 1),
        (EXTRACTION, COLUMNS + "s1,yesterday,555\n", 1),
    ],
    ids=["type", "type and error", "no key", "cells", "rows: no key", "rows: type"],
)
def test_a_rejected_record_does_not_block_a_window(
    tap: Tap, platform: Platform, stream: str, content: str, refused: int
) -> None:
    run = run_once(tap, platform, stream, content)
    assert run.code == 0
    assert bookmark_of(run, stream) == "2024-01-03T00:00:00.000Z"
    assert f" {refused} rejected" in run.log
    assert "window of the run was empty" not in run.log


@pytest.mark.parametrize(
    ("stream", "content"),
    [
        (ANALYTICS, json.dumps([event(1, dateFrom="1/1/2024"), event(2, duration="long"), {"error": "internal"}])),
        (ANALYTICS, FIELDS + "e1,bot,1/1/2024,1/1/2024,b,a,1\ne2,bot,1/1/2024,1/1/2024,b,a,1\n"),
        (EXTRACTION, COLUMNS + "s1,1/1/2024,555\ns2,1/2/2024,555\n"),
    ],
    ids=["JSON", "CSV", "rows"],
)
def test_records_that_all_have_other_types_end_the_run(tap: Tap, platform: Platform, stream: str, content: str) -> None:
    run = run_once(tap, platform, stream, content)
    assert_failed(run, "none of its 2 records has the types of this stream")
    assert platform.jobs == 1


def test_an_empty_file_says_nothing_about_patterns_of_columns(
    tap: Tap, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    select = [f"{EXTRACTION}.*", f"!{EXTRACTION}.note"]  # a column that only files have
    monkeypatch.setenv("MELTANO_EXTRACT__SELECT", json.dumps(select))
    run = run_once(tap, platform, EXTRACTION, "")
    assert run.code == 0
    assert "matches no column" not in run.log
