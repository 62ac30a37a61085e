"""Two reference points that are no taps: ``python references.py script|floor URL`` reads a JSON array."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import requests
from isal import igzip

SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "tap_cxone/config/schemas/bot_conversations.json").read_text()
)


def script(content: bytes) -> None:
    """Do what a bare sequential script does: inflate, parse, validate, deduplicate; no output."""
    seen = set()
    kept = []
    for record in json.loads(gzip.decompress(content)):
        if record.get("id") in seen or any(name not in record for name in SCHEMA["properties"]):
            continue
        seen.add(record["id"])
        kept.append(record)


def floor(content: bytes) -> None:
    """Inflate, decode and encode everything at once: the least work for a tap that decodes records."""
    kinds: dict[str, Any] = {"string": str, "number": int | float}
    fields = [(name, kinds[spec["type"]]) for name, spec in SCHEMA["properties"].items()]
    record = msgspec.defstruct("Record", fields, gc=False)
    records = msgspec.json.decode(igzip.decompress(content), type=list[record])  # type: ignore[valid-type, no-untyped-call]
    sys.stdout.buffer.write(msgspec.json.Encoder().encode_lines(records))


if __name__ == "__main__":
    {"script": script, "floor": floor}[sys.argv[1]](requests.get(sys.argv[2], timeout=60).content)
