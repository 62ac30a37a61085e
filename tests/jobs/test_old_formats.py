"""A state and a journal written by version 0.1.0 are read as that version read them.

``tests/data/v0_1_0`` comes from killed runs of that version against a sandbox on port 18471.
"""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import time_machine

from tap_cxone.api.client import PlatformClient
from tap_cxone.api.grants import AccessKey, ClientCredentials
from tap_cxone.jobs.analytics import AnalyticsExports
from tap_cxone.jobs.data_extraction import DataExtraction
from tap_cxone.jobs.journal import JobRecord, Journal
from tap_cxone.jobs.polling import CreateThrottle
from tap_cxone.jobs.store import JobStore
from tap_cxone.sandbox import Sandbox
from tap_cxone.streams.state import StreamState
from tests.conftest import january
from tests.jobs.fakes import SETTLE

if TYPE_CHECKING:
    from tap_cxone.jobs.model import AsyncJobApi

DATA = Path(__file__).parents[1] / "data" / "v0_1_0"
URL = "http://127.0.0.1:18471"
STATE: dict[str, Any] = json.loads((DATA / "state.json").read_text())["bookmarks"]
WRITTEN_AT = datetime.fromisoformat(STATE["qm_workflows"]["export_jobs"][0]["at"])


def state_of(stream: str) -> StreamState:
    content = json.loads(json.dumps(STATE[stream]))
    return StreamState(content, stream=stream, replication_key=content["replication_key"], write=lambda: None)


def client(stream: str) -> PlatformClient:
    if stream == "bot_conversations":
        grant: Any = ClientCredentials(f"{URL}/oauth/token", "sandbox", "sandbox")
    else:
        grant = AccessKey(f"{URL}/token", Sandbox.access_key_id, Sandbox.access_key_secret)
    issuer = "https://cxone.niceincontact.com"
    return PlatformClient(api_url=URL, grant=grant, sleep=lambda _: None, address=issuer)


def api(stream: str) -> AsyncJobApi:
    if stream == "bot_conversations":
        return AnalyticsExports(client(stream), export_filter="type eq 'bot'", export_format="json", compression="gzip")
    return DataExtraction(client(stream), entity="qm-workflows", version="4", create_throttle=CreateThrottle(0))


def store(stream: str, jobs: list[JobRecord], journal: Path | None, end: datetime) -> JobStore:
    with Journal(str(journal) if journal else None, client(stream).digest(stream), SETTLE) as opened:
        return JobStore(opened, jobs, api(stream).fingerprint, lambda _: None, settle=SETTLE, end=end)


def jobs_in_state(stream: str) -> list[JobRecord]:
    return state_of(stream).jobs()


@pytest.mark.parametrize(("stream", "day"), [("bot_conversations", 11), ("qm_workflows", 2)])
def test_an_old_bookmark_is_the_start_of_the_next_run(stream: str, day: int) -> None:
    assert state_of(stream).bookmark() == january(day)


@pytest.mark.parametrize(("stream", "end"), [("bot_conversations", january(26)), ("qm_workflows", january(5))])
@pytest.mark.parametrize("source", ["state", "journal", "both"])
def test_jobs_recorded_by_an_old_version_are_used_again(
    tmp_path: Path, stream: str, end: datetime, source: str
) -> None:
    journal = Path(shutil.copy(DATA / "journal.jsonl", tmp_path)) if source != "state" else None
    expected = jobs_in_state(stream)
    assert expected
    with time_machine.travel(WRITTEN_AT.astimezone(UTC), tick=False):
        found = store(stream, expected if source != "journal" else [], journal, end)
        for job in expected:
            taken = found.take_job(job.window)
            assert taken is not None
            assert (taken.job_id, taken.requested_at) == (job.job_id, job.requested_at)


def test_an_old_state_is_written_back_unchanged() -> None:
    for stream, content in STATE.items():
        assert [job.to_dict() for job in jobs_in_state(stream)] == content["export_jobs"]
