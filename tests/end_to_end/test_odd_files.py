"""Exports that are hostile or far too large: memory stays bounded, and one sentence says what is wrong."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
from isal import igzip

from tests.conftest import Run, read_lines
from tests.http_server import HttpServer, Request, json_response

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tests.conftest import Tap
    from tests.http_server import Response

MIB = 1 << 20
GIB = 1 << 30
HEADER = b"id,type,dateFrom,dateTo,botId,agentId,duration\n"
PEAK_MIB = 150
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the memory peak from /proc")


class FilePlatform:
    """An analytics export API whose every job is completed at once and has the same file."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._server = HttpServer(self._respond)

    @property
    def jobs(self) -> int:
        """Number of jobs created."""
        return sum(request.method == "POST" and request.path.endswith("/exports") for request in self._server.requests)

    def config(self, **settings: Any) -> dict[str, Any]:
        return {
            "api_url": self._server.url,
            "client_id": "client",
            "client_secret": "a secret",
            "start_date": "2024-01-01",
            "end_date": "2024-01-02",
            "poll_interval": 1,
        } | settings

    def stop(self) -> None:
        self._server.stop()

    def _respond(self, request: Request) -> Response:
        if request.path.endswith("/download"):
            return 200, {"Content-Type": "application/gzip"}, self._content
        if request.path == "/oauth/token":
            return json_response({"access_token": "token", "token_type": "Bearer", "expires_in": 3600})
        if request.method == "POST":
            return json_response({"id": f"job-{self.jobs}"}, 201)
        return json_response({"entities": [], "id": "job", "status": "completed"})


def compressed(path: Path, parts: Iterable[bytes]) -> bytes:
    with igzip.open(path, "wb", compresslevel=1) as file:  # type: ignore[no-untyped-call]
        for part in parts:
            file.write(part)
    return path.read_bytes()


def run_limited(
    tap: Tap, config: dict[str, Any], file_bytes: int = 0, open_files: int = 0, **files: Any
) -> tuple[Run, int]:
    """Run the tap with limits, of which 0 is none; return the run and its memory peak in MiB.

    Args:
        tap: the tap.
        config: its configuration.
        file_bytes: bytes that a file may have.
        open_files: files and connections that may be open.
        **files: the state, for example.
    """
    [python, *_], arguments = (command := tap.command(config, **files))[:1], command[3:]
    limits = [str(file_bytes), str(open_files)]
    done = tap._run([python, "-m", "tests.end_to_end.limited_tap", *limits, *arguments], None)
    run = Run(done.returncode, done.stdout, done.stderr)
    return run, int(re.search(r"peak_mib=(\d+)", run.log)[1])  # type: ignore[index]


@pytest.fixture
def platform(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FilePlatform]:
    """Return a platform that serves the file of which the test's parameter gives the parts."""
    running = FilePlatform(compressed(tmp_path / "export.gz", request.param()))
    yield running
    running.stop()


