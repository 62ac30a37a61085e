"""Helpers of the end-to-end tests: what the sandbox holds, and configurations and catalogs for Data Extraction."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from tap_cxone.column_names import column_names
from tap_cxone.tap import TapCXone
from tests.conftest import by_id, by_key, january

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tap_cxone.sandbox import Sandbox
    from tests.conftest import Run, Tap

SHUTDOWN_SECONDS = 10
"""The tap ends within two seconds of a signal; the rest is for a busy machine."""

RECORDINGS, WORKFLOWS, QUESTIONS = "recording_interaction_metadata", "qm_workflows", "qm_questions"
ENTITIES = {
    RECORDINGS: ("recording-interaction-metadata", "12", ("segment_id",)),
    WORKFLOWS: ("qm-workflows", "4", ("workflow_id",)),
    QUESTIONS: ("qm-questions", "1", ("workflow_instance_id", "question_id")),
    "payroll": ("wfm-payroll", "1", ("payroll_id",)),
}
"""By stream: the platform's name of the entity, its version, and the key fields of its records."""

SUBMIT_INTERVAL = 1
"""Seconds between two creates of Data Extraction jobs."""

# --- Bot conversations ------------------------------------------------------------------------------------------------


def expected_events(sandbox: Sandbox, first_day: int = 1, end_day: int = 11) -> dict[str, dict[str, Any]]:
    """Return the valid events of January 2024 from one day up to, but not including, another."""
    return by_id(sandbox.valid_events(january(first_day), january(end_day)))


def jobs_created(sandbox: Sandbox) -> int:
    """Return how many export jobs the tap has created."""
    return sum(not job.foreign for job in sandbox.jobs)


# --- Data Extraction --------------------------------------------------------------------------------------------------


def extraction_config(sandbox: Sandbox, **settings: Any) -> dict[str, Any]:
    """Return a configuration that extracts the first three days of January 2024."""
    return {
        "auth_method": "access_key",
        "auth_url": f"{sandbox.url}/authentication/v1/token/access-key",
        "access_key_id": sandbox.access_key_id,
        "access_key_secret": sandbox.access_key_secret,
        "start_date": "2024-01-01",
        "end_date": "2024-01-04",
        "submit_interval": SUBMIT_INTERVAL,
        "poll_interval": 1,
    } | settings


def catalog_for(*streams: str, config: dict[str, Any] | None = None, without: Iterable[str] = ()) -> dict[str, Any]:
    """Return the discovered catalog in which only these streams are selected, without some of their columns."""
    catalog = TapCXone(config=config or {}, validate_config=False).catalog_dict
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = stream["tap_stream_id"] in streams
            elif entry["breadcrumb"][-1] in without:
                entry["metadata"]["selected"] = False
    return catalog


def catalog_entry(catalog: dict[str, Any], stream: str) -> dict[str, Any]:
    """Return the entry of one stream in a catalog."""
    entries: list[dict[str, Any]] = [entry for entry in catalog["streams"] if entry["tap_stream_id"] == stream]
    [entry] = entries
    return entry


def records_of(run: Run, stream: str) -> list[dict[str, Any]]:
    """Return the records of one stream."""
    return [
        message["record"] for message in run.messages if message["type"] == "RECORD" and message["stream"] == stream
    ]


def bookmark_of(run: Run, stream: str) -> str:
    """Return the last bookmark of one stream."""
    value: str = run.states[-1]["bookmarks"][stream]["replication_key_value"]
    return value


def expected_rows(sandbox: Sandbox, stream: str, start: date, end: date) -> list[dict[str, Any]]:
    """Return the records that a correct client ends up with; ``end`` is exclusive."""
    entity, version, _ = ENTITIES[stream]
    rows = sandbox.extraction_rows(entity, version, start, end)
    return [dict(zip(column_names(tuple(row)), (cell or None for cell in row.values()), strict=True)) for row in rows]


def assert_complete(run: Run, sandbox: Sandbox, stream: str, first_day: int = 1, end_day: int = 4) -> None:
    """Check that a run wrote each row of some days of January 2024 once, and no other."""
    keys = ENTITIES[stream][2]
    expected = expected_rows(sandbox, stream, date(2024, 1, first_day), date(2024, 1, end_day))
    assert by_key(records_of(run, stream), keys) == by_key(expected, keys)


def assert_no_secrets(run: Run, sandbox: Sandbox, folder: Path) -> None:
    """Check that no key, token or signed address is in the output, the log or the files of a run."""
    written = run.out + run.log + "".join(path.read_text() for path in folder.glob("*.jsonl"))
    secrets = [sandbox.access_key_secret, sandbox.access_key_id, *sandbox.tokens]
    signatures = [url.partition("?")[2] for url in sandbox.signed_urls]
    assert sandbox.tokens
    assert not [secret for secret in secrets if secret in written]
    assert not [signature for signature in signatures if signature in written]
    assert "X-Amz-Signature" not in written


def kill_after_first_job(tap: Tap, config: dict[str, Any]) -> dict[str, Any]:
    """Kill a run of the workflows stream as soon as a state holds its first job; return that state."""
    running = tap.start(config, catalog=catalog_for(WORKFLOWS))
    message = running.read_until(
        lambda message: message["type"] == "STATE" and "export_jobs" in message["value"]["bookmarks"].get(WORKFLOWS, {})
    )
    running.kill()
    state: dict[str, Any] = message["value"]
    return state
