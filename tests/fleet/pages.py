"""The files to copy that pages in docs/fleet hold."""

from __future__ import annotations

import re

from tests.conftest import PROJECT


def code_blocks(page: str, language: str) -> list[str]:
    """Return the fenced blocks of a page in a language."""
    text = (PROJECT / "docs" / "fleet" / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
