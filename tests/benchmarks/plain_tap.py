"""The contestant that the tap is compared with: the first version that most developers write, on the Singer SDK.

``python plain_tap.py --config FILE`` is the whole tap. It imports nothing of this project. If the environment variable
PLAIN_TAP_WRITER is msgspec, it uses the faster one of the SDK's two writers.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from singer_sdk import Stream, Tap
from singer_sdk import typing as th
from singer_sdk.contrib.msgspec import MsgSpecWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "tap_cxone/config/schemas/bot_conversations.json").read_text()
)


class PlainStream(Stream):
    """Downloads the file and parses it as the standard library offers; an array is parsed as a whole."""

    name = "bot_conversations"
    primary_keys = ("id",)
    replication_key = "dateFrom"
    schema = SCHEMA

    def get_records(self, context: Any) -> Iterator[dict[str, Any]]:  # noqa: ARG002 - signature of the SDK
        with (
            requests.get(self.config["url"], stream=True, timeout=60) as response,
            gzip.open(response.raw, "rb") as file,
        ):
            if self.config["parse"] == "array":
                yield from json.load(file)
            elif self.config["parse"] == "lines":
                for line in file:
                    yield json.loads(line)
            else:
                for row in csv.DictReader(io.TextIOWrapper(file, newline="")):
                    yield row | {"duration": float(row["duration"])}


class PlainTap(Tap):
    name = "tap-plain"
    config_jsonschema = th.PropertiesList(
        th.Property("url", th.StringType, required=True, description="Address of the file."),
        th.Property("parse", th.StringType, required=True, description="array, lines or csv."),
    ).to_dict()

    def discover_streams(self) -> list[Stream]:
        return [PlainStream(tap=self)]


if __name__ == "__main__":
    if os.environ.get("PLAIN_TAP_WRITER") == "msgspec":
        PlainTap.message_writer_class = MsgSpecWriter
    PlainTap.cli()
