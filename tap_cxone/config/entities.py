"""Which entities of the Data Extraction API become streams: three that are known, and any other by configuration.

Entity names, versions and keys come from the vendor's documentation and from clients that are known to work; the types
of the known streams stand in ``schemas/``. Pure: knows nothing of jobs and files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import TYPE_CHECKING, Any, NoReturn

from tap_cxone.errors import SettingsError
from tap_cxone.records.names import TEXT, column_name

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTING = "data_extraction_entities"
MAX_WINDOW_DAYS = 14
"""Two weeks is the most that the vendor recommends for one job."""
_TYPES = ("string", "number", "integer", "boolean", "null")


@dataclass(frozen=True)
class Entity:
    """One stream of the Data Extraction API.

    Attributes:
        stream: name of the stream.
        entity: name of the entity, as the platform has it.
        version: its version, which decides on the columns.
        primary_keys: columns that identify a row together, in snake_case.
        replication_key: column that the platform filters by, in snake_case.
        schema: types of columns.
        allow_new_columns: whether columns besides those of the schema are taken up.
        window_days: days in one job; none: as the setting says.
        aliases: other names under which a key is known in some files.
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


def entities(configured: object) -> list[Entity]:
    """Return the known entities and the configured ones.

    A configured one whose stream is a known one changes that one in what it gives.

    Raises:
        SettingsError: something is missing or impossible.
    """
    found = {entity.stream: entity for entity in _known()}
    if configured is None:
        configured = []
    if not isinstance(configured, list):
        _refuse("must be a list of objects")
    # Tables are, as a rule, not told apart by case.
    seen: set[str] = set()
    known = {stream.lower(): stream for stream in (*found, "bot_conversations")}
    for place, item in enumerate(configured, start=1):
        entity = _entity(item, place, found)
        if entity.stream.lower() in seen or known.get(entity.stream.lower(), entity.stream) != entity.stream:
            _refuse(f"names the stream '{entity.stream}' twice")
        seen.add(entity.stream.lower())
        found[entity.stream] = entity
    return list(found.values())


def _known() -> list[Entity]:
    return [
        Entity(
            stream="recording_interaction_metadata",
            entity="recording-interaction-metadata",
            version="12",
            primary_keys=("segment_id",),
            replication_key="start_date",
            schema=_schema_of("recording_interaction_metadata"),
        ),
        Entity(
            stream="qm_workflows",
            entity="qm-workflows",
            version="4",
            primary_keys=("workflow_id",),
            replication_key="submission_date",
            schema=_schema_of("qm_workflows"),
        ),
        Entity(
            stream="qm_questions",
            entity="qm-questions",
            version="1",
            primary_keys=("workflow_instance_id", "question_id"),
            replication_key="submission_date",
            schema=_schema_of("qm_questions"),
            aliases={
                "workflow_instance_id": ("workflow_instance", "workflow_id"),
                "question_id": ("question", "question_text"),
            },
        ),
    ]


def _schema_of(stream: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(
        resources.files("tap_cxone.config.schemas").joinpath(f"{stream}.json").read_text()
    )
    return schema


def _entity(item: object, place: int, known: Mapping[str, Entity]) -> Entity:
    if not isinstance(item, dict):
        _refuse(f"entry {place} must be an object")
    unknown = item.keys() - _READERS.keys()
    if unknown:
        _refuse(f"entry {place} has '{min(map(str, unknown))}', which is none of {', '.join(_READERS)}")
    given = {name: read(item[name], f"entry {place}: '{name}'") for name, read in _READERS.items() if name in item}
    preset = known.get(given.get("stream", ""))
    if preset and given.get("entity", preset.entity) != preset.entity:
        preset = None  # another entity under a known name has nothing of the known one
    missing = [name for name in _NEEDED if name not in given]
    if missing and not preset:
        _refuse(f"entry {place} lacks {', '.join(map(repr, missing))}")
    if "schema" in given:
        given["allow_new_columns"] = False
    entity = replace(preset, **given) if preset else Entity(**given)
    if "primary_keys" in given:
        entity = replace(entity, aliases={})
    return replace(entity, schema=_completed(entity))


def _completed(entity: Entity) -> dict[str, Any]:
    """Return the schema with the keys, which have to be there, and the replication key."""
    properties = dict(entity.schema.get("properties", {}))
    for key in entity.primary_keys:
        properties.setdefault(key, {"type": "string"})
    for column in (entity.replication_key, *entity.schema.get("required", ())):
        properties.setdefault(column, TEXT)
    required = dict.fromkeys([*entity.schema.get("required", ()), *entity.primary_keys])
    return {**entity.schema, "type": "object", "properties": properties, "required": list(required)}


# --- What an entry may hold -------------------------------------------------------------------------------------------


def _text(value: object, name: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value).strip():
        _refuse(f"{name} must be a text that is not empty")
    return str(value).strip()


def _stream(value: object, name: str) -> str:
    text = _text(value, name)
    if text == "bot_conversations" or not text.replace("_", "").replace("-", "").isalnum():
        _refuse(f"{name} must be made of letters, digits, hyphens and underscores, and no other stream's name")
    return text


def _column(value: object, name: str) -> str:
    column = column_name(_text(value, name))
    if not column:
        _refuse(f"{name} must name a column")
    return column


def _columns(value: object, name: str) -> tuple[str, ...]:
    names = tuple(_column(item, name) for item in value) if isinstance(value, list) else (_column(value, name),)
    if not names or len(set(names)) < len(names):
        _refuse(f"{name} must name at least one column, and none twice")
    return names


def _days(value: object, name: str) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= MAX_WINDOW_DAYS:
        _refuse(f"{name} must be a whole number from 1 to {MAX_WINDOW_DAYS}")
    return int(text)


def _schema(value: object, name: str) -> dict[str, Any]:
    properties = value.get("properties") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(properties, dict) or not properties:
        _refuse(f"{name} must be a JSON Schema of an object with 'properties'")
    for column, spec in properties.items():
        kinds = spec.get("type") if isinstance(spec, dict) else None
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if not isinstance(kinds, list) or not kinds or kinds == ["null"] or any(kind not in _TYPES for kind in kinds):
            _refuse(f"{name}: '{column}' must have a 'type' of {', '.join(sorted(_TYPES))}")
    required = value.get("required", [])
    if not isinstance(required, list) or not all(isinstance(column, str) for column in required):
        _refuse(f"{name}: 'required' must be a list of columns")
    named = {_column(column, name): spec for column, spec in properties.items()}
    if len(named) < len(properties):
        _refuse(f"{name} has two columns that both are called the same in snake_case")
    return {**value, "properties": named, "required": [_column(column, name) for column in required]}


_READERS: dict[str, Any] = {
    "stream": _stream,
    "entity": _text,
    "version": _text,
    "primary_keys": _columns,
    "replication_key": _column,
    "schema": _schema,
    "window_days": _days,
}
_NEEDED = ("stream", "entity", "version", "primary_keys", "replication_key")


def _refuse(reason: str) -> NoReturn:
    msg = f"Setting '{SETTING}': {reason}."
    raise SettingsError(msg)
