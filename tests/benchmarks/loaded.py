"""``python loaded.py DATABASE`` prints how many records and how many ids a pipeline loaded into DuckDB.

It runs in the environment of that pipeline, because DuckDB does not read the files of later versions.
"""

from __future__ import annotations

import json
import sys

import duckdb


def main(database: str) -> None:
    connection = duckdb.connect(database, read_only=True)
    found = connection.execute("select count(*), count(distinct id) from cxone.bot_conversations").fetchone()
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
