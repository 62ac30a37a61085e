"""Files that are replaced in one step: their mode, and what somebody may have put in their way."""

from __future__ import annotations

import os
import secrets
import stat
from typing import TYPE_CHECKING

import pytest

from tap_cxone.files import remove_leftovers, replacing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def replace(path: Path, content: bytes = b"new", *, private: bool = False) -> None:
    with replacing(path, private=private) as file:
        file.write(content)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_a_new_file_has_the_mode_of_any_new_file_unless_it_is_private(tmp_path: Path) -> None:
    replace(tmp_path / "page")
    replace(tmp_path / "log", private=True)
    assert (mode_of(tmp_path / "page"), mode_of(tmp_path / "log")) == (0o640, 0o600)


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o755], ids=oct)
def test_a_file_keeps_its_mode_unless_it_is_private(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "page"
    path.write_bytes(b"old")
    path.chmod(mode)
    replace(path)
    assert (path.read_bytes(), mode_of(path)) == (b"new", mode)
    replace(path, private=True)
    assert mode_of(path) == 0o600


def test_a_file_stays_as_it_is_if_it_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "page"
    path.write_bytes(b"old")
    with pytest.raises(TypeError), replacing(path) as file:
        file.writelines([b"half", None])  # type: ignore[list-item]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_with_the_name_of_the_new_file_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda _: "0123456789abcdef")
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "page.tap-cxone-0123456789abcdef.tmp").symlink_to(victim)
    with pytest.raises(FileExistsError):
        replace(tmp_path / "page")
    assert victim.read_bytes() == b"precious"


def test_only_leftovers_of_the_same_file_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "audit[1].jsonl"
    foreign = {"audit[1].jsonl.20240101.tmp", "audit1.jsonl.tap-cxone-0123456789abcdef.tmp", "audit[1].jsonl"}
    for name in {*foreign, "audit[1].jsonl.tap-cxone-0123456789abcdef.tmp"}:
        (tmp_path / name).touch()
    remove_leftovers(path)
    assert {other.name for other in tmp_path.iterdir()} == foreign