def endless(*parts: bytes, repeated: bytes) -> Iterator[bytes]:
    """Yield a beginning, and 10 GiB of the same."""
    yield from parts
    block = repeated * (MIB // len(repeated))
    for _ in range(10 * GIB // MIB):
        yield block


def record(number: int, **changes: Any) -> dict[str, Any]:
    times = dict.fromkeys(("dateFrom", "dateTo"), "2024-01-01T00:00:00.000Z")
    return {"id": f"e{number}", "type": "bot", **times, "botId": "b", "agentId": "a", "duration": 1.5} | changes


def long_cells() -> Iterator[bytes]:
    yield HEADER
    for number in range(4000):
        yield f"e{number},bot,2024-01-01T00:00:00Z,2024-01-01T00:00:00Z,{'b' * 100_000},a,1\n".encode()


def many_keys() -> Iterator[bytes]:
    yield b"[{" + b",".join(b'"%x":1' % number for number in range(200_000)) + b"},"
    yield json.dumps(record(1)).encode() + b"]"


def many_cells() -> Iterator[bytes]:
    yield HEADER
    for _ in range(20):
        yield b"," * (4 * MIB - 100) + b"\n"


def impossible_dates() -> Iterator[bytes]:
    """Yield records whose dates are valid, but not in UTC: their years would be 10000 and 0."""
    dates = ("2024-01-01T00:00:00.000Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59")
    yield json.dumps([record(number, dateFrom=date) for number, date in enumerate(dates)]).encode()


ENDLESS = {
    "zeros": ("row", lambda: endless(repeated=b"\0")),
    "commas": ("row", lambda: endless(repeated=b",")),
    "an open quote": ("row", lambda: endless(b'"', repeated=b"x")),
    "an open quote in a row": ("row", lambda: endless(HEADER, b'"', repeated=b"x")),
    "an open quote with line breaks": ("row", lambda: endless(HEADER, b'"', repeated=b"x\n")),
    "cells of a row": ("row", lambda: endless(HEADER, repeated=b'"\n",')),
    "a string in an array": ("record", lambda: endless(b'[{"id":"', repeated=b"x")),
    "a string in a line": ("record", lambda: endless(b'{"id":"', repeated=b"x")),
    "blanks in an array": ("record", lambda: endless(b"[", repeated=b" ")),
    "brackets": ("record", lambda: endless(repeated=b"[")),
}


@pytest.mark.parametrize(
    ("platform", "part"), [(parts, part) for part, parts in ENDLESS.values()], ids=ENDLESS, indirect=["platform"]
)
def test_a_part_without_an_end_ends_the_run_after_the_first_job(tap: Tap, platform: FilePlatform, part: str) -> None:
    run, peak = run_limited(tap, platform.config())
    assert run.code == 5
    assert not run.records
    assert not run.bookmarks
    [error] = run.errors
    assert re.search(rf"a {part} longer than 4 MiB", error)
    assert platform.jobs == 1, "another job would bring the same"
    assert peak < PEAK_MIB


@pytest.mark.parametrize(
    ("platform", "records"),
    [(long_cells, 4000), (many_keys, 1), (many_cells, 0)],
    ids=["cells of 100 kB", "a record with many keys", "rows with many cells"],
    indirect=["platform"],
)
def test_long_records_need_little_memory(tap: Tap, platform: FilePlatform, records: int) -> None:
    command = tap.command(platform.config(quarantine_path=str(tap.folder / "quarantine.jsonl")))
    running = tap._run(
        ["sh", "-c", '"$@" | wc -l', "sh", command[0], "-m", "tests.end_to_end.limited_tap", "0", "0", *command[3:]],
        None,
    )
    assert int(running.stdout) == records + 3, "SCHEMA, RECORDs, and STATE for the job and for the window"
    assert int(re.search(r"peak_mib=(\d+)", running.stderr)[1]) < PEAK_MIB  # type: ignore[index]


# --- A full disk ------------------------------------------------------------------------------------------------------


def plain_records() -> Iterator[bytes]:
    yield json.dumps([record(number) for number in range(50_000)]).encode()


def plain_ids() -> dict[str, Any]:
    """Return a catalog that selects nothing but the id, so that the keys take up more room than the records."""
    fields = [name for name in record(1) if name != "id"]
    schema = {"properties": {name: {"type": "number" if name == "duration" else "string"} for name in record(1)}}
    deselected = [{"breadcrumb": ["properties", name], "metadata": {"selected": False}} for name in fields]
    selected = {"breadcrumb": [], "metadata": {"selected": True}}
    entry = {"tap_stream_id": "bot_conversations", "schema": schema, "metadata": [selected, *deselected]}
    return {"streams": [entry | {"key_properties": ["id"]}]}


@pytest.mark.parametrize("platform", [plain_records], ids=["50,000 records"], indirect=True)
@pytest.mark.parametrize(
    ("file_bytes", "catalog"),
    [(100_000, None), (5_000_000, None), (1_100_000, plain_ids()), (1_199_000, plain_ids())],
    ids=["download", "records", "keys", "last keys"],
)
def test_a_full_disk_ends_the_run_with_the_folder_and_loses_nothing(
    tap: Tap, platform: FilePlatform, tmp_path: Path, file_bytes: int, catalog: Any
) -> None:
    place = tmp_path / "work"
    config = platform.config(work_dir=str(place))
    run, _ = run_limited(tap, config, file_bytes, catalog=catalog)
    assert run.code == 1
    [error] = run.errors
    assert str(place) in error
    assert "'work_dir'" in error
    assert "Traceback" not in run.log
    assert not run.records
    assert not run.bookmarks
    assert list(place.iterdir()) == []
    again = tap(config, state=run.states[-1], catalog=catalog)
    assert len({found["id"] for found in again.records}) == len(again.records) == 50_000
    assert platform.jobs == 1, "the second run uses the job of the first"


@pytest.mark.parametrize("platform", [impossible_dates], indirect=True)
def test_dates_that_utc_does_not_have_do_not_stop_a_run(tap: Tap, platform: FilePlatform, tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    run = tap(platform.config(audit_log_path=str(audit)))
    assert run.code == 0
    assert [record["id"] for record in run.records] == ["e0", "e1", "e2"]
    [extracted] = [event for event in read_lines(audit) if event["event"] == "window_extracted"]
    assert extracted["days"] == {"2024-01-01": 1}


# --- Too many open files ----------------------------------------------------------------------------------------------


def few_records() -> Iterator[bytes]:
    """Yield a valid record and one that is rejected, for which there is a file, too."""
    yield json.dumps([record(1), {**record(2), "duration": "long"}]).encode()


@pytest.mark.parametrize("platform", [few_records], ids=["few records"], indirect=True)
@pytest.mark.parametrize("open_files", [8, 9, 10, 11, 12, 14, 16, 20, 32])
def test_too_few_open_files_end_the_run_in_one_sentence(
    tap: Tap, platform: FilePlatform, tmp_path: Path, open_files: int
) -> None:
    place = tmp_path / "work"
    names = ("audit_log", "quarantine", "journal")
    paths = {f"{name}_path": str(tmp_path / f"{name}.jsonl") for name in names}
    config = platform.config(work_dir=str(place), end_date="2024-01-09", window_days=1, **paths)
    run, _ = run_limited(tap, config, open_files=open_files)
    assert "Traceback" not in run.log
    assert len(run.errors) == run.code
    assert run.code == 0 or "(Too many open files): raise the limit (ulimit -n)" in run.errors[0]
    assert not place.exists() or list(place.iterdir()) == []
