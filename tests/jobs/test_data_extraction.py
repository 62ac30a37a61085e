"""The Data Extraction API: what its responses mean for a job. No test waits."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.errors import FatalError, RefusedError
from tap_cxone.jobs.data_extraction import PATH, DataExtraction
from tap_cxone.jobs.model import BusyError, JobGoneError, JobState
from tap_cxone.jobs.polling import CreateThrottle
from tap_cxone.windows import Window
from tests.conftest import january
from tests.scripted_platform import ok, refusal, scripted_platforms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.scripted_platform import Platform, Serve

WINDOW = Window(january(1), january(2))
JOB = f"{PATH}/1"


@pytest.fixture
def serve() -> Iterator[Serve]:
    with scripted_platforms() as start:
        yield start


def extraction(platform: Platform) -> DataExtraction:
    return DataExtraction(platform.client(), entity="qm", version="1", create_throttle=CreateThrottle(30))


def jobs(*ids: str) -> Any:
    return ok({"jobs": [{"id": job_id, "status": "RUNNING"} for job_id in ids]})


def test_a_create_is_followed_by_the_minimum_interval(serve: Serve) -> None:
    api = extraction(serve({PATH: [ok("job-1")]}))
    assert api.seconds_until_create() == 0
    assert api.create(WINDOW) == "job-1"
    assert 29 < api.seconds_until_create() <= 30


def test_a_throttled_create_is_busy_with_a_final_error(serve: Serve) -> None:
    platform = serve({PATH: [jobs("other"), jobs("other"), refusal(403)]})
    api = extraction(platform)
    api.list_active()
    api.list_active()
    with pytest.raises(BusyError) as caught:
        api.create(WINDOW)
    assert isinstance(caught.value.refusal, FatalError)
    assert platform.pauses == []


def test_a_persistent_403_of_the_list_is_a_refusal(serve: Serve) -> None:
    api = extraction(serve({PATH: [refusal(403)] * 99}))
    with pytest.raises(RefusedError, match="a permission is missing") as caught:
        api.list_active()
    assert caught.value.exit_code == 3


def test_a_throttled_create_has_no_final_error_if_others_create_jobs(serve: Serve) -> None:
    platform = serve({PATH: [jobs("other"), jobs("other", "new"), refusal(403)]})
    api = extraction(platform)
    api.list_active()
    assert [export.job_id for export in api.list_active()] == ["other", "new"]
    with pytest.raises(BusyError) as first:
        api.create(WINDOW)
    with pytest.raises(BusyError) as second:
        api.create(WINDOW)
    assert first.value.refusal is None
    assert second.value.refusal is not None, "others have created no job since the first refusal"


def test_our_own_jobs_do_not_count_as_jobs_of_others(serve: Serve) -> None:
    platform = serve({PATH: [jobs(), ok({"jobId": "ours"}), jobs("ours"), refusal(403)]})
    api = extraction(platform)
    api.list_active()
    assert api.create(WINDOW) == "ours"
    api.list_active()
    with pytest.raises(BusyError) as caught:
        api.create(WINDOW)
    assert caught.value.refusal is not None


def test_a_create_with_an_invalid_query_names_the_settings_of_the_entity(serve: Serve) -> None:
    with pytest.raises(FatalError, match=r"'entity' and 'version'.*'extraction_window_days'"):
        extraction(serve({PATH: [refusal(400)]})).create(WINDOW)


@pytest.mark.parametrize(
    ("response", "state"),
    [
        (ok({"jobStatus": {"status": "running"}}), JobState.RUNNING),
        (ok({"jobStatus": {"status": "SUCCEEDED", "result": {"url": "https://store.example/x"}}}), JobState.COMPLETED),
        (ok({"jobStatus": {"status": "CANCELLED"}}), JobState.FAILED),
        (ok({"jobStatus": {"status": "EXPIRED"}}), JobState.GONE),
        (ok({"jobStatus": {"status": "SOMETHING_NEW"}}), JobState.RUNNING),
        ((204, {}, b""), JobState.GONE),
        (refusal(404), JobState.GONE),
    ],
    ids=str,
)
def test_a_status_becomes_a_job_state(serve: Serve, response: Any, state: JobState) -> None:
    found = extraction(serve({JOB: [response]})).status("1")
    assert found.state is state
    assert bool(found.reason) == (state in {JobState.FAILED, JobState.GONE})


def test_a_download_uses_the_url_of_the_status(serve: Serve) -> None:
    storage = serve({"/file": [(200, {}, b"a,b\n")]})
    status = ok({"jobStatus": {"status": "SUCCEEDED", "result": {"url": f"{storage.url}/file?sig=1"}}})
    file = io.BytesIO()
    assert extraction(serve({JOB: [status]})).download("1", file) == 4
    assert file.getvalue() == b"a,b\n"


@pytest.mark.parametrize("response", [refusal(404), ok({"jobStatus": {"status": "RUNNING"}})], ids=str)
def test_a_download_of_a_job_that_is_not_complete_has_no_file(serve: Serve, response: Any) -> None:
    with pytest.raises(JobGoneError):
        extraction(serve({JOB: [response]})).download("1", io.BytesIO())
