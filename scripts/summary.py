"""Show what the sample project has loaded, and compare its DuckDB table with the tap's audit log.

Meltano runs it as ``summary:show`` after the load. Exits with 1 if the table lacks records that were extracted.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import duckdb

TABLE = "cxone.bot_conversations"


def extracted_windows(audit_log: Path) -> dict[tuple[str, str], int]:
    """Return the record count of each window by its start and end; the latest extraction of a window counts."""
    windows: dict[tuple[str, str], int] = {}
    with audit_log.open(encoding="utf-8") as lines:
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue  # an incomplete line, for example after a full disk
            if event.get("event") == "window_extracted":
                windows[event["dateFrom"], event["dateTo"]] = event["record_count"]
    return windows


def main() -> int:
    """Print the summary and return the exit code."""
    database = Path(os.environ["SUMMARY_DATABASE"])
    audit_log = Path(os.environ["SUMMARY_AUDIT_LOG"])
    if not database.exists() or not audit_log.exists():
        print("Nothing has been loaded yet.", file=sys.stderr)
        return 1
    windows = extracted_windows(audit_log)
    with duckdb.connect(str(database), read_only=True) as connection:
        rows, days, first, last = connection.execute(
            f'SELECT count(*), count(DISTINCT "dateFrom"::DATE), min("dateFrom"), max("dateFrom") FROM {TABLE}'
        ).fetchall()[0]
        incomplete = []
        for (start, end), records in windows.items():
            loaded = connection.execute(
                f'SELECT count(*) FROM {TABLE} WHERE "dateFrom" >= ?::TIMESTAMP AND "dateFrom" < ?::TIMESTAMP',
                [start.removesuffix("Z"), end.removesuffix("Z")],
            ).fetchall()[0][0]
            if loaded < records:
                incomplete.append(f"{start}/{end}: {records} extracted, {loaded} in the table")
    print(f"Database     {database}, table {TABLE}")
    print(f"Rows         {rows} on {days} days")
    print(f"First event  {first} UTC")
    print(f"Last event   {last} UTC")
    print(f"Extracted    {sum(windows.values())} records in {len(windows)} windows")
    if incomplete:
        print("NOT COMPLETE: the table lacks records of these windows:", *incomplete, sep="\n  ", file=sys.stderr)
        return 1
    print("Complete: the table holds every record that was extracted.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
