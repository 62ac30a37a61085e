"""Meltano selection rules.

Meltano selects every stream by default, with the pattern ``*.*``; this overrides a Singer catalog in which a stream is
not selected by default. Meltano passes the patterns to the plugin's process in environment variables, which show
whether a stream was selected by name.
"""

from __future__ import annotations

import fnmatch
import json
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SELECT = "MELTANO_EXTRACT__SELECT"
_PATTERN_VARIABLES = (_SELECT, "MELTANO_EXTRACT__SELECT_FILTER", "MELTANO_EXTRACT__METADATA")
_CATALOG = "MELTANO_EXTRACT__CATALOG"


def is_named(stream: str, environment: Mapping[str, str]) -> bool:
    """Return whether a selected stream was selected by name or by a part of it, not just by ``*``.

    Without Meltano, or if Meltano got a catalog file, the catalog alone decides, so the result is True.

    Args:
        stream: name of the stream.
        environment: environment variables of the process.
    """
    if _SELECT not in environment or environment.get(_CATALOG):
        return True
    patterns = chain.from_iterable(_patterns(environment.get(variable, "")) for variable in _PATTERN_VARIABLES)
    return any(_matches_by_name(pattern, stream) for pattern in patterns)


def _patterns(text: str) -> Iterable[str]:
    """Return the items of a JSON list or the keys of a JSON object; none for anything else."""
    try:
        value = json.loads(text or "[]")
    except ValueError:
        return []
    return map(str, value) if isinstance(value, (list, dict)) else []


def _matches_by_name(pattern: str, stream: str) -> bool:
    stream_pattern = pattern.partition(".")[0]
    has_name = bool(stream_pattern.strip("*?"))
    return has_name and not pattern.startswith("!") and fnmatch.fnmatchcase(stream, stream_pattern)
