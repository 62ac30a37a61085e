"""The contestants of the benchmark: each reads one export in a process of its own and reports how long it took.

``python -m tests.benchmarks.contestants NAME FILE`` writes the output of the contestant to standard output. On standard
error it writes one JSON object: seconds (without start-up), records, and the memory peak of the process in MiB.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from isal import igzip
from singer_sdk import Stream, Tap
from singer_sdk import typing as th
from singer_sdk.contrib.msgspec import MsgSpecWriter

from tap_cxone.records.verify import read_unique, verify_export
from tap_cxone.streams.fast_path import FastPath
from tap_cxone.streams.writer import MessageWriter
from tap_cxone.tap import TapCXone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "tap_cxone/config/schemas/bot_conversations.json").read_text()
)
FIELDS = tuple(SCHEMA["properties"])


class PlainStream(Stream):
    """The first version that most developers write: parses the whole document, then yields its records."""

    name = "bot_conversations"
    primary_keys = ("id",)
    replication_key = "dateFrom"
    schema = SCHEMA

    def get_records(self, context: Any) -> Iterator[dict[str, Any]]:  # noqa: ARG002 - signature of the SDK
        with gzip.open(self.config["file"], "rb") as file:
            yield from json.load(file)


class PlainTap(Tap):
    """A plain singer-sdk tap."""

    name = "tap-plain"
    config_jsonschema = th.PropertiesList(th.Property("file", th.StringType)).to_dict()

    def discover_streams(self) -> list[Stream]:
        return [PlainStream(tap=self)]


class PlainTapMsgspec(PlainTap):
    """The same tap with the SDK's faster writer."""

    message_writer_class = MsgSpecWriter


def sdk(kind: type[Tap]) -> Callable[[Path], tuple[float, int]]:
    def run(path: Path) -> tuple[float, int]:
        tap = kind(config={"file": str(path)})
        return timed(tap.sync_all), -1

    return run


def script(path: Path) -> tuple[float, int]:
    """Do what a bare sequential script does after its download: inflate, parse, validate, deduplicate; no output."""
    kept: list[dict[str, Any]] = []

    def process() -> None:
        seen = set()
        for record in json.loads(gzip.decompress(path.read_bytes())):
            if record.get("id") in seen or any(name not in record for name in FIELDS):
                continue
            seen.add(record["id"])
            kept.append(record)

    return timed(process), len(kept)


def floor(path: Path) -> tuple[float, int]:
    """Inflate, decode and encode the whole export at once: the least work for a tap that decodes records."""
    kinds: dict[str, Any] = {"string": str, "number": int | float}
    record = msgspec.defstruct(
        "Record", [(name, kinds[spec["type"]]) for name, spec in SCHEMA["properties"].items()], gc=False
    )
    count = 0

    def process() -> None:
        nonlocal count
        records = msgspec.json.decode(igzip.decompress(path.read_bytes()), type=list[record])  # type: ignore[valid-type, no-untyped-call]
        sys.stdout.buffer.write(msgspec.json.Encoder().encode_lines(records))
        count = len(records)

    return timed(process), count


def tap_cxone(path: Path, *, verify: bool) -> tuple[float, int]:
    """Emit a verified file; ``verify`` includes the verification in the time."""
    tap = TapCXone(config={"sandbox": True, "start_date": "2024-01-01"})
    stream: Any = tap.streams["bot_conversations"]
    model = stream.record_model()
    fast_path = FastPath(stream, model)
    assert FastPath.is_applicable(stream)
    verified = []
    verification = timed(lambda: verified.append(verify_export(path, model)))
    [found] = verified

    def emit() -> None:
        for batch in read_unique(path, found, found.keys.duplicates(None)):
            MessageWriter.write_block(fast_path.block(batch))

    return timed(emit) + (verification if verify else 0.0), found.valid


def timed(process: Callable[[], object]) -> float:
    begun = time.perf_counter()
    process()
    sys.stdout.flush()
    return time.perf_counter() - begun


def peak_mib(process: int | str) -> float:
    """Return the peak of a process's memory. (wait4 and getrusage include the parent's memory before exec.)"""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


CONTESTANTS: dict[str, Callable[[Path], tuple[float, int]]] = {
    "tap-cxone, verified file to output": lambda path: tap_cxone(path, verify=False),
    "tap-cxone, verification included": lambda path: tap_cxone(path, verify=True),
    "plain singer-sdk tap": sdk(PlainTap),
    "plain singer-sdk tap, msgspec writer": sdk(PlainTapMsgspec),
    "bare script, no output": script,
    "floor: inflate, decode, encode": floor,
}


if __name__ == "__main__":
    seconds, records = CONTESTANTS[sys.argv[1]](Path(sys.argv[2]))
    peak = peak_mib("self")
    print(json.dumps({"seconds": seconds, "records": records, "peak_mib": peak}), file=sys.stderr)
