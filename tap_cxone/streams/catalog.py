"""The form of a catalog that the tap is given. The SDK fails with a traceback where it is another one."""

from __future__ import annotations

from typing import Any, NoReturn

from tap_cxone.errors import UsageError


def check_catalog(catalog: dict[str, Any]) -> None:
    """Check what the SDK takes for granted.

    Args:
        catalog: the catalog as decoded from JSON.

    Raises:
        UsageError: a part is missing, or of another type.
    """
    streams = catalog.get("streams")
    if not isinstance(streams, list):
        _fail("it has no list 'streams'")
    for number, stream in enumerate(streams, start=1):
        name = stream.get("tap_stream_id") if isinstance(stream, dict) else None
        if not isinstance(name, str):
            _fail(f"stream {number} has no 'tap_stream_id'")
        schema = stream.get("schema")
        if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
            _fail(f"stream '{name}' has no 'schema' with 'properties'")
        metadata = stream.get("metadata", [])
        if not isinstance(metadata, list) or not all(map(_is_metadata, metadata)):
            _fail(f"'metadata' of stream '{name}' is not a list of objects with 'breadcrumb' and 'metadata'")


def _is_metadata(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    return isinstance(entry.get("breadcrumb"), list) and isinstance(entry.get("metadata"), dict)


def _fail(problem: str) -> NoReturn:
    msg = f"The catalog is not valid: {problem}. Write it again with --discover."
    raise UsageError(msg)
