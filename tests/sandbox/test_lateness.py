"""Late and corrected records: what exports hold depends on when their job was created."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine

from tap_cxone.sandbox import Sandbox, SandboxOptions
from tap_cxone.sandbox.variations import Lateness

from .extraction_client import read_rows

if TYPE_CHECKING:
    from .conftest import Serve, ServeExtractions

OPTIONS: dict[str, Any] = {"late_records": 0.3, "corrected_records": 0.3, "late_minutes": 600}
RANGE = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC))
FORMATTED = ("2024-01-01T00:00:00.000Z", "2024-01-03T00:00:00.000Z")
EARLY, LATER = datetime(2024, 1, 3, 1, tzinfo=UTC), datetime(2024, 1, 3, 10, tzinfo=UTC)
FINAL_UNTIL = "2024-01-02T15:00:00.000Z"
"""Ten hours before `EARLY`."""


def events_at(now: datetime) -> dict[str, dict[str, Any]]:
    with time_machine.travel(now, tick=False):
        sandbox = Sandbox(SandboxOptions(events_per_day=96, **OPTIONS))
        return {event["id"]: event for event in sandbox.events(*RANGE)}


def test_late_events_are_missing_and_corrected_ones_have_a_first_version_at_first() -> None:
    early, final = events_at(EARLY), events_at(LATER)
    assert len(final) == 2 * 96
    lateness = Lateness(SandboxOptions(**OPTIONS))
    missing = final.keys() - early.keys()
    changed = {key for key, event in early.items() if event != final[key]}
    assert len(missing) > 5
    assert len(changed) > 5
    assert all(lateness.is_late(key) for key in missing)
    assert all(lateness.is_corrected(key) for key in changed)
    assert all(final[key]["dateFrom"] > FINAL_UNTIL for key in missing | changed)
    fresh = {key for key, event in final.items() if event["dateFrom"] > FINAL_UNTIL}
    assert fresh - missing - changed, "most events are neither"
    assert all(early[key]["duration"] == 0 for key in changed)


def test_an_event_is_complete_exactly_as_late_as_the_options_say() -> None:
    with time_machine.travel(RANGE[0] + timedelta(hours=9, minutes=59, seconds=59), tick=False) as clock:
        sandbox = Sandbox(SandboxOptions(events_per_day=96, **(OPTIONS | {"late_records": 1.0})))
        assert list(sandbox.events(*RANGE)) == []
        clock.shift(1)
        [event] = sandbox.events(*RANGE)
    assert event["dateFrom"] == "2024-01-01T00:00:00.000Z"


def test_rows_are_late_and_corrected_like_events() -> None:
    columns = ("qm-workflows", "4", date(2024, 1, 1), date(2024, 1, 3))

    def rows_at(now: datetime) -> dict[str, dict[str, str]]:
        with time_machine.travel(now, tick=False):
            sandbox = Sandbox(SandboxOptions(rows_per_day=96, **OPTIONS))
            return {row["Workflow ID"]: row for row in sandbox.extraction_rows(*columns)}

    early, final = rows_at(EARLY), rows_at(LATER)
    assert len(final) == 2 * 96
    missing = final.keys() - early.keys()
    changed = {key for key, row in early.items() if row != final[key]}
    assert len(missing) > 5
    assert len(changed) > 5
    assert all(final[key]["Submission Date"] > FINAL_UNTIL for key in missing | changed)
    for key in changed:
        assert early[key]["Submission Date"] == final[key]["Submission Date"]
        assert early[key]["Workflow Status"] == ""


@pytest.mark.parametrize("share", ["late_records", "corrected_records"])
def test_a_share_of_late_records_is_at_most_one(share: str) -> None:
    options: dict[str, Any] = {share: 1.5}
    with pytest.raises(ValueError, match=share):
        SandboxOptions(**options)


def test_an_export_keeps_what_was_there_when_its_job_was_created(serve: Serve) -> None:
    with time_machine.travel(EARLY, tick=False) as clock:
        sandbox, client = serve(events_per_day=96, **OPTIONS)

        def create() -> str:
            return client.create_job(date_from=FORMATTED[0], date_to=FORMATTED[1])

        def download(job_id: str) -> Any:
            return json.loads(gzip.decompress(client.download(job_id).content))

        old_job, before = create(), list(sandbox.events(*RANGE))
        clock.move_to(LATER)
        after = list(sandbox.events(*RANGE))
        assert before != after
        assert download(old_job) == before
        assert download(create()) == after


def test_an_extraction_keeps_what_was_there_when_its_job_was_created(serve_extractions: ServeExtractions) -> None:
    with time_machine.travel(EARLY, tick=False) as clock:
        sandbox, client = serve_extractions(rows_per_day=96, **OPTIONS)

        def create() -> str:
            return client.create_job(
                entityName="qm-workflows", version="4", startDate=FORMATTED[0][:10], endDate=FORMATTED[1][:10]
            )

        def rows() -> list[dict[str, str]]:
            return list(sandbox.extraction_rows("qm-workflows", "4", RANGE[0].date(), RANGE[1].date()))

        old_job, before = create(), rows()
        clock.move_to(LATER)
        after = rows()
        assert before != after
        assert read_rows(client.download(old_job).content) == before
        assert read_rows(client.download(create()).content) == after
