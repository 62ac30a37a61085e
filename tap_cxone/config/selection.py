"""Who asked for a stream: Meltano selects every stream where its user said nothing, so its patterns are looked at.

A Singer catalog can say that a stream is not selected by default, but Meltano's own default, the pattern ``*.*``,
overrides that. It hands its patterns to the process of a plugin in the environment. Pure.
"""

from __future__ import annotations

import fnmatch
import json
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SELECT, _FILTER, _METADATA = (f"MELTANO_EXTRACT__{name}" for name in ("SELECT", "SELECT_FILTER", "METADATA"))
_CATALOG = "MELTANO_EXTRACT__CATALOG"


def is_named(stream: str, environment: Mapping[str, str]) -> bool:
    """Tell whether a selected stream was named, if only by a part of its name, or just fell to ``*``.

    Without Meltano, and where it was given a catalog, that is what the catalog says already.
    """
    if _SELECT not in environment or environment.get(_CATALOG):
        return True
    patterns = chain.from_iterable(_listed(environment.get(name, "")) for name in (_SELECT, _FILTER, _METADATA))
    return any(_names(pattern, stream) for pattern in patterns)


def _listed(text: str) -> Iterable[str]:
    try:
        value = json.loads(text or "[]")
    except ValueError:
        return []
    return map(str, value) if isinstance(value, (list, dict)) else []


def _names(pattern: str, stream: str) -> bool:
    named = pattern.partition(".")[0]
    return not pattern.startswith("!") and bool(named.strip("*?")) and fnmatch.fnmatchcase(stream, named)
