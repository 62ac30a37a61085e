"""Why a record was rejected, in words. Pure."""

from __future__ import annotations

import re

_TYPES = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
_TYPE_NAMES = {"int": "number", "float": "number", "str": "text", "bool": "true or false", "null": "nothing"}


def plain_reason(reason: str) -> str:
    """Return in words why a record was rejected: ``duration: number expected, text found``.

    Args:
        reason: as in the audit log: ``Expected `int | null`, got `str` - at `$.duration```, or any other text.
    """
    problem, _, path = reason.partition(" - at `$")
    if types := _TYPES.fullmatch(problem):
        expected, found = (
            dict.fromkeys(_TYPE_NAMES.get(name, name) for name in group.split(" | ")) for group in types.groups()
        )
        expected.pop("nothing", None)
        problem = f"{' or '.join(expected)} expected, {' or '.join(found)} found"
    field = path.strip(".`")
    return f"{field}: {problem[:1].lower()}{problem[1:]}" if field else problem
