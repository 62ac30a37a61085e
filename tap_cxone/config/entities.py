"""Data Extraction entities: three built-in ones, and any other from the setting ``data_extraction_entities``.

Names, versions and keys come from the vendor's documentation and from clients that are known to work. The types of the
built-in streams are in ``schemas/``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import TYPE_CHECKING, Any, NoReturn

from tap_cxone.column_names import TEXT, ColumnMatcher, column_name
from tap_cxone.config.schema import MAX_EXTRACTION_WINDOW_DAYS
from tap_cxone.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTING = "data_extraction_entities"
_TYPES = ("string", "number", "integer", "boolean", "null")


@dataclass(frozen=True)
class Entity:
    """One stream of the Data Extraction API.

    Attributes:
        stream: name of the stream.
        entity: name of the entity on the platform.
        version: version of the entity, which determines its columns.
        primary_keys: columns that together identify a row, in snake_case.
        replication_key: column that the platform filters by, in snake_case.
        schema: JSON Schema of the rows.
        allow_new_columns: whether columns that are not in the schema are added.
        window_days: days per job; None: the setting ``extraction_window_days`` applies.
        aliases: other names that some files use for a key, by key.
        former_replication_keys: earlier names of the replication key, under which states may have a bookmark.
        permission: the permission that the user of an access key needs, as CXone's role settings show it; empty: not
            known.
    """

    stream: str
    entity: str
    version: str
    primary_keys: tuple[str, ...]
    replication_key: str
    schema: dict[str, Any] = field(default_factory=dict)
    allow_new_columns: bool = True
    window_days: int | None = None
    aliases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    former_replication_keys: tuple[str, ...] = ()
    permission: str = ""


def entities(configured: object) -> list[Entity]:
    """Return the built-in entities and the configured ones.

    An entry with the stream name of a built-in entity overrides the values that it gives.

    Args:
        configured: value of the setting ``data_extraction_entities``; None if it is not set.

    Raises:
        SettingsError: an entry is incomplete or invalid.
    """
    found = {entity.stream: entity for entity in _built_in()}
    if configured is None:
        configured = []
    if not isinstance(configured, list):
        _fail("must be a list of objects")
    # Most targets do not distinguish table names by case.
    seen: set[str] = set()
    reserved = {stream.lower(): stream for stream in (*found, "bot_conversations")}
    for number, entry in enumerate(configured, start=1):
        entity = _entity(entry, number, found)
        lower = entity.stream.lower()
        if lower in seen or reserved.get(lower, entity.stream) != entity.stream:
            _fail(f"names the stream '{entity.stream}' twice")
        seen.add(lower)
        found[entity.stream] = entity
    return list(found.values())


def _built_in() -> list[Entity]:
    return [
        Entity(
            stream="recording_interaction_metadata",
            entity="recording-interaction-metadata",
            version="12",
            primary_keys=("segment_id",),
            replication_key="start_date",
            schema=_built_in_schema("recording_interaction_metadata"),
            permission="Search & Playback > APIs > Extract Interaction Metadata",
        ),
        Entity(
            stream="qm_workflows",
            entity="qm-workflows",
            version="4",
            primary_keys=("workflow_id",),
            replication_key="submission_date",
            schema=_built_in_schema("qm_workflows"),
            permission="QM Tools > Data Extraction APIs > QM Workflow API",
        ),
        Entity(
            stream="qm_questions",
            entity="qm-questions",
            version="1",
            primary_keys=("workflow_instance_id", "question_id"),
            replication_key="evaluation_submission_date",
            schema=_built_in_schema("qm_questions"),
            aliases={
                "workflow_instance_id": ("workflow_instance", "workflow_id"),
                "question_id": ("question", "question_text"),
            },
            former_replication_keys=("submission_date",),
            permission="QM Tools > Data Extraction APIs > QM Workflow API",
        ),
    ]


def _built_in_schema(stream: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(
        resources.files("tap_cxone.config.schemas").joinpath(f"{stream}.json").read_text()
    )
    return schema


def _entity(entry: object, number: int, known: Mapping[str, Entity]) -> Entity:
    """Check one entry of the setting; ``number`` counts from 1."""
    if not isinstance(entry, dict):
        _fail(f"entry {number} must be an object")
    unknown = entry.keys() - _PARSERS.keys()
    if unknown:
        _fail(f"entry {number} has '{min(map(str, unknown))}', which is not one of {', '.join(_PARSERS)}")
    values = {
        name: parse(entry[name], f"entry {number}: '{name}'") for name, parse in _PARSERS.items() if name in entry
    }
    preset = known.get(values.get("stream", ""))
    if preset and values.get("entity", preset.entity) != preset.entity:
        preset = None  # a different entity shares only the stream name with the built-in one
    missing = [name for name in _REQUIRED if name not in values]
    if missing and not preset:
        _fail(f"entry {number} lacks {', '.join(map(repr, missing))}")
    if "schema" in values:
        values["allow_new_columns"] = False
    entity = _named_by_schema(replace(preset, **values) if preset else Entity(**values))
    if len(set(entity.primary_keys)) < len(entity.primary_keys):
        _fail(f"entry {number}: 'primary_keys' must name at least one column, and none twice")
    if "primary_keys" in values:
        entity = replace(entity, aliases={})
    if preset and entity.replication_key != preset.replication_key:
        entity = replace(entity, former_replication_keys=())
    return replace(entity, schema=_complete_schema(entity))


def _named_by_schema(entity: Entity) -> Entity:
    """Return the entity with keys that are named as in its schema: ``workflowid`` becomes ``workflow_id``."""
    columns = ColumnMatcher(tuple(entity.schema.get("properties", ())))
    return replace(
        entity,
        primary_keys=tuple(map(columns.name, entity.primary_keys)),
        replication_key=columns.name(entity.replication_key),
        aliases={columns.name(key): others for key, others in entity.aliases.items()},
    )


def _complete_schema(entity: Entity) -> dict[str, Any]:
    """Return the schema with all key columns; those of the primary key are required."""
    properties = dict(entity.schema.get("properties", {}))
    for key in entity.primary_keys:
        properties.setdefault(key, {"type": "string"})
    for column in (entity.replication_key, *entity.schema.get("required", ())):
        properties.setdefault(column, TEXT)
    required = dict.fromkeys([*entity.schema.get("required", ()), *entity.primary_keys])
    return {**entity.schema, "type": "object", "properties": properties, "required": list(required)}


# --- Values of an entry: each parser takes the value and its name for error messages ----------------------------------


def _text(value: object, name: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value).strip():
        _fail(f"{name} must be a string that is not empty")
    return str(value).strip()


def _stream(value: object, name: str) -> str:
    text = _text(value, name)
    if text == "bot_conversations" or not text.replace("_", "").replace("-", "").isalnum():
        _fail(
            f"{name} must consist of letters, digits, hyphens and underscores, and must not be the name of another "
            "stream"
        )
    return text


def _column(value: object, name: str) -> str:
    column = column_name(_text(value, name))
    if not column:
        _fail(f"{name} must name a column")
    return column


def _columns(value: object, name: str) -> tuple[str, ...]:
    columns = tuple(_column(item, name) for item in value) if isinstance(value, list) else (_column(value, name),)
    if not columns or len(set(columns)) < len(columns):
        _fail(f"{name} must name at least one column, and none twice")
    return columns


def _days(value: object, name: str) -> int:
    text = str(value).strip()
    is_number = text.isascii() and text.isdigit() and not isinstance(value, bool)
    if not is_number or not 1 <= int(text) <= MAX_EXTRACTION_WINDOW_DAYS:
        _fail(f"{name} must be a whole number from 1 to {MAX_EXTRACTION_WINDOW_DAYS}")
    return int(text)


def _schema(value: object, name: str) -> dict[str, Any]:
    properties = value.get("properties") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(properties, dict) or not properties:
        _fail(f"{name} must be a JSON Schema of an object with 'properties'")
    for column, spec in properties.items():
        types = spec.get("type") if isinstance(spec, dict) else None
        types = [types] if isinstance(types, str) else types
        if not isinstance(types, list) or not types or types == ["null"] or any(kind not in _TYPES for kind in types):
            _fail(f"{name}: '{column}' must have a 'type' of {', '.join(sorted(_TYPES))}")
    required = value.get("required", [])
    if not isinstance(required, list) or not all(isinstance(column, str) for column in required):
        _fail(f"{name}: 'required' must be a list of columns")
    columns = {_column(column, name): spec for column, spec in properties.items()}
    if len(columns) < len(properties):
        _fail(f"{name} has two columns with the same name in snake_case")
    match = ColumnMatcher(tuple(columns))
    return {**value, "properties": columns, "required": [match.name(_column(column, name)) for column in required]}


_PARSERS: dict[str, Any] = {
    "stream": _stream,
    "entity": _text,
    "version": _text,
    "primary_keys": _columns,
    "replication_key": _column,
    "schema": _schema,
    "window_days": _days,
}
_REQUIRED = ("stream", "entity", "version", "primary_keys", "replication_key")


def _fail(reason: str) -> NoReturn:
    msg = f"Setting '{SETTING}': {reason}."
    raise SettingsError(msg)
