"""The pages of docs/: they build as a site without a warning, and their links into the repository lead to files."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from tests import environments
from tests.conftest import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REPOSITORY = "https://github.com/tap-cxone/tap-cxone/"
PAGES = sorted((PROJECT / "docs").rglob("*.md"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_pages_build_as_a_site_without_a_warning(tmp_path: Path) -> None:
    programs = environments.install("mkdocs", "mkdocs-material>=9.6,<10")
    command: list[str | Path] = [programs / "mkdocs", "build", "--strict", "--config-file", PROJECT / ".mkdocs.yml"]
    done = subprocess.run([*command, "--site-dir", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"^WARNING", done.stderr, re.MULTILINE)


def test_every_page_is_in_the_navigation() -> None:
    text = yaml.safe_dump(yaml.safe_load((PROJECT / ".mkdocs.yml").read_text())["nav"])
    for page in PAGES:
        assert str(page.relative_to(PROJECT / "docs")) in text


def _links() -> Iterator[tuple[Path, str]]:
    for page in (*PAGES, PROJECT / "README.md"):
        for link in re.findall(rf"{re.escape(REPOSITORY)}(?:blob|tree)/main/([^)#\s]+)", page.read_text()):
            yield page, link


def test_links_into_the_repository_lead_to_files() -> None:
    found = list(_links())
    assert found
    for page, link in found:
        assert (PROJECT / link).exists(), f"{page.name} links to {link}"


def test_anchors_lead_to_headings() -> None:
    for page in (*PAGES, PROJECT / "README.md", *(PROJECT / "examples").rglob("*.md")):
        for path, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", page.read_text()):
            target = page.parent / path if path else page
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert anchor in map(_anchor, headings), f"{page.name} links to {path}#{anchor}"


def _anchor(heading: str) -> str:
    plain = re.sub(r"[^\w\- ]", "", heading.lower())
    return plain.replace(" ", "-")
