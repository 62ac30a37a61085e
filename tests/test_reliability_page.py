"""docs/reliability.md names tests that exist, and says how many cases they have."""

from __future__ import annotations

import importlib
import math
import re
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.conftest import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = (PROJECT / "docs" / "reliability.md").read_text()
ROWS = re.findall(r"^\| .+? \| `(tests/[\w/]+)\.py::(\w+)` \| (.+?) \|$", PAGE, re.MULTILINE)


def cases_of(test: Callable[..., None]) -> int:
    """Return how many cases a test has: its parameters, times the inputs that Hypothesis draws."""
    marks = [mark for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize"]
    cases = math.prod(len(mark.args[1]) for mark in marks)
    if hypothesis.is_hypothesis_test(test):
        cases *= getattr(test, "_hypothesis_internal_use_settings").max_examples  # noqa: B009
    return cases


@pytest.mark.parametrize(("module", "name", "cases"), ROWS, ids=[name for _, name, _ in ROWS])
def test_the_page_says_how_many_cases_a_test_has(module: str, name: str, cases: str) -> None:
    found = getattr(importlib.import_module(module.replace("/", ".")), name)
    number = found if isinstance(found, int) else len(found) if isinstance(found, list) else cases_of(found)
    assert cases == f"{number:,}"


def test_every_row_of_the_page_is_checked() -> None:
    assert len(ROWS) == len(re.findall(r"^\| .*::", PAGE, re.MULTILINE)) > 20


def test_every_promise_names_tests() -> None:
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
    assert {"Delivery", "Kills", "Bookmarks", "Memory and disk", "Waits", "Secrets"} < sections.keys()
    for title, text in sections.items():
        assert "`tests/" in text, title
