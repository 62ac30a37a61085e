"""Rejected records: what the quarantine and the audit log may keep of one. Nothing of what the user leaves out."""

from __future__ import annotations

import fnmatch
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tap_cxone.records.rejected import InvalidRecord


def reduced(rejected: InvalidRecord, fields: Collection[str], keys: Sequence[str]) -> InvalidRecord:
    """Return a rejected record with these fields only.

    A row with the wrong number of cells keeps nothing, because its cells cannot be assigned to columns.

    Args:
        rejected: the record.
        fields: names of the fields to keep.
        keys: names of the fields that its ``record_id`` is made of. If one of them is not kept, the id is not, either.
    """
    record = rejected.record
    kept = {name: record[name] for name in fields if _is_scalar(record, name)} if isinstance(record, dict) else None
    return replace(rejected, record=kept, record_id=rejected.record_id if set(keys) <= set(fields) else None)


def unchanged_fields(
    stream: str, fields: Collection[str], maps: Mapping[str, Any], keys: Collection[str], *, is_emitted: bool
) -> set[str]:
    """Return the fields that reach the target with their own name and value.

    Args:
        stream: name of the stream.
        fields: names of its selected fields.
        maps: the setting ``stream_maps``.
        keys: its primary key, which ``__else__: null`` keeps.
        is_emitted: whether the stream is emitted if no stream map names it.
    """
    primary = set(fields) if is_emitted else set()
    others: set[str] = set()
    for key, definition in maps.items():
        if not fnmatch.fnmatch(stream, _source(key, definition)):
            continue
        emitted = _emitted(definition, fields, keys)
        if isinstance(definition, dict) and "__source__" in definition:
            others |= emitted
        else:
            primary = emitted
    return primary | others


def _source(key: str, definition: object) -> str:
    return str(definition.get("__source__", key)) if isinstance(definition, dict) else key


def _emitted(definition: object, fields: Collection[str], keys: Collection[str]) -> set[str]:
    # It is not known whether a rejected record would pass the filter.
    if not isinstance(definition, dict) or "__filter__" in definition:
        return set()
    names = {name for name in definition if not name.startswith("__")}
    same = {name for name in names if definition[name] == name}
    default = set(fields)
    if "__else__" in definition:
        default &= same | set(definition.get("__key_properties__", keys) or ())
    return default - (names - same)


def _is_scalar(record: Mapping[str, object], name: str) -> bool:
    return name in record and not isinstance(record[name], (dict, list))
