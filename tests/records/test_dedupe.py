"""Deduplication, compared with a plain set, in memory and on disk."""

from __future__ import annotations

import itertools
import tracemalloc
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import gettempdir
from typing import IO, TYPE_CHECKING
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cxone.records import dedupe
from tap_cxone.records.dedupe import RecordKeys
from tap_cxone.records.verify import verify_export
from tests.records.exports import LAYOUTS, MODEL, as_csv, record, records_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

batches = st.lists(st.lists(st.integers(0, 30).map(str) | st.text(min_size=1, max_size=3), max_size=8), max_size=8)


@contextmanager
def window(folder: str | Path, batches: Sequence[Sequence[str]]) -> Iterator[RecordKeys]:
    with closing(RecordKeys(Path(folder))) as found:
        for batch in batches:
            found.add(batch)
        yield found


def emitted(found: RecordKeys, previous: RecordKeys | None, batches: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return each batch of keys without the duplicates."""
    duplicates = found.duplicates(previous)
    if duplicates is None:
        return [list(batch) for batch in batches]
    left = [
        [key for key, flag in zip(batch, duplicates.take(len(batch)), strict=True) if not flag] for batch in batches
    ]
    assert duplicates.count == sum(map(len, batches)) - sum(map(len, left))
    return left


def unique(previous: Sequence[Sequence[str]], batches: Sequence[Sequence[str]]) -> list[list[str]]:
    seen = set(itertools.chain.from_iterable(previous))
    return [[key for key in batch if not (key in seen or seen.add(key))] for batch in batches]  # type: ignore[func-returns-value]


@given(earlier=batches, batches=batches, flush=st.sampled_from([1, 2, 7, 1 << 16]))
def test_each_key_is_emitted_once_in_two_consecutive_windows(
    earlier: list[list[str]], batches: list[list[str]], flush: int
) -> None:
    with (
        mock.patch.object(dedupe, "_FLUSH_KEYS", flush),
        window(gettempdir(), earlier) as before,
        window(gettempdir(), batches) as found,
    ):
        assert emitted(found, None, batches) == unique([], batches)
        assert emitted(found, before, batches) == unique(earlier, batches)


@given(batches=batches)
def test_duplicates_can_be_computed_again_after_more_keys(batches: list[list[str]]) -> None:
    with (
        mock.patch.object(dedupe, "_FLUSH_KEYS", 3),
        window(gettempdir(), batches) as found,
    ):
        assert emitted(found, None, batches) == emitted(found, None, batches)
        found.add(["one more", "one more"])
        twice = [*batches, ["one more", "one more"]]
        assert emitted(found, None, twice) == unique([], twice)


def test_many_duplicates_of_few_keys(tmp_path: Path) -> None:
    batches = [[f"key-{number % 7}" for number in range(10_000)] for _ in range(10)]
    with window(tmp_path, batches) as found:
        assert [key for batch in emitted(found, None, batches) for key in batch] == batches[0][:7]


def test_without_duplicates_there_are_no_flags(tmp_path: Path) -> None:
    with window(tmp_path, [["a", "b"]]) as found, window(tmp_path, [["c"]]) as before, window(tmp_path, []) as empty:
        assert found.duplicates(None) is None
        assert found.duplicates(before) is None
        assert empty.duplicates(before) is None
        assert empty.duplicates(None) is None


def test_temporary_files_have_no_names(tmp_path: Path) -> None:
    batches = [["a", "a"]]
    with mock.patch.object(dedupe, "_FLUSH_KEYS", 1), window(tmp_path, batches) as found:
        assert emitted(found, None, batches) == [["a"]]
        assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_number_of_keys(tmp_path: Path) -> None:
    def peak_bytes(number: int) -> int:
        size = 1000
        tracemalloc.start()
        with closing(RecordKeys(tmp_path)) as found:
            for start in range(0, number, size):
                found.add([str(key % (number - 1)) for key in range(start, start + size)])
            duplicates = found.duplicates(found)
            assert duplicates is not None
            assert duplicates.count == number
            for _ in range(0, number, size):
                assert all(duplicates.take(size))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    with mock.patch.object(dedupe, "_FLUSH_KEYS", 1 << 12):
        few, many = peak_bytes(10_000), peak_bytes(40_000)
    # In memory are a 256th of the keys and one byte per record. A set of all keys would take 100 bytes per key.
    assert many - few < 30_000 * 10


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_found_when_the_keys_are_flushed(tmp_path: Path) -> None:
    def full(**_: object) -> IO[bytes]:
        return Path("/dev/full").open("w+b")

    with (
        mock.patch("tempfile.TemporaryFile", full),
        window(tmp_path, [["a"]]) as found,
        pytest.raises(OSError, match="No space left on device"),
    ):
        found.flush()


# --- With records -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["array", "lines", "csv"])
def test_invalid_records_are_not_deduplicated_and_hide_no_valid_record(tmp_path: Path, layout: str) -> None:
    values = [
        record(1, agentId=...),
        record(1, botId="first"),
        record(1, botId="second"),
        record(2, id=...),
        record(3, id=...),
        record(4, duration="x"),
        record(5),
        record(5, dateFrom=""),
    ]
    path = tmp_path / "export"
    path.write_bytes(as_csv(values) if layout == "csv" else LAYOUTS[layout](values))
    found = verify_export(path, MODEL)
    duplicates = found.keys.duplicates(None)
    assert duplicates is not None
    with closing(found):
        records = records_of(found, duplicates)
    assert [(kept["id"], kept["botId"]) for kept in records] == [("event-1", "first"), ("event-5", "bot-1")]
    assert (found.valid, found.invalid, duplicates.count) == (3, 5, 1)


def test_a_key_that_occurs_again_and_again_is_found_and_takes_little_room(tmp_path: Path) -> None:
    with closing(RecordKeys(tmp_path)) as keys, closing(RecordKeys(tmp_path)) as previous:
        previous.add(["b"])
        for _ in range(40):
            keys.add(["a", *(f"{number}" for number in range(9)), "b"] * 1000)
        keys.add(["a", "c"])
        flags = keys.duplicates(previous)
        assert flags
        assert flags.count == 40 * 11 * 1000 - 10 + 1
        assert flags.take(11) == bytes([0] * 10 + [1])
        assert flags.take(40 * 11 * 1000 - 11) == bytes([1]) * (40 * 11 * 1000 - 11)
        assert flags.take(2) == bytes([1, 0])
        assert keys.size < 100_000
