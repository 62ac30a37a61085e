"""The fast path: records to RECORD messages by the block, without a Python object for each message.

What comes out is message for message what the SDK's own path writes. It is taken where that path would do nothing to a
record but wrap it: no stream map, no flattening, no record limit, every field selected, and types as in our own schema.
Everything else goes the SDK's way.

A block is encoded in one go, and a line break, which JSON text inside a message cannot have, becomes the end of one
message and the beginning of the next. Where an export's own text is nothing but such records, it is not even decoded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from singer_sdk.helpers._util import utc_now
from singer_sdk.mapper import SameRecordTransform

if TYPE_CHECKING:
    from singer_sdk.streams import Stream

    from tap_cxone.records.batch import Batch
    from tap_cxone.records.model import RecordModel

_encoder = msgspec.json.Encoder()


class FastPath:
    """Turns the pieces of a stream's exports into blocks of RECORD messages.

    Args:
        stream: the stream, for which ``is_applicable`` holds.
        model: its records.
    """

    def __init__(self, stream: Stream, model: RecordModel) -> None:
        self._stream = stream
        self._model = model
        name = _encoder.encode(stream.stream_maps[0].stream_alias)
        self._before = b'{"type":"RECORD","stream":' + name + b',"record":'

    @staticmethod
    def is_applicable(stream: Stream) -> bool:
        """Tell whether the SDK's path would write a stream's records as they are."""
        return (
            stream.ABORT_AT_RECORD_COUNT is None
            and [type(stream_map) for stream_map in stream.stream_maps] == [SameRecordTransform]
            and not stream.stream_maps[0].flattening_enabled
            and all(stream.mask["properties", name] for name in stream.schema["properties"])
            # Nor is a column left out that only the catalog knows yet.
            and all(selected for crumb, selected in stream.mask.items() if crumb)
            and _types(stream.effective_schema) == _types(stream.schema)
        )

    def block(self, piece: Batch) -> bytes:
        """Return the RECORD messages of a piece, a line each, with the time of now."""
        if not piece.count:
            return b""
        behind = self._behind()
        if piece.verbatim and (lines := piece.verbatim.lines(piece.count, self._before, behind)):
            return lines
        parts = _encoder.encode_lines(piece.decoded(self._model)).split(b"\n")
        parts[0] = self._before + parts[0]
        parts.pop()  # there is a line break behind the last one, too
        parts[-1] += behind
        return (behind + self._before).join(parts)

    def _behind(self) -> bytes:
        version = self._stream._stream_version  # noqa: SLF001 - what the SDK's messages carry
        given = b"" if version is None else b',"version":' + _encoder.encode(version)
        return given + b',"time_extracted":' + _encoder.encode(utc_now()) + b"}\n"


def _types(schema: dict[str, dict[str, dict[str, object]]]) -> dict[str, tuple[object, object]]:
    """Return what the SDK's type conformance goes by."""
    return {
        name: (_sorted(spec.get("type")), spec.get("format")) for name, spec in schema.get("properties", {}).items()
    }


def _sorted(types: object) -> object:
    return (
        sorted(types) if isinstance(types, list) and len(types) > 1 else types[0] if isinstance(types, list) else types
    )
