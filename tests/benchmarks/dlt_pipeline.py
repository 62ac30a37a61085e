"""The contestant that does without Singer: ``python dlt_pipeline.py objects|parquet|arrow URL DATABASE FOLDER``.

Downloads the export, parses it as a whole, and merges it by id into a DuckDB file with dlt. ``objects`` yields lists of
dictionaries, which dlt loads as it does by default: by INSERT statements. With ``parquet`` it writes the same objects
into Parquet files. ``arrow`` yields tables. The columns have the same types in all cases. It runs in an environment
of its own and imports nothing of this project.
"""

from __future__ import annotations

import gzip
import json
import sys
from typing import TYPE_CHECKING, Any, Literal

import dlt
import pyarrow as pa
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 10_000
TIME = pa.timestamp("ms", tz="UTC")
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        ("type", pa.string()),
        ("dateFrom", TIME),
        ("dateTo", TIME),
        ("botId", pa.string()),
        ("agentId", pa.string()),
        ("duration", pa.float64()),
    ]
)
# Without it, dlt puts whole numbers and fractions into two columns.
COLUMNS = {"duration": {"data_type": "double"}}


def chunks(url: str) -> Iterator[list[dict[str, Any]]]:
    records = json.loads(gzip.decompress(requests.get(url, timeout=60).content))
    for start in range(0, len(records), CHUNK):
        yield records[start : start + CHUNK]


def tables(url: str) -> Iterator[pa.Table]:
    for chunk in chunks(url):
        yield pa.Table.from_pylist(chunk).cast(SCHEMA)


def main(kind: str, url: str, database: str, folder: str) -> None:
    file_format: Literal["parquet"] | None = "parquet" if kind == "parquet" else None
    resource = dlt.resource(
        tables if kind == "arrow" else chunks,
        name="bot_conversations",
        write_disposition="merge",
        primary_key="id",
        columns=None if kind == "arrow" else COLUMNS,
    )
    pipeline = dlt.pipeline(
        "benchmark",
        pipelines_dir=folder,
        destination=dlt.destinations.duckdb(database),
        dataset_name="cxone",
    )
    pipeline.run(resource(url), loader_file_format=file_format).raise_on_failed_jobs()


if __name__ == "__main__":
    main(*sys.argv[1:])
