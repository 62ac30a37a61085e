"""Names that nothing has, such as a misspelled setting: each with the known name that is nearest. Pure."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

_OBJECTS = ("stream_maps_", "stream_map_config_", "batch_config_", "faker_config_")
"""What the names of variables begin with in which Meltano hands over the parts of an object."""
_SIMILARITY = 0.7
"""Least similarity of a name that is proposed, from 0 to 1 as ``difflib`` measures it."""


def unknown_settings(
    config: Mapping[str, object], environment: Mapping[str, str], prefix: str | None, known: Collection[str]
) -> Iterator[str]:
    """Yield a sentence for each setting that does not exist.

    Args:
        config: settings from configuration files.
        environment: environment variables of the process.
        prefix: what the names of the tap's variables start with; None if the environment is not read.
        known: names of all settings.
    """
    for name in sorted(set(config) - set(known)):
        yield f"Setting '{name}' is unknown and ignored{proposal(name, known)}"
    if prefix is None:
        return
    named = {*known, *config}  # Meltano hands over each setting of meltano.yml in its file and as a variable
    for variable in sorted(environment):
        name = variable.removeprefix(prefix).lower()
        if variable.startswith(prefix) and name not in named and not _belongs_to_meltano(name, known):
            yield f"Setting '{name}' (variable {variable}) is unknown and ignored{proposal(name, known)}"


def unknown_streams(names: Iterable[str], known: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each selected stream that does not exist."""
    for name in names:
        if name not in known:
            yield f"Stream '{name}' is selected but does not exist{proposal(name, known)}"


def unknown_columns(patterns: Iterable[tuple[str, str]], known: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each selected or deselected column that does not exist.

    Args:
        patterns: pairs of a pattern of Meltano's ``select`` and its part for the column.
        known: names of the columns.
    """
    for pattern, column in patterns:
        yield f"Meltano's 'select': '{pattern}' matches no column{proposal(column, known)}"


def unknown_mappings(stream_maps: Mapping[str, object], columns: Mapping[str, Collection[str]]) -> Iterator[str]:
    """Yield a sentence for each stream, and each column to be removed, of ``stream_maps`` that does not exist.

    A column that only the exported file has is not known here either; the sentence says so.

    Args:
        stream_maps: the setting.
        columns: by stream, the names of its columns.
    """
    for stream, mapping in stream_maps.items():
        if stream.startswith("__") or any(character in stream for character in "*?["):
            continue
        if stream not in columns:
            yield f"Setting 'stream_maps': there is no stream '{stream}'{proposal(stream, columns)}"
        elif isinstance(mapping, dict):
            removed = [name for name, value in mapping.items() if value is None or value == "__NULL__"]
            for name in removed:
                if not name.startswith("__") and name not in columns[stream]:
                    nearest = proposal(name, columns[stream]) or ", unless the exported files have it"
                    yield f"Setting 'stream_maps': stream '{stream}' has no column '{name}' to remove{nearest}"


def proposal(name: str, known: Collection[str]) -> str:
    """Return the end of a sentence that names the nearest known name; empty if none is near."""
    name, names = name.lower(), {full.lower(): full for full in known}
    longer = [full for full in names if full.startswith(f"{name}_") or full.endswith(f"_{name}")]
    nearest = longer if len(longer) == 1 else difflib.get_close_matches(name, names, n=1, cutoff=_SIMILARITY)
    return f": did you mean '{names[nearest[0]]}'?" if nearest else ""


def _belongs_to_meltano(name: str, known: Iterable[str]) -> bool:
    """Return whether Meltano uses a variable: for an extra, a plugin that inherits the tap, or a part of an object.

    Examples: ``TAP_CXONE__SELECT``; ``TAP_CXONE_NORTH_CLIENT_ID`` and ``TAP_CXONE_NORTH__SELECT`` of a plugin
    ``tap-cxone-north``; ``TAP_CXONE_STREAM_MAPS_QM_WORKFLOWS_COMMENT``.
    """
    is_inherited = any(name.endswith(f"_{setting}") for setting in known)
    return "__" in f"_{name}" or is_inherited or name.startswith(_OBJECTS)
