"""The Data Extraction API: validation, limits and the life cycle of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from tap_cxone.sandbox import Fault

from .extraction_client import JOBS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Clock, ServeExtractions


def _is_empty_403(response: requests.Response) -> bool:
    return (response.status_code, response.content) == (403, b"") and bool(response.headers["icStatusDescription"])


def test_a_job_from_create_to_download(serve_extractions: ServeExtractions, clock: Clock) -> None:
    sandbox, client = serve_extractions(job_seconds=60)
    empty = client.list()
    assert (empty.status_code, empty.content) == (204, b"")
    assert "Content-Type" not in empty.headers

    created = client.create()
    assert created.status_code == 202
    job_id = created.json()
    assert created.text == f'"{job_id}"'
    assert client.list().json() == {"jobs": [{"id": job_id, "status": "RUNNING"}]}
    running = {"url": "", "messageError": None, "errorMessage": None}
    assert client.status(job_id).json() == {"jobStatus": {"id": job_id, "status": "RUNNING", "result": running}}

    clock.advance(60)
    assert client.wait_for(job_id) == "SUCCEEDED"
    assert client.list().json() == {"jobs": [{"id": job_id, "status": "SUCCEEDED"}]}
    assert client.download(job_id).status_code == 200
    job = sandbox.extractions[0]
    assert (job.id, job.request.entity, job.request.version) == (job_id, "recording-interaction-metadata", "7")
    assert (f"{job.request.start_date}", f"{job.request.end_date}") == ("2024-01-02", "2024-01-04")
    assert (job.status, job.foreign, job.downloads) == ("completed", False, 1)
    assert sandbox.requests[-1].call == "download"
    assert sandbox.requests[-1].job_id == job_id
    assert sandbox.max_active_extractions == 1


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"entityName": "calls"}, "entityName"),
        ({"entityName": None}, "entityName"),
        ({"version": "8"}, "version"),
        ({"version": 7}, "version"),
        ({"entityName": "qm-workflows", "version": "7"}, "version"),
        ({"startDate": "2024-1-2"}, "startDate"),
        ({"startDate": "20240102"}, "startDate"),
        ({"startDate": "2024-W01-2"}, "startDate"),
        ({"startDate": "2024-01-02T00:00:00.000Z"}, "startDate"),
        ({"startDate": " 2024-01-02"}, "startDate"),
        ({"endDate": "2024-02-30"}, "endDate"),
        ({"endDate": "2024-01-01"}, "endDate"),
        ({"endDate": "2024-01-17"}, "endDate"),
        ({"format": "csv"}, "format"),
    ],
)
def test_an_invalid_field_is_rejected_by_name(
    serve_extractions: ServeExtractions, changes: dict[str, Any], name: str
) -> None:
    sandbox, client = serve_extractions()
    response = client.create(**changes)
    assert response.status_code == 400
    assert response.json()["message"].startswith(f"{name}:")
    assert (sandbox.extractions, sandbox.refused_creates) == ([], 0)


def test_a_body_that_is_not_a_json_object_is_rejected(serve_extractions: ServeExtractions) -> None:
    sandbox, client = serve_extractions()
    json_type = {"Content-Type": "application/json"}
    for body, headers in ((b"{", json_type), (b"[]", json_type), (b"{}", json_type), (b"{}", {})):
        assert client.session.post(sandbox.url + JOBS, data=body, headers=headers, timeout=5).status_code == 400


def test_ranges_of_fourteen_and_of_no_days_are_allowed(serve_extractions: ServeExtractions) -> None:
    _, client = serve_extractions()
    assert client.create(endDate="2024-01-16").status_code == 202
    assert client.create(endDate="2024-01-02").status_code == 202


def test_only_one_job_can_be_active(serve_extractions: ServeExtractions, clock: Clock) -> None:
    sandbox, client = serve_extractions(job_seconds=60)
    job_id = client.create_job()
    assert _is_empty_403(client.create(entityName="qm-questions", version="1"))
    clock.advance(60)
    assert client.wait_for(job_id) == "SUCCEEDED"
    client.create_job()
    assert (sandbox.refused_creates, sandbox.max_active_extractions) == (1, 1)


def test_creates_must_be_spaced(serve_extractions: ServeExtractions, clock: Clock) -> None:
    sandbox, client = serve_extractions(submit_seconds=30)
    job_id = client.create_job()
    assert client.wait_for(job_id) == "SUCCEEDED"
    assert _is_empty_403(client.create())
    clock.advance(10)
    assert _is_empty_403(client.create())
    clock.advance(20)
    client.create_job()
    assert sandbox.refused_creates == 2


def test_a_refused_create_can_restart_the_spacing(serve_extractions: ServeExtractions, clock: Clock) -> None:
    _, client = serve_extractions(submit_seconds=30, submit_counts_refusals=True)
    client.create_job()
    for _ in range(2):
        clock.advance(20)
        assert _is_empty_403(client.create())
    clock.advance(30)
    client.create_job()


def test_the_default_times_are_thirty_seconds(serve_extractions: ServeExtractions) -> None:
    sandbox, _ = serve_extractions()
    assert type(sandbox.options)().submit_seconds == 30
    assert type(sandbox.options)().url_seconds == 30


def test_a_missing_permission_looks_like_a_limit(serve_extractions: ServeExtractions) -> None:
    _, client = serve_extractions(forbidden_entities="wfm-payroll, qm-questions", submit_seconds=30)
    forbidden = [client.create(entityName=name, version="1") for name in ("wfm-payroll", "qm-questions")]
    client.create_job()
    throttled = client.create()
    assert all(_is_empty_403(response) for response in (*forbidden, throttled))
    assert len({response.headers["icStatusDescription"] for response in (*forbidden, throttled)}) == 1


def test_a_job_of_another_integration_blocks_creates(serve_extractions: ServeExtractions, clock: Clock) -> None:
    sandbox, client = serve_extractions(foreign_extractions=1, foreign_seconds=60, submit_seconds=30)
    (foreign,) = client.list().json()["jobs"]
    assert foreign["status"] == "RUNNING"
    assert _is_empty_403(client.create())
    clock.advance(60)
    assert client.wait_for(foreign["id"]) == "SUCCEEDED"
    client.create_job()
    assert [job.foreign for job in sandbox.extractions] == [True, False]
    assert sandbox.max_active_extractions == 1


def test_another_integration_can_create_jobs_regularly(serve_extractions: ServeExtractions, clock: Clock) -> None:
    sandbox, client = serve_extractions(rival_every=100, foreign_seconds=10, submit_seconds=60)
    first = client.create_job()
    clock.advance(115)
    jobs = client.list().json()["jobs"]
    assert [job["id"] for job in jobs][:1] == [first]
    assert len(jobs) == 2
    # The job of the other integration has finished, but its create was too recent.
    assert client.wait_for(jobs[1]["id"]) == "SUCCEEDED"
    assert _is_empty_403(client.create())
    clock.advance(50)
    client.create_job()
    clock.advance(40)
    assert [job.foreign for job in sandbox.extractions] == [False, True, False, True]
    assert len({job["id"] for job in client.list().json()["jobs"]}) == 4


def test_jobs_can_fail_be_cancelled_or_never_finish(serve_extractions: ServeExtractions) -> None:
    _, client = serve_extractions(fail_first=2, cancel_first=1)
    cancelled, failed, good = client.create_job(), client.create_job(), client.create_job()
    assert client.status_and_url(cancelled) == ("CANCELLED", "")
    result = client.status(failed).json()["jobStatus"]["result"]
    assert (client.wait_for(failed), result["url"]) == ("FAILED", "")
    assert "internal error" in result["messageError"] == result["errorMessage"]
    assert client.wait_for(good) == "SUCCEEDED"
    _, client = serve_extractions(stuck_first=1)
    stuck = client.create_job()
    assert client.status_and_url(stuck) == ("RUNNING", "")
    assert _is_empty_403(client.create())
    _, client = serve_extractions(fail_all=True)
    assert [client.wait_for(client.create_job()) for _ in range(3)] == ["FAILED"] * 3


def test_jobs_with_long_ranges_can_fail(serve_extractions: ServeExtractions) -> None:
    _, client = serve_extractions(fail_longer_than_days=1)
    assert client.wait_for(client.create_job(endDate="2024-01-03")) == "SUCCEEDED"
    assert client.wait_for(client.create_job(endDate="2024-01-04")) == "FAILED"


@pytest.mark.parametrize(("case", "status"), [("upper", "SUCCEEDED"), ("lower", "succeeded"), ("title", "Succeeded")])
def test_the_letter_case_of_statuses_is_configurable(
    serve_extractions: ServeExtractions, case: str, status: str
) -> None:
    _, client = serve_extractions(status_case=case)
    assert client.status_and_url(client.create_job())[0] == status
    assert client.list().json()["jobs"][0]["status"] == status


def test_finished_jobs_expire(serve_extractions: ServeExtractions, clock: Clock) -> None:
    sandbox, client = serve_extractions(extraction_expires_after=60)
    job_id = client.create_job()
    status, url = client.status_and_url(job_id)
    assert (status, bool(url)) == ("SUCCEEDED", True)
    clock.advance(60)
    assert client.status_and_url(job_id) == ("EXPIRED", "")
    assert client.list().json() == {"jobs": [{"id": job_id, "status": "EXPIRED"}]}
    assert sandbox.extractions[0].status == "expired"


def test_an_unknown_job_is_not_found(serve_extractions: ServeExtractions) -> None:
    _, client = serve_extractions()
    response = client.status("unknown")
    assert (response.status_code, response.content) == (404, b"")
    assert response.headers["icStatusDescription"]


@pytest.mark.parametrize("kind", ["500", "429", "403", "401", "reset", "lost", "cut"])
def test_faults_apply_to_every_call(serve_extractions: ServeExtractions, kind: str) -> None:
    sandbox, client = serve_extractions(retry_after=7)
    job_id = client.create_job()
    calls: dict[str, Callable[[], requests.Response]] = {
        "discovery": client.discovery,
        "token": client.token,
        "list": client.list,
        "create": client.create,
        "status": lambda: client.status(job_id),
        "download": lambda: client.download(job_id),
    }
    for name, call in calls.items():
        sandbox.set_faults(Fault(name, kind, times=1))
        if kind.isdigit():
            response = call()
            assert response.status_code == int(kind)
            assert response.headers.get("Retry-After") == ("7" if kind == "429" else None)
        else:
            with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
                call()
        assert call().ok
    # With lost and cut, the job is created although the client gets no response.
    assert len(sandbox.extractions) == (3 if kind in {"lost", "cut"} else 2)


def test_the_rate_limit_does_not_count_downloads(serve_extractions: ServeExtractions) -> None:
    _, client = serve_extractions(rate_limit=4, rate_seconds=30)
    job_id = client.create_job()
    _, url = client.status_and_url(job_id)

    assert [requests.get(url, timeout=5).status_code for _ in range(5)] == [200] * 5
    assert [client.list().status_code for _ in range(2)] == [200, 429]


def test_a_restarted_sandbox_has_no_jobs(serve_extractions: ServeExtractions) -> None:
    sandbox, client = serve_extractions()
    client.create_job()
    sandbox.stop()
    assert len(sandbox.extractions) == 1
    sandbox.start()
    assert (sandbox.extractions, sandbox.tokens) == ([], [])
