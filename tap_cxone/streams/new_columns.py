"""New columns: those of a stream that the catalog it was given does not have, and which of them are selected.

A column is new because only the file has it, or because the catalog was written for an earlier version of the tap.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from singer_sdk.singerlib import Metadata, Schema

from tap_cxone.column_names import TEXT
from tap_cxone.config.selection import MeltanoRules

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from singer_sdk.singerlib import CatalogEntry, MetadataMapping

_PROPERTY_DEPTH = 2
"""Length of the breadcrumb of a column: ``("properties", name)``."""


@dataclass(frozen=True)
class NewColumns:
    """Decides which new columns are selected. Thread-safe.

    Attributes:
        entries: selection of the columns for which the catalog has metadata, by name.
        default: decides about the other columns.
        leaves_out: whether ``default`` may leave out a column.
    """

    entries: Mapping[str, bool] = field(default_factory=dict)
    default: Callable[[str], bool] = lambda _: True
    leaves_out: bool = False

    @classmethod
    def ignored(cls) -> NewColumns:
        """Return the rule that leaves out every new column."""
        return cls(default=lambda _: False, leaves_out=True)

    @classmethod
    def of_entry(cls, entry: CatalogEntry, environment: Mapping[str, str]) -> NewColumns:
        """Return the rule that a catalog entry and Meltano's patterns make.

        Metadata of the column decides, then Meltano's patterns. Without either, a new column is selected if no
        property of the stream is deselected.

        Args:
            entry: entry of the stream.
            environment: environment variables of the process.
        """
        entries = _explicit_selection(entry.metadata)
        rules = MeltanoRules.from_environment(environment)
        if rules:
            stream = entry.stream or entry.tap_stream_id
            return cls(entries, partial(rules.selects, stream), leaves_out=not rules.selects_all(stream))
        selects_all = not any(item.selected is False for crumb, item in entry.metadata.items() if crumb)
        return cls(entries, lambda _: selects_all, leaves_out=not selects_all)

    def is_selected(self, name: str) -> bool:
        """Return whether a column that the catalog does not have is selected."""
        return self.entries[name] if name in self.entries else self.default(name)


def keys_of(entry: CatalogEntry) -> set[str]:
    """Return the columns that the catalog makes primary key or replication key."""
    return {name for name in (*(entry.key_properties or ()), entry.replication_key) if name}


def make_selectable(entry: CatalogEntry, keys: Collection[str]) -> bool:
    """Let the columns that are not keys be deselected; return whether this changed the entry.

    Meltano gives a column without metadata, from its extra ``schema``, the inclusion ``automatic``. The SDK would then
    ignore that it is deselected.
    """
    automatic = [
        item
        for crumb, item in entry.metadata.items()
        if crumb and crumb[-1] not in keys and item.inclusion == Metadata.InclusionType.AUTOMATIC
    ]
    for item in automatic:
        item.inclusion = Metadata.InclusionType.AVAILABLE
    return bool(automatic)


def add_new_columns(
    entry: CatalogEntry, columns: Mapping[str, dict[str, Any]], keys: Collection[str], rule: NewColumns
) -> bool:
    """Add the columns that a stream has and its catalog entry lacks, and deselect those that are not selected.

    Args:
        entry: entry of the stream, which is changed.
        columns: columns of the stream: JSON Schemas by name.
        keys: names of columns that are always selected.
        rule: decides about the others.

    Returns:
        Whether there were any.
    """
    listed = entry.schema.properties or {}
    new = {name: spec for name, spec in columns.items() if name not in listed}
    for name in new:
        if name not in keys and not rule.is_selected(name):
            entry.metadata["properties", name] = Metadata(Metadata.InclusionType.AVAILABLE, selected=False)
    entry.schema.properties = listed | {name: Schema.from_dict(spec) for name, spec in new.items()}
    return bool(new)


def _explicit_selection(metadata: MetadataMapping) -> dict[str, bool]:
    mask = metadata.resolve_selection()
    return {
        crumb[1]: mask[crumb]
        for crumb, item in metadata.items()
        if len(crumb) == _PROPERTY_DEPTH
        and (
            item.selected is not None
            or item.selected_by_default is not None
            or item.inclusion == Metadata.InclusionType.UNSUPPORTED
        )
    }


def with_types(schema: dict[str, Any], columns: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with types for the columns that are plain text in it.

    Args:
        schema: JSON Schema of an object with flat properties.
        columns: JSON Schema of each column that may have a type of its own.
    """
    typed = {
        name: {
            **spec,
            **{keyword: columns[name][keyword] for keyword in ("type", "format") if keyword in columns[name]},
        }
        for name, spec in schema["properties"].items()
        if name in columns and spec["type"] == TEXT["type"] and "format" not in spec
    }
    return {**schema, "properties": schema["properties"] | typed}
