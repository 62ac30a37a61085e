"""``python query_duckdb.py DATABASE STATEMENT`` prints the rows of a query as a JSON array of arrays.

It runs in the environment of the program that has written the database, because DuckDB does not read the files of later
versions.
"""

from __future__ import annotations

import json
import sys

import duckdb


def main(database: str, statement: str) -> None:
    connection = duckdb.connect(database, read_only=True)
    connection.execute("SET TimeZone = 'UTC'")
    print(json.dumps(connection.execute(statement).fetchall()))


if __name__ == "__main__":
    main(*sys.argv[1:])
