"""The fast path: writes RECORD messages in blocks where the SDK's own path would only wrap the record.

It applies if there is no stream map, no flattening and no record limit, every field is selected, and the types
are those of our own schema. The messages are then the same as those of the SDK's path. In all other cases the stream
uses the SDK's path.

A block is encoded at once, as JSON Lines. Encoded JSON has no line breaks of its own, so each line break is replaced by
the end of one message and the start of the next. If the text of the export has the right form, it is not even decoded.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
from singer_sdk.mapper import SameRecordTransform

if TYPE_CHECKING:
    from tap_cxone.records.batch import Batch
    from tap_cxone.records.model import RecordModel
    from tap_cxone.streams.sdk_compat import CompatStream

_encoder = msgspec.json.Encoder()


class FastPath:
    """Encodes the batches of a stream's exports as RECORD messages.

    Args:
        stream: a stream for which ``is_applicable`` is true.
        model: the model of its records.
    """

    def __init__(self, stream: CompatStream, model: RecordModel) -> None:
        self._stream = stream
        self._model = model
        name = _encoder.encode(stream.stream_maps[0].stream_alias)
        self._prefix = b'{"type":"RECORD","stream":' + name + b',"record":'

    @staticmethod
    def is_applicable(stream: CompatStream) -> bool:
        """Return whether the SDK's path would write the records of a stream unchanged."""
        return (
            stream.ABORT_AT_RECORD_COUNT is None
            and [type(stream_map) for stream_map in stream.stream_maps] == [SameRecordTransform]
            and not stream.stream_maps[0].flattening_enabled
            and all(stream.mask["properties", name] for name in stream.schema["properties"])
            # The mask may also deselect a column that only the catalog has so far.
            and all(selected for crumb, selected in stream.mask.items() if crumb)
            and _types(stream.effective_schema) == _types(stream.schema)
        )

    def block(self, batch: Batch) -> bytes:
        """Return the RECORD messages of a batch, one per line, with the current time as their ``time_extracted``."""
        if not batch.count:
            return b""
        suffix = self._suffix()
        if batch.verbatim and (lines := batch.verbatim.lines(batch.count, self._prefix, suffix)):
            return lines
        parts = _encoder.encode_lines(batch.decoded(self._model)).split(b"\n")
        parts[0] = self._prefix + parts[0]
        parts.pop()  # the empty text after the last line break
        parts[-1] += suffix
        return (suffix + self._prefix).join(parts)

    def _suffix(self) -> bytes:
        version = self._stream.version
        version_field = b"" if version is None else b',"version":' + _encoder.encode(version)
        return version_field + b',"time_extracted":' + _encoder.encode(datetime.now(UTC)) + b"}\n"


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
