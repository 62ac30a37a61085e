"""What the sample project has loaded: a look into its DuckDB file, held against the audit log.

Run by Meltano as ``summary:show`` behind the load. Ends with 1 where the table lacks records that were extracted.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import duckdb

TABLE = "cxone.bot_conversations"


def extracted_windows(audit_log: Path) -> dict[tuple[str, str], int]:
    """Return the records of each extracted window, by its dates; the latest extraction of a window counts."""
    windows: dict[tuple[str, str], int] = {}
    with audit_log.open(encoding="utf-8") as lines:
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue  # half a line, left by a full disk
            if event.get("event") == "window_extracted":
                windows[event["dateFrom"], event["dateTo"]] = event["record_count"]
    return windows


def main() -> int:
    """Print the summary."""
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
        short = []
        for (start, end), records in windows.items():
            held = connection.execute(
                f'SELECT count(*) FROM {TABLE} WHERE "dateFrom" >= ?::TIMESTAMP AND "dateFrom" < ?::TIMESTAMP',
                [start.removesuffix("Z"), end.removesuffix("Z")],
            ).fetchall()[0][0]
            if held < records:
                short.append(f"{start}/{end}: {records} extracted, {held} in the table")
    print(f"Database     {database}, table {TABLE}")
    print(f"Rows         {rows} on {days} days")
    print(f"First event  {first} UTC")
    print(f"Last event   {last} UTC")
    print(f"Extracted    {sum(windows.values())} records in {len(windows)} windows")
    if short:
        print("NOT COMPLETE: the table lacks records of these windows:", *short, sep="\n  ", file=sys.stderr)
        return 1
    print("Complete: the table holds every record that was extracted.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
