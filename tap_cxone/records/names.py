"""Names of columns, made of the headers of a CSV file by one rule.

Runs of letters and digits, in lower case, are joined by one underscore; a change from small to capital letters begins a
new run (``ACD Call ID`` and ``acdCallId`` both give ``acd_call_id``). A name that would begin with a digit gets an
underscore before it; a header without letters and digits is called after its place (``column_7``). Where several
headers of a file give the same name, the first one has it, and the others get ``_2``, ``_3`` and so on. Pure.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

TEXT: dict[str, Any] = {"type": ["string", "null"]}
"""What a column is that nothing is known of."""
_WORDS = re.compile(r"[^\W_]+")
_CAPITALS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def column_name(header: str) -> str:
    """Return the name that a header gives by itself; empty where it has no letters and digits."""
    words = [word for run in _WORDS.findall(header) for word in _CAPITALS.split(run)]
    name = "_".join(words).lower()
    return f"_{name}" if name[:1].isdigit() else name


@lru_cache(maxsize=16)
def column_names(headers: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of a file's columns, each one another."""
    plain = [column_name(header) or f"column_{place}" for place, header in enumerate(headers, start=1)]
    taken = set(plain)
    names: list[str] = []
    for name in plain:
        unique, number = name, 1
        while unique in names or (number > 1 and unique in taken):
            number += 1
            unique = f"{name}_{number}"
        names.append(unique)
    return tuple(names)
