"""The reader of the audit log: events, offsets, hostile lines, speed-up and samples."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cxone.errors import CxoneError
from tap_cxone.observability.audit_reader import (
    AuditLogReader,
    audit_log_file,
    first_offset_since,
    open_audit_log,
    read_sample,
)
from tap_cxone.observability.events import EventName

if TYPE_CHECKING:
    from pathlib import Path

WINDOW = b'{"event":"window_extracted","stream":"s","job_id":7,"record_count":3,"sample":[{"id": 1}, 2]}\n'
RUN = b'{"event": "run_started", "logged_at": "2024-01-02T00:00:00.000Z", "run_id": "r"}\n'
HOSTILE = {
    "half a line": b'{"event":"window_extracted","stream":"bot\n',
    "not UTF-8": b'{"event":"window_extracted","reason":"\xff"}\n',
    "not text": b'\xff\xfe\x00"window_extracted"\n',
    "an array": b'["window_extracted"]\n',
    "a string": b'"window_extracted"\n',
    "deep nesting": b'{"event":"window_extracted","x":' + b"[" * 5000 + b"\n",
    "a negative number": b'{"event":"window_extracted","record_count":-1}\n',
    "a huge number": b'{"event":"window_extracted","record_count":1' + b"0" * 400 + b"}\n",
    "an infinite number": b'{"event":"window_extracted","seconds":1e999}\n',
    "another type": b'{"event":"window_extracted","stream":{}}\n',
}


def read(content: bytes, *names: str, quickly: bool = False) -> tuple[AuditLogReader, list[tuple[int, str]], list[int]]:
    unreadable: list[int] = []
    reader = AuditLogReader(names or [EventName.WINDOW_EXTRACTED], unreadable.append)
    entries = (reader.read_quickly if quickly else reader.read)(io.BytesIO(content))
    found = []
    for entry in entries:
        assert content[entry.offset :].startswith(entry.line)
        found.append((entry.offset, entry.event.event))
    return reader, found, unreadable


@pytest.mark.parametrize("quickly", [False, True])
def test_wanted_events_have_their_offsets(*, quickly: bool) -> None:
    reader, found, unreadable = read(RUN + WINDOW + "{}ö\n".encode() + WINDOW, quickly=quickly)
    first = len(RUN)
    assert found == [(first, "window_extracted"), (first + len(WINDOW) + len("{}ö\n".encode()), "window_extracted")]
    assert reader.lines == 4
    assert unreadable == ([] if quickly else [first + len(WINDOW)])


def test_fields_are_typed_and_missing_ones_are_none() -> None:
    [entry] = AuditLogReader([EventName.WINDOW_EXTRACTED]).read(io.BytesIO(WINDOW))
    event = entry.event
    assert (event.stream, event.job_id, event.record_count) == ("s", 7, 3)
    assert (event.logged_at, event.run_id, event.duplicates, event.days) == ("", None, None, None)
    assert not hasattr(event, "sample")


@pytest.mark.parametrize("quickly", [False, True])
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_lines_are_skipped_counted_and_named(kind: str, *, quickly: bool) -> None:
    line = HOSTILE[kind]
    reader, found, unreadable = read(WINDOW + line + WINDOW + line[:-1], quickly=quickly)
    assert [offset for offset, _ in found] == [0, len(WINDOW) + len(line)]
    assert unreadable == [len(WINDOW), 2 * len(WINDOW) + len(line)]
    assert reader.unreadable == 2


@pytest.mark.parametrize(
    "line", [b"\n", b"  \r\n", b'{"event":"of_tomorrow","seconds":"many"}\n', b'{"event":"run_finished","stream":7}\n']
)
def test_empty_lines_and_other_events_are_not_unreadable(line: bytes) -> None:
    reader, found, _ = read(line + WINDOW)
    assert len(found) == 1
    assert reader.unreadable == 0


def test_quick_reading_does_not_look_at_other_events() -> None:
    other = b'{"event":"schema_validation_failure","reason":"window_extracted\n'
    assert read(other)[0].unreadable == 1
    assert read(other, quickly=True)[0].unreadable == 0


lines = st.fixed_dictionaries(
    {},
    optional={
        "logged_at": st.text(max_size=5),
        "event": st.sampled_from([*EventName, "of_tomorrow"]) | st.integers(),
        "reason": st.sampled_from([*EventName]) | st.none(),
        "run_id": st.integers() | st.text(max_size=5),
    },
)


@given(st.lists(lines), st.sampled_from([(",", ":"), (", ", ": ")]), st.sets(st.sampled_from([*EventName]), min_size=1))
def test_quick_reading_finds_the_same_events(
    content: list[dict[str, Any]], separators: tuple[str, str], names: set[str]
) -> None:
    log = b"".join(json.dumps(line, separators=separators).encode() + b"\n" for line in content)
    assert read(log, *names, quickly=True)[1] == read(log, *names)[1]


def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_bytes((RUN + WINDOW) * 50_000)
    tracemalloc.start()
    with path.open("rb") as log:
        count = sum(1 for _ in AuditLogReader([EventName.WINDOW_EXTRACTED]).read(log))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 50_000
    assert peak < 1_000_000


def test_first_offset_since_a_time_skips_unreadable_lines() -> None:
    early = RUN.replace(b"01-02", b"01-01")
    junk = HOSTILE["half a line"] + HOSTILE["deep nesting"] + b"[]\n\n" + HOSTILE["not UTF-8"]
    log = early + junk + RUN + early
    assert first_offset_since(io.BytesIO(log), "2024-01-02T00:00:00.000Z") == len(early) + len(junk)
    assert first_offset_since(io.BytesIO(log), "2024-01-03T00:00:00.000Z") == len(log)
    other_types = b'{"event":"of_tomorrow","seconds":"many","logged_at":"2024-01-05"}\n'
    assert first_offset_since(io.BytesIO(early + other_types), "2024-01-03") == len(early)


def test_sample_is_the_text_in_the_log() -> None:
    sample = read_sample(io.BytesIO(RUN + WINDOW), len(RUN), len(WINDOW))
    assert msgspec.json.encode(sample) == b'[{"id": 1},2]'
    assert read_sample(io.BytesIO(RUN), 0, len(RUN)) == []


@pytest.mark.parametrize("line", [b"[]", b'{"sample":3}', b'{"sample":["\xff"]}', b'{"sample":[' + b"[" * 5000])
def test_unreadable_sample_is_empty(line: bytes) -> None:
    assert read_sample(io.BytesIO(line), 0, len(line)) == []


def test_missing_log_is_none(tmp_path: Path) -> None:
    with open_audit_log(tmp_path / "audit.jsonl") as log:
        assert log is None


def test_log_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CxoneError, match="'audit_log_path'"), open_audit_log(tmp_path):
        pass


def test_path_is_absolute_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("audit.jsonl")
    assert audit_log_file("link") == (tmp_path / "audit.jsonl").resolve()
    with pytest.raises(CxoneError, match="'audit_log_path'"):
        audit_log_file("a\0b")
