"""A dlt resource that runs tap-cxone and loads its BATCH files as Arrow tables, one table for each selected stream.

The tap exports, validates and deduplicates; dlt merges by key and keeps the tap's state. README.md says how to use it.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt
import pyarrow as pa
from pyarrow import json as arrow_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

RECORDS_PER_FILE = 125_000  # a row group of Parquet: DuckDB loads them in parallel from 122,880 rows on
TYPES = {"number": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_()}


@dlt.resource(name="cxone")
def cxone(
    settings: dict[str, Any] = dlt.config.value,
    credentials: dict[str, Any] | None = dlt.secrets.value,
    catalog: str | None = None,
    command: str = "tap-cxone",
) -> Iterator[Any]:
    """Yield the records of all selected streams.

    Args:
        settings: settings of the tap that are not secret, such as start_date.
        credentials: its other settings. Like the others, the tap gets them by its environment, not in a file.
        catalog: path of a Singer catalog that selects streams and columns. Default: bot_conversations.
        command: the tap; a path if it is not on PATH.

    Raises:
        RuntimeError: the tap failed.
    """
    # dlt commits this dictionary with the load package that gets the records of this run, and neither of them if the
    # run fails. So the state that the tap is given next time never passes a record that is not in a package.
    kept = dlt.current.resource_state()
    with tempfile.TemporaryDirectory(prefix="cxone-") as folder:  # its mode is 0700
        batches = {
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": f"file://{folder}"},
            "batch_size": RECORDS_PER_FILE,
        }
        environment = dict(os.environ)
        for name, value in (settings | (credentials or {}) | {"batch_config": batches}).items():
            text = json.dumps(value) if isinstance(value, (bool, dict, list)) else str(value)
            environment[f"TAP_CXONE_{name.upper()}"] = text
        state = Path(folder, "state.json")
        state.write_text(json.dumps(kept.get("state", {})), encoding="utf-8")
        arguments = [command, "--config=ENV", f"--state={state}", *([f"--catalog={catalog}"] if catalog else [])]
        with subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE) as tap:
            yield from tables(tap.stdout or (), kept)
    if tap.returncode:
        msg = (
            f"tap-cxone ended with exit code {tap.returncode}; its log says why. Nothing of this run is loaded: the "
            "next one starts where the last successful one ended."
        )
        raise RuntimeError(msg)


def tables(messages: Iterable[bytes], kept: dict[str, Any]) -> Iterator[Any]:
    """Yield a table for each file that the tap's messages name, and keep its state."""
    schemas: dict[str, pa.Schema] = {}
    for message in map(json.loads, messages):
        if message["type"] == "SCHEMA":
            stream, keys = message["stream"], message["key_properties"]
            schemas[stream] = arrow_schema(message["schema"]["properties"], keys)
            # If one run has two versions of a row, that with the later date is loaded.
            later = {name: {"dedup_sort": "desc"} for name in message.get("bookmark_properties") or ()}
            hints = dlt.mark.make_hints(stream, write_disposition="merge", primary_key=keys, columns=later)
            yield dlt.mark.with_hints(schemas[stream].empty_table(), hints, create_table_variant=True)
        elif message["type"] == "BATCH":
            stream = message["stream"]
            for url in message["manifest"]:
                yield read(url, stream, schemas[stream])
        elif message["type"] == "STATE":
            kept["state"] = message["value"]


def read(url: str, stream: str, schema: pa.Schema) -> Any:
    """Read a file of gzip-compressed JSON Lines, remove it, and return the records for dlt."""
    path = Path(url.removeprefix("file://"))  # the tap escapes nothing in it
    blocks = arrow_json.ReadOptions(block_size=8 * 2**20)  # no record may be longer
    options = arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    with pa.input_stream(str(path), compression="gzip") as file:
        table = arrow_json.read_json(file, blocks, options).cast(schema)
    path.unlink()
    return dlt.mark.with_table_name(table, stream)


def arrow_schema(properties: dict[str, Any], keys: list[str]) -> pa.Schema:
    """Return the columns of a stream. Their types come from its JSON Schema, never from the records."""
    fields = []
    for name, spec in properties.items():
        types = [spec["type"]] if isinstance(spec["type"], str) else spec["type"]
        found = next((TYPES[kind] for kind in types if kind in TYPES), pa.string())
        is_time = spec.get("format") == "date-time"
        fields.append(pa.field(name, pa.timestamp("us", tz="UTC") if is_time else found, nullable=name not in keys))
    return pa.schema(fields)


if __name__ == "__main__":
    pipeline = dlt.pipeline("tap_cxone", destination="duckdb", dataset_name="cxone")
    print(pipeline.run(cxone()))
