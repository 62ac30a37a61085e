"""Column names: derives a field name from the header of each CSV column.

A header names a column that is already known if both have the same letters and digits: ``Last Name``, ``lastName`` and
``LASTNAME`` all name the column ``last_name``. Other headers are named by themselves: runs of letters and digits, in
lower case, are joined by underscores. A change from lower to upper case starts a new run: ``ACD Call ID`` and
``acdCallId`` both give ``acd_call_id``. A name that would start with a digit gets an underscore in front. A header
without letters or digits is named by its position (``column_7``). If several headers of a file give the same name, the
first one keeps it, and the others get ``_2``, ``_3`` and so on. Pure.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

TEXT: dict[str, Any] = {"type": ["string", "null"]}
"""JSON Schema of a column for which no type is known."""
_WORDS = re.compile(r"[^\W_]+")
_CAPITALS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def column_name(header: str) -> str:
    """Return the name for a header by itself; empty if it has no letters or digits."""
    words = [word for run in _WORDS.findall(header) for word in _CAPITALS.split(run)]
    # \w has characters that an identifier may not have, such as a superscript two.
    name = "".join(filter(_may_continue_name, "_".join(words).lower()))
    return f"_{name}" if name[:1].isdigit() else name


def _may_continue_name(character: str) -> bool:
    return f"a{character}".isidentifier()


@lru_cache(maxsize=16)
def column_names(headers: tuple[str, ...], known: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return unique names for the columns of a file, in their order.

    Args:
        headers: the headers of the file.
        known: names of known columns, which headers are compared with.
    """
    matches = ColumnMatcher(known)
    plain = [matches.name(header) or f"column_{position}" for position, header in enumerate(headers, start=1)]
    taken, used = set(plain), set[str]()
    numbers: dict[str, int] = {}  # the last one that each name has got
    names: list[str] = []
    for name in plain:
        unique, number = name, numbers.get(name, 1)
        while unique in used or (number > 1 and unique in taken):
            number += 1
            unique = f"{name}_{number}"
        numbers[name] = number
        used.add(unique)
        names.append(unique)
    return tuple(names)


class ColumnMatcher:
    """Compares headers with known columns by letters and digits only, without regard to case.

    Args:
        known: names of the columns. Of two that differ only in case or punctuation, the first one is found, unless
            the name of the header by itself is that of the second.
    """

    def __init__(self, known: tuple[str, ...]) -> None:
        self._known = frozenset(known)
        self._by_characters: dict[str, str] = {}
        for name in known:
            self._by_characters.setdefault(_characters(name), name)

    def name(self, header: str) -> str:
        """Return the known column of a header, or else the name for the header by itself."""
        name = column_name(header)
        if not name or name in self._known:
            return name
        return self._by_characters.get(_characters(header), name)


def _characters(text: str) -> str:
    """Return the letters and digits of a text in lower case."""
    return "".join(_WORDS.findall(text.lower()))
