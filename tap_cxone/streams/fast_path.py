"""The fast path: wraps the lines of a verified file into RECORD messages, without decoding them.

It applies if there is no stream map, no flattening and no record limit, and the types are those of our own schema. The
messages are then the same as those of the SDK's path. In all other cases the stream uses the SDK's path.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
from singer_sdk.mapper import SameRecordTransform

if TYPE_CHECKING:
    from tap_cxone.records.canonical import Lines
    from tap_cxone.streams.sdk_compat import CompatStream

_encoder = msgspec.json.Encoder()


class FastPath:
    """Makes RECORD messages of a stream's records.

    Args:
        stream: a stream for which ``is_applicable`` is true.
    """

    def __init__(self, stream: CompatStream) -> None:
        name = _encoder.encode(stream.stream_maps[0].stream_alias)
        self._prefix = b'{"type":"RECORD","stream":' + name + b',"record":'

    @staticmethod
    def is_applicable(stream: CompatStream) -> bool:
        """Return whether the SDK's path would write the records of a stream unchanged."""
        return (
            stream.ABORT_AT_RECORD_COUNT is None
            and [type(stream_map) for stream_map in stream.stream_maps] == [SameRecordTransform]
            and not stream.stream_maps[0].flattening_enabled
            and _types(stream.effective_schema) == _types(stream.schema)
        )

    def messages(self, lines: Lines) -> tuple[bytes | memoryview, ...]:
        """Return the RECORD messages of some records, one per line, in pieces to be written one after the other.

        Their ``time_extracted`` is the current time.
        """
        if not lines.count:
            return ()
        # Each line break becomes the end of one message and the beginning of the next; the last one begins none.
        text = memoryview(lines.text.replace(b"\n", _suffix() + self._prefix))
        return self._prefix, text[: -len(self._prefix)]


def _suffix() -> bytes:
    return b',"time_extracted":' + _encoder.encode(datetime.now(UTC)) + b"}\n"


def _types(schema: dict[str, dict[str, dict[str, object]]]) -> dict[str, tuple[object, object]]:
    """Return the parts of a schema that decide how the SDK conforms values."""
    return {
        name: (_without_order(spec.get("type")), spec.get("format"))
        for name, spec in schema.get("properties", {}).items()
    }


def _without_order(types: object) -> object:
    if not isinstance(types, list):
        return types
    return types[0] if len(types) == 1 else sorted(types)
