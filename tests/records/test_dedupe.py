"""The keys of a window against a plain set, in memory and on disk."""

from __future__ import annotations

import itertools
import tracemalloc
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_cxone.errors import CorruptExportError
from tap_cxone.records import dedupe
from tap_cxone.records.dedupe import WindowKeys
from tap_cxone.records.verify import read_unique, verify_export
from tests.records.exports import MODEL, record
from tests.records.test_readers import LAYOUTS, as_csv

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pieces = st.lists(st.lists(st.integers(0, 30).map(str) | st.text(min_size=1, max_size=3), max_size=8), max_size=8)


@contextmanager
def window(folder: str | Path, pieces: Sequence[Sequence[str]]) -> Iterator[WindowKeys]:
    with closing(WindowKeys(Path(folder))) as found:
        for piece in pieces:
            found.add(piece)
        yield found


def emitted(found: WindowKeys, before: WindowKeys | None, pieces: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the keys that are left of each piece."""
    repeats = found.repeats(before)
    if repeats is None:
        return [list(piece) for piece in pieces]
    with closing(repeats):
        left = [
            [key for key, again in zip(piece, repeats.next(len(piece)), strict=True) if not again] for piece in pieces
        ]
    assert repeats.count == sum(map(len, pieces)) - sum(map(len, left))
    return left


def plainly(before: Sequence[Sequence[str]], pieces: Sequence[Sequence[str]]) -> list[list[str]]:
    seen = set(itertools.chain.from_iterable(before))
    return [[key for key in piece if not (key in seen or seen.add(key))] for piece in pieces]  # type: ignore[func-returns-value]


@given(earlier=pieces, pieces=pieces, flush=st.sampled_from([1, 2, 7, 1 << 16]))
def test_each_key_is_emitted_once_in_a_window_and_not_again_in_the_next(
    earlier: list[list[str]], pieces: list[list[str]], flush: int
) -> None:
    with (
        mock.patch.object(dedupe, "_FLUSH_KEYS", flush),
        window(gettempdir(), earlier) as before,
        window(gettempdir(), pieces) as found,
    ):
        assert emitted(found, None, pieces) == plainly([], pieces)
        assert emitted(found, before, pieces) == plainly(earlier, pieces)


@given(pieces=pieces)
def test_the_same_keys_may_be_asked_for_again_and_more_may_come(pieces: list[list[str]]) -> None:
    with (
        mock.patch.object(dedupe, "_FLUSH_KEYS", 3),
        window(gettempdir(), pieces) as found,
    ):
        assert emitted(found, None, pieces) == emitted(found, None, pieces)
        found.add(["one more", "one more"])
        twice = [*pieces, ["one more", "one more"]]
        assert emitted(found, None, twice) == plainly([], twice)


def test_many_repeats_of_few_keys(tmp_path: Path) -> None:
    pieces = [[f"key-{number % 7}" for number in range(10_000)] for _ in range(10)]
    with window(tmp_path, pieces) as found:
        assert [key for piece in emitted(found, None, pieces) for key in piece] == pieces[0][:7]


def test_where_nothing_repeats_there_is_nothing_to_follow(tmp_path: Path) -> None:
    with window(tmp_path, [["a", "b"]]) as found, window(tmp_path, [["c"]]) as before, window(tmp_path, []) as empty:
        assert found.repeats(None) is None
        assert found.repeats(before) is None
        assert empty.repeats(before) is None
        assert empty.repeats(None) is None


def test_its_files_have_no_names(tmp_path: Path) -> None:
    pieces = [["a", "a"]]
    with mock.patch.object(dedupe, "_FLUSH_KEYS", 1), window(tmp_path, pieces) as found:
        assert emitted(found, None, pieces) == [["a"]]
        assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_number_of_keys(tmp_path: Path) -> None:
    def most_bytes(number: int) -> int:
        size = 1000
        tracemalloc.start()
        with closing(WindowKeys(tmp_path)) as found:
            for start in range(0, number, size):
                found.add([str(key % (number - 1)) for key in range(start, start + size)])
            repeats = found.repeats(found)
            assert repeats is not None
            assert repeats.count == number
            with closing(repeats):
                for _ in range(0, number, size):
                    assert all(repeats.next(size))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    with mock.patch.object(dedupe, "_FLUSH_KEYS", 1 << 12):
        few, many = most_bytes(10_000), most_bytes(40_000)
    # What stays is a 256th of the keys and one byte a record; as a set they would be 100 bytes each.
    assert many - few < 30_000 * 10


# --- Together with the records ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["array", "lines", "csv"])
def test_an_invalid_record_never_hides_a_valid_one_and_one_without_id_is_no_repeat(tmp_path: Path, layout: str) -> None:
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
    repeats = found.keys.repeats(None)
    assert repeats is not None
    with closing(found.keys), closing(repeats):
        [piece] = read_unique(path, found, repeats)
    assert [(struct.id, struct.botId) for struct in piece.records] == [("event-1", "first"), ("event-5", "bot-1")]
    assert (found.valid, found.refused, repeats.count) == (3, 5, 1)


@pytest.mark.parametrize("layout", ["array", "lines"])
def test_a_file_that_has_changed_since_it_was_verified_is_an_error(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "export"
    path.write_bytes(LAYOUTS[layout]([record(1), record(2)]))
    found = verify_export(path, MODEL)
    found.keys.close()
    for others in ([record(1)], [record(1), record(2), record(3)], [record(1, extra="longer"), record(2)], []):
        path.write_bytes(LAYOUTS[layout](others))
        with pytest.raises(CorruptExportError):
            list(read_unique(path, found, None))
