"""The analytics exports API: what its responses mean for a job. No test waits."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from tap_cxone.errors import FatalError, OutcomeUnknownError
from tap_cxone.jobs.analytics import PATH, AnalyticsExports
from tap_cxone.jobs.model import ActiveExport, BusyError, JobGoneError, JobState
from tap_cxone.windows import Window
from tests.conftest import january
from tests.scripted_platform import ok, refusal, scripted_platforms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.scripted_platform import Platform, Serve

WINDOW = Window(january(1), january(2))


@pytest.fixture
def serve() -> Iterator[Serve]:
    with scripted_platforms() as start:
        yield start


def exports(platform: Platform) -> AnalyticsExports:
    return AnalyticsExports(platform.client(), export_filter="type eq 'bot'", export_format="json", compression=None)


def test_a_create_with_an_invalid_query_names_the_settings_of_the_query(serve: Serve) -> None:
    with pytest.raises(FatalError, match="'export_filter', 'export_format' and 'window_days'"):
        exports(serve({PATH: [refusal(400)]})).create(WINDOW)


def test_a_create_beyond_the_limit_means_busy(serve: Serve) -> None:
    with pytest.raises(BusyError):
        exports(serve({PATH: [refusal(409)]})).create(WINDOW)


def test_a_create_without_a_response_is_not_repeated(serve: Serve) -> None:
    platform = serve({PATH: ["reset"]})
    with pytest.raises(OutcomeUnknownError):
        exports(platform).create(WINDOW)
    assert len(platform.calls(PATH)) == 1


def test_only_active_exports_are_listed_and_our_query_is_recognised(serve: Serve) -> None:
    api = exports(serve())
    query = api.query(WINDOW)
    entities = [{"id": 1, "status": "RUNNING", **query}, {"id": 2, "status": "completed"}, {"id": 3}]
    api = exports(serve({PATH: [ok({"entities": entities})]}))
    ours, other = api.list_active()
    assert (ours, other) == (ActiveExport("1", query), ActiveExport("3"))
    assert api.matches_query(ours, WINDOW)
    assert not api.matches_query(ours, Window(january(2), january(3)))
    assert not api.matches_query(other, WINDOW)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("queued", JobState.QUEUED),
        ("RUNNING", JobState.RUNNING),
        ("completed", JobState.COMPLETED),
        ("cancelled", JobState.FAILED),
        ("expired", JobState.FAILED),
        ("something new", JobState.RUNNING),
    ],
)
def test_a_status_becomes_a_job_state(serve: Serve, status: str, state: JobState) -> None:
    found = exports(serve({f"{PATH}/a%2Fb": [ok({"status": status})]})).status("a/b")
    assert found.state is state
    assert bool(found.reason) == (state is JobState.FAILED)


def test_a_job_that_the_platform_does_not_know_is_gone(serve: Serve) -> None:
    api = exports(serve({f"{PATH}/1": [refusal(404)], f"{PATH}/1/download": [refusal(410)]}))
    assert api.status("1").state is JobState.GONE
    with pytest.raises(JobGoneError):
        api.download("1", io.BytesIO())
