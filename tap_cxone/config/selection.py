"""Meltano selection rules.

Meltano passes the patterns of ``select``, ``select_filter`` and ``metadata`` to the plugin's process in environment
variables. It applies them to the catalog that discovery showed. A column that this catalog does not have gets no entry,
so the tap applies the same rules to it.

Meltano selects every stream by default, with the pattern ``*.*``; this overrides a Singer catalog in which a stream is
not selected by default. The patterns show whether a stream was selected by name.
"""

from __future__ import annotations

import fnmatch
import json
import re
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

_SELECT = "MELTANO_EXTRACT__SELECT"
_FILTER = "MELTANO_EXTRACT__SELECT_FILTER"
_METADATA = "MELTANO_EXTRACT__METADATA"
_CATALOG = "MELTANO_EXTRACT__CATALOG"
_FIRST_DOT = re.compile(r"(?<!\\)\.")
_ANY_COLUMN = "properties.*"


def is_named(stream: str, environment: Mapping[str, str]) -> bool:
    """Return whether a selected stream was selected by name or by a part of it, not just by ``*``.

    Without Meltano, or if Meltano got a catalog file, the catalog alone decides, so the result is True.

    Args:
        stream: name of the stream.
        environment: environment variables of the process.
    """
    if not _has_patterns(environment):
        return True
    patterns = chain.from_iterable(_patterns(environment, name) for name in (_SELECT, _FILTER, _METADATA))
    return any(_matches_by_name(pattern, stream) for pattern in patterns)


def unmatched_patterns(streams: Iterable[str], environment: Mapping[str, str]) -> list[str]:
    """Return the stream names and patterns in Meltano's ``select`` and ``select_filter`` that no stream matches.

    Args:
        streams: names of all streams.
        environment: environment variables of the process.
    """
    if not _has_patterns(environment):
        return []
    patterns = chain.from_iterable(_patterns(environment, name) for name in (_SELECT, _FILTER))
    wanted = dict.fromkeys(_split(pattern)[1] for pattern in patterns)
    known = list(streams)
    return [pattern for pattern in wanted if not fnmatch.filter(known, pattern)]


def unmatched_columns(stream: str, columns: Collection[str], environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the patterns of Meltano's ``select`` that name a stream, and a column that matches none of its columns.

    Args:
        stream: name of the stream.
        columns: names of its columns.
        environment: environment variables of the process.

    Returns:
        Pairs of the pattern and its part for the column.
    """
    if not _has_patterns(environment):
        return []
    parts = [(pattern, *_split(pattern)[1:]) for pattern in _patterns(environment, _SELECT)]
    named = [(pattern, column.split(".")[0]) for pattern, name, column in parts if name == stream and column]
    return [(pattern, column) for pattern, column in named if not fnmatch.filter(columns, column)]


@dataclass(frozen=True)
class _Rule:
    """Selects or deselects what matches both patterns.

    Attributes:
        stream: pattern of stream names.
        path: pattern of property paths, such as ``properties.comment``.
        selected: whether a match is selected.
    """

    stream: str
    path: str
    selected: bool


class MeltanoRules:
    """The rules of Meltano's extras ``select``, ``select_filter`` and ``metadata`` for columns.

    Of all rules that match a column, the last one decides: first everything is deselected, then come the inclusions of
    ``select``, its exclusions, and ``metadata``. A stream that ``select_filter`` leaves out has no columns.

    Args:
        select: patterns such as ``orders.*`` and ``!orders.note``.
        select_filter: patterns of streams; those of columns apply to their stream.
        metadata: metadata by stream and property.
    """

    def __init__(
        self, select: Iterable[str], select_filter: Iterable[str] = (), metadata: Mapping[str, Any] | None = None
    ) -> None:
        self._rules = [*_select_rules(select), *_metadata_rules(metadata or {})]
        filters = [_split(pattern) for pattern in select_filter]
        self._kept_streams = [stream for excludes, stream, _ in filters if not excludes]
        self._removed_streams = [stream for excludes, stream, _ in filters if excludes]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> MeltanoRules | None:
        """Return the rules that Meltano has applied, or None if the catalog alone decides."""
        if not _has_patterns(environment):
            return None
        metadata = _json(environment.get(_METADATA, ""))
        return cls(
            _patterns(environment, _SELECT),
            _patterns(environment, _FILTER),
            metadata if isinstance(metadata, dict) else {},
        )

    def selects(self, stream: str, column: str) -> bool:
        """Return whether a column is selected."""
        if self._is_filtered(stream):
            return False
        matching = (rule for rule in reversed(self._rules) if _matches(rule, stream, f"properties.{column}"))
        rule = next(matching, None)
        return rule is not None and rule.selected

    def selects_all(self, stream: str) -> bool:
        """Return whether every column of a stream is selected, whatever its name is."""
        rules = [rule for rule in self._rules if rule.path and fnmatch.fnmatch(stream, rule.stream)]
        has_all = any(rule.selected and rule.path == _ANY_COLUMN for rule in rules)
        return has_all and all(rule.selected for rule in rules) and not self._is_filtered(stream)

    def _is_filtered(self, stream: str) -> bool:
        is_kept = not self._kept_streams or _matches_any(stream, self._kept_streams)
        return not is_kept or _matches_any(stream, self._removed_streams)


def _select_rules(patterns: Iterable[str]) -> list[_Rule]:
    inclusions: list[_Rule] = []
    exclusions: list[_Rule] = []
    for pattern in patterns:
        excludes, stream, column = _split(pattern)
        names = (column or "*").split(".")
        if excludes:
            exclusions.append(_Rule(stream, _path(names), selected=False))
        else:
            # A selected property selects those that contain it.
            inclusions += [_Rule(stream, _path(names[:length]), selected=True) for length in range(1, len(names) + 1)]
    return inclusions + exclusions


def _metadata_rules(metadata: Mapping[str, Any]) -> Iterator[_Rule]:
    for key, value in _flattened(metadata):
        stream, *names, name = key.split(".")
        if name == "selected":
            yield _Rule(stream, _path(names), selected=bool(value))


def _flattened(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _split(pattern: str) -> tuple[bool, str, str]:
    """Return whether a pattern excludes, and its parts for the stream and the property (empty if it has none)."""
    stream, *rest = _FIRST_DOT.split(pattern.removeprefix("!"), maxsplit=1)
    return pattern.startswith("!"), stream.replace("\\.", "."), "".join(rest)


def _path(names: Iterable[str]) -> str:
    return ".".join(f"properties.{name}" for name in names)


def _matches(rule: _Rule, stream: str, path: str) -> bool:
    return fnmatch.fnmatch(stream, rule.stream) and fnmatch.fnmatch(path, rule.path)


def _matches_any(stream: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatch(stream, pattern) for pattern in patterns)


def _has_patterns(environment: Mapping[str, str]) -> bool:
    return _SELECT in environment and not environment.get(_CATALOG)


def _patterns(environment: Mapping[str, str], variable: str) -> list[str]:
    """Return the items of a JSON list or the keys of a JSON object; none for anything else."""
    value = _json(environment.get(variable, ""))
    return list(map(str, value)) if isinstance(value, (list, dict)) else []


def _json(text: str) -> object:
    try:
        return json.loads(text or "null")
    except ValueError:
        return None


def _matches_by_name(pattern: str, stream: str) -> bool:
    stream_pattern = pattern.partition(".")[0]
    has_name = bool(stream_pattern.strip("*?"))
    return has_name and not pattern.startswith("!") and fnmatch.fnmatchcase(stream, stream_pattern)
