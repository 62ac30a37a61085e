"""The Data Extraction API, as strictly as its contract reads: bodies, limits and the course of a job."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tap_cxone.sandbox import Fault

from .extractor import JOBS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Extract


def _is_empty_403(answer: requests.Response) -> bool:
    return (answer.status_code, answer.content) == (403, b"") and bool(answer.headers["icStatusDescription"])


def test_a_job_from_create_to_download(extract: Extract) -> None:
    sandbox, client = extract(job_seconds=0.5)
    nothing = client.list()
    assert (nothing.status_code, nothing.content) == (204, b"")
    assert "Content-Type" not in nothing.headers

    created = client.create()
    assert created.status_code == 202
    job_id = created.json()
    assert created.text == f'"{job_id}"'
    assert client.list().json() == {"jobs": [{"id": job_id, "status": "RUNNING"}]}
    running = {"url": "", "messageError": None, "errorMessage": None}
    assert client.status(job_id).json() == {"jobStatus": {"id": job_id, "status": "RUNNING", "result": running}}

    assert client.finished(job_id) == "SUCCEEDED"
    assert client.list().json() == {"jobs": [{"id": job_id, "status": "SUCCEEDED"}]}
    assert client.download(job_id).status_code == 200
    job = sandbox.extractions[0]
    assert (job.id, job.entity, job.version) == (job_id, "recording-interaction-metadata", "7")
    assert (f"{job.start_date}", f"{job.end_date}") == ("2024-01-02", "2024-01-04")
    assert (job.status, job.foreign, job.downloads) == ("SUCCEEDED", False, 1)
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
def test_a_wrong_body_is_refused_by_the_name_of_its_field(extract: Extract, changes: dict[str, Any], name: str) -> None:
    sandbox, client = extract()
    answer = client.create(**changes)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(f"{name}:")
    assert (sandbox.extractions, sandbox.refused_creates) == ([], 0)


def test_bodies_that_are_no_json_objects_are_refused(extract: Extract) -> None:
    sandbox, client = extract()
    json_type = {"Content-Type": "application/json"}
    for body, headers in ((b"{", json_type), (b"[]", json_type), (b"{}", json_type), (b"{}", {})):
        assert client.session.post(sandbox.url + JOBS, data=body, headers=headers, timeout=5).status_code == 400


def test_fourteen_days_and_none_are_allowed(extract: Extract) -> None:
    _, client = extract()
    assert client.create(endDate="2024-01-16").status_code == 202
    assert client.create(endDate="2024-01-02").status_code == 202


def test_one_active_job(extract: Extract) -> None:
    sandbox, client = extract(job_seconds=0.4)
    job_id = client.created()
    assert _is_empty_403(client.create(entityName="qm-questions", version="1"))
    assert client.finished(job_id) == "SUCCEEDED"
    client.created()
    assert (sandbox.refused_creates, sandbox.max_active_extractions) == (1, 1)


def test_creates_are_spaced(extract: Extract) -> None:
    sandbox, client = extract(submit_seconds=0.6)
    job_id = client.created()
    assert client.finished(job_id) == "SUCCEEDED"
    assert _is_empty_403(client.create())
    time.sleep(0.2)
    assert _is_empty_403(client.create())
    time.sleep(0.45)
    client.created()
    assert sandbox.refused_creates == 2


def test_refusals_may_count_for_the_spacing(extract: Extract) -> None:
    _, client = extract(submit_seconds=0.6, submit_counts_refusals=True)
    client.created()
    for _ in range(2):
        time.sleep(0.35)
        assert _is_empty_403(client.create())
    time.sleep(0.65)
    client.created()


def test_the_spacing_is_thirty_seconds_unless_told(extract: Extract) -> None:
    sandbox, _ = extract()
    assert type(sandbox.options)().submit_seconds == 30
    assert type(sandbox.options)().url_seconds == 30


def test_a_missing_permission_looks_like_a_limit(extract: Extract) -> None:
    _, client = extract(forbidden_entities="wfm-payroll, qm-questions", submit_seconds=0.2)
    forbidden = [client.create(entityName=name, version="1") for name in ("wfm-payroll", "qm-questions")]
    client.created()
    throttled = client.create()
    assert all(_is_empty_403(answer) for answer in (*forbidden, throttled))
    assert len({answer.headers["icStatusDescription"] for answer in (*forbidden, throttled)}) == 1


def test_a_job_of_another_integration_keeps_us_out(extract: Extract) -> None:
    sandbox, client = extract(foreign_extractions=1, foreign_seconds=0.8, submit_seconds=0.2)
    (foreign,) = client.list().json()["jobs"]
    assert foreign["status"] == "RUNNING"
    assert _is_empty_403(client.create())
    assert client.finished(foreign["id"]) == "SUCCEEDED"
    client.created()
    assert [job.foreign for job in sandbox.extractions] == [True, False]
    assert sandbox.max_active_extractions == 1


def test_a_rival_comes_again_and_again(extract: Extract) -> None:
    sandbox, client = extract(rival_every=1.0, foreign_seconds=0.1, submit_seconds=0.6)
    first = client.created()
    time.sleep(max(0.0, sandbox.extractions[0].created_at + 1.15 - time.monotonic()))
    jobs = client.list().json()["jobs"]
    assert [job["id"] for job in jobs][:1] == [first]
    assert len(jobs) == 2
    # Its job is over, yet the create of it was too recent.
    assert client.finished(jobs[1]["id"]) == "SUCCEEDED"
    assert _is_empty_403(client.create())
    time.sleep(0.5)
    client.created()
    time.sleep(0.4)
    assert [job.foreign for job in sandbox.extractions] == [False, True, False, True]
    assert len({job["id"] for job in client.list().json()["jobs"]}) == 4


def test_jobs_stick_fail_and_are_cancelled_as_told(extract: Extract) -> None:
    _, client = extract(fail_first=2, cancel_first=1)
    cancelled, failed, good = client.created(), client.created(), client.created()
    assert client.seen(cancelled) == ("CANCELLED", "")
    result = client.status(failed).json()["jobStatus"]["result"]
    assert (client.finished(failed), result["url"]) == ("FAILED", "")
    assert "internal error" in result["messageError"] == result["errorMessage"]
    assert client.finished(good) == "SUCCEEDED"
    _, client = extract(stuck_first=1)
    stuck = client.created()
    assert client.seen(stuck) == ("RUNNING", "")
    assert _is_empty_403(client.create())
    _, client = extract(fail_all=True)
    assert [client.finished(client.created()) for _ in range(3)] == ["FAILED"] * 3


def test_long_ranges_fail(extract: Extract) -> None:
    _, client = extract(fail_longer_than_days=1)
    assert client.finished(client.created(endDate="2024-01-03")) == "SUCCEEDED"
    assert client.finished(client.created(endDate="2024-01-04")) == "FAILED"


@pytest.mark.parametrize(("case", "status"), [("upper", "SUCCEEDED"), ("lower", "succeeded"), ("title", "Succeeded")])
def test_the_letters_of_a_status(extract: Extract, case: str, status: str) -> None:
    _, client = extract(status_case=case)
    assert client.seen(client.created())[0] == status
    assert client.list().json()["jobs"][0]["status"] == status


def test_finished_jobs_expire(extract: Extract) -> None:
    sandbox, client = extract(extraction_expires_after=0.5)
    job_id = client.created()
    status, url = client.seen(job_id)
    assert (status, bool(url)) == ("SUCCEEDED", True)
    time.sleep(0.55)
    assert client.seen(job_id) == ("EXPIRED", "")
    assert client.list().json() == {"jobs": [{"id": job_id, "status": "EXPIRED"}]}
    assert sandbox.extractions[0].status == "EXPIRED"


def test_unknown_jobs(extract: Extract) -> None:
    _, client = extract()
    answer = client.status("unknown")
    assert (answer.status_code, answer.content) == (404, b"")
    assert answer.headers["icStatusDescription"]


@pytest.mark.parametrize("kind", ["500", "429", "403", "401", "reset", "lost", "cut"])
def test_faults_strike_these_calls_too(extract: Extract, kind: str) -> None:
    sandbox, client = extract(retry_after=7)
    job_id = client.created()
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
            answer = call()
            assert answer.status_code == int(kind)
            assert answer.headers.get("Retry-After") == ("7" if kind == "429" else None)
        else:
            with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
                call()
        assert call().ok
    # Lost and cut answers hide a job that was created.
    assert len(sandbox.extractions) == (3 if kind in {"lost", "cut"} else 2)


def test_the_rate_limit_counts_calls_but_no_downloads(extract: Extract) -> None:
    _, client = extract(rate_limit=4, rate_seconds=30)
    job_id = client.created()
    _, url = client.seen(job_id)

    assert [requests.get(url, timeout=5).status_code for _ in range(5)] == [200] * 5
    assert [client.list().status_code for _ in range(2)] == [200, 429]


def test_a_stopped_sandbox_forgets(extract: Extract) -> None:
    sandbox, client = extract()
    client.created()
    sandbox.stop()
    assert len(sandbox.extractions) == 1
    sandbox.start()
    assert (sandbox.extractions, sandbox.tokens) == ([], [])
