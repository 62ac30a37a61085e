"""The analytics export API: tokens, validation, limits and the life cycle of a job."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests

from .export_client import CREDENTIALS, DAY_1, DAY_2, DAY_8, EXPORTS, ExportClient, export_body

if TYPE_CHECKING:
    from .conftest import Clock, Serve


def test_a_simple_script_gets_every_event(serve: Serve, clock: Clock) -> None:
    sandbox, _ = serve(job_seconds=60, login=False)

    response = requests.post(f"{sandbox.url}/oauth/token", data=CREDENTIALS, timeout=5)
    assert response.json()["token_type"] == "Bearer"
    assert response.json()["expires_in"] == 1200
    assert response.json()["scope"] == "analytics:export:read analytics:export:write"
    headers = {"Authorization": f"Bearer {response.json()['access_token']}"}

    created = requests.post(sandbox.url + EXPORTS, json=export_body(), headers=headers, timeout=5)
    assert created.status_code == 201
    export_url = f"{sandbox.url}{EXPORTS}/{created.json()['id']}"
    assert requests.get(export_url, headers=headers, timeout=5).json()["status"] == "running"
    clock.advance(60)
    assert requests.get(export_url, headers=headers, timeout=5).json()["status"] == "completed"
    download = requests.get(f"{export_url}/download", headers=headers, timeout=5)

    assert download.headers["Content-Type"] == "application/gzip"
    assert "Content-Encoding" not in download.headers
    records = json.loads(gzip.decompress(download.content))
    expected = list(sandbox.events(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 8, tzinfo=UTC)))
    assert len(expected) == 7 * 48
    assert records == expected
    assert [request.call for request in sandbox.requests][:2] == ["token", "create"]
    assert sandbox.requests[-1].job_id == created.json()["id"] == sandbox.jobs[0].id
    assert sandbox.jobs[0].downloads == 1


@pytest.mark.parametrize(
    ("data", "body", "error"),
    [
        ({**CREDENTIALS, "client_secret": "wrong"}, None, "invalid_client"),
        ({**CREDENTIALS, "client_id": "wrong"}, None, "invalid_client"),
        ({**CREDENTIALS, "grant_type": "password"}, None, "unsupported_grant_type"),
        (None, CREDENTIALS, "invalid_request"),
    ],
)
def test_wrong_credentials_are_a_bad_request(serve: Serve, data: dict[str, str], body: object, error: str) -> None:
    _, client = serve(login=False)

    response = client.token(data=data, json=body)

    assert response.status_code == 400
    assert response.json()["error"] == error


def test_every_call_needs_a_valid_token(serve: Serve, clock: Clock) -> None:
    sandbox, client = serve(token_seconds=59.5)
    assert client.list().status_code == 200
    assert client.token().json()["expires_in"] == 60
    clock.advance(60)

    responses = [client.list(), client.create(), client.status("x"), client.download("x")]

    assert [response.status_code for response in responses] == [401] * 4
    assert sandbox.jobs == []
    client.token()
    assert client.list().status_code == 200
    client.session.headers["Authorization"] = "Basic c2FuZGJveDpzYW5kYm94"
    assert client.list().status_code == 401
    client.token()
    sandbox.expire_tokens()
    assert client.list().status_code == 401


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"date_from": "2024-01-01T00:00:00+00:00"}, "query.dateFrom"),
        ({"date_from": "2024-01-01T00:00:00Z"}, "query.dateFrom"),
        ({"date_from": "2024-01-01T00:00:00.000+00:00"}, "query.dateFrom"),
        ({"date_from": "2024-01-01T00:00:00.000000Z"}, "query.dateFrom"),
        ({"date_from": "2024-01-01"}, "query.dateFrom"),
        ({"date_from": 1704067200}, "query.dateFrom"),
        ({"date_to": "2024-02-30T00:00:00.000Z"}, "query.dateTo"),
        ({"date_to": DAY_1}, "query.dateTo"),
        ({"date_to": "2024-01-31T00:00:00.001Z"}, "query.dateTo"),
        ({"exportType": "segment"}, "exportType"),
        ({"format": "xml"}, "format"),
        ({"compression": "zip"}, "compression"),
        ({"compression": "none"}, "compression"),
        ({"includeHeaders": "yes"}, "includeHeaders"),
        ({"window": 3}, "window"),
        ({"query": {"dateFrom": DAY_1, "dateTo": DAY_2}}, "query.filter"),
        ({"query": {"dateFrom": DAY_1, "dateTo": DAY_2, "filter": "duration gt 3"}}, "query.filter"),
        ({"query": {"dateFrom": DAY_1, "dateTo": DAY_2, "filter": None}}, "query.filter"),
        ({"query": "all"}, "query"),
    ],
)
def test_an_invalid_field_is_rejected_by_name(serve: Serve, changes: dict[str, Any], name: str) -> None:
    sandbox, client = serve()

    response = client.create(export_body(**changes))

    assert response.status_code == 400
    assert response.json()["message"].startswith(f"{name}:")
    assert sandbox.jobs == []


def test_a_body_that_is_not_a_json_object_is_rejected(serve: Serve) -> None:
    sandbox, client = serve()
    json_type = {"Content-Type": "application/json"}
    for body, headers in ((b"{", json_type), (b"[]", json_type), (b"{}", {"Content-Type": "text/plain"})):
        response = client.session.post(sandbox.url + EXPORTS, data=body, headers=headers, timeout=5)
        assert response.status_code == 400


def test_a_range_of_thirty_days_is_allowed(serve: Serve) -> None:
    _, client = serve()
    assert client.create(export_body(DAY_1, "2024-01-31T00:00:00.000Z")).status_code == 201


def test_at_most_three_exports_are_active(serve: Serve, clock: Clock) -> None:
    sandbox, client = serve(job_seconds=60)
    jobs = [client.create_job() for _ in range(3)]

    rejected = client.create()

    assert rejected.status_code == 409
    assert "3" in rejected.json()["message"]
    assert len(sandbox.jobs) == sandbox.max_active == sandbox.active == 3
    clock.advance(60)
    assert client.wait_for(jobs[0]) == "completed"
    assert client.create().status_code == 201
    assert sandbox.max_active == 3


def test_the_list_filters_by_status_and_shows_the_query(serve: Serve, clock: Clock) -> None:
    _, client = serve(queue_seconds=60, job_seconds=60)
    first = client.create_job()
    assert client.list("queued").json()["entities"] == [{**export_body(), "id": first, "status": "queued"}]
    assert client.list("running,completed").json() == {"entities": []}
    clock.advance(60)
    assert [entity["status"] for entity in client.list("queued,running").json()["entities"]] == ["running"]
    clock.advance(60)
    assert client.wait_for(first) == "completed"
    assert client.list().json() == {"entities": []}
    assert len(client.list(None).json()["entities"]) == 1
    assert client.list("done").status_code == 400


def test_the_list_can_hide_the_query(serve: Serve) -> None:
    _, client = serve(job_seconds=600, list_shows_query=False)
    job_id = client.create_job()
    assert client.list().json() == {"entities": [{"id": job_id, "status": "running"}]}


def test_a_download_needs_a_completed_job(serve: Serve) -> None:
    _, client = serve(job_seconds=600)
    response = client.download(client.create_job())
    assert response.status_code == 409
    assert "running" in response.json()["message"]
    assert client.download("unknown").status_code == client.status("unknown").status_code == 404


def test_finished_jobs_are_purged(serve: Serve, clock: Clock) -> None:
    sandbox, client = serve(purge_after=60)
    job_id = client.create_job()
    assert client.wait_for(job_id) == "completed"
    clock.advance(60)
    assert client.status(job_id).status_code == client.download(job_id).status_code == 404
    assert sandbox.jobs[0].status == "expired"


def test_jobs_can_fail_or_never_finish(serve: Serve) -> None:
    _, client = serve(fail_first=2, stuck_first=1, active_limit=9)
    stuck, failed, good = client.create_job(), client.create_job(), client.create_job()
    assert client.wait_for(good) == "completed"
    assert client.status(stuck).json() == {"id": stuck, "status": "running"}
    assert client.status(failed).json()["status"] == "failed"
    assert "internal error" in client.status(failed).json()["errorMessage"]


def test_exports_of_long_ranges_can_fail(serve: Serve) -> None:
    _, client = serve(fail_longer_than_hours=24)
    assert client.wait_for(client.create_job(date_to=DAY_2)) == "completed"
    assert client.wait_for(client.create_job(date_to=DAY_8)) == "failed"


def test_jobs_of_another_integration_occupy_slots(serve: Serve, clock: Clock) -> None:
    sandbox, client = serve(foreign_jobs=3, foreign_seconds=60)

    assert client.create().status_code == 409
    queries = [entity["query"] for entity in client.list().json()["entities"]]

    assert len({query["dateFrom"] for query in queries}) == 3
    clock.advance(60)
    assert client.create().status_code == 201
    assert (sandbox.max_active, sandbox.max_active_total) == (1, 3)
    assert [job.foreign for job in sandbox.jobs] == [True, True, True, False]


def test_the_rate_limit_sends_retry_after(serve: Serve, clock: Clock) -> None:
    sandbox, client = serve(rate_limit=3, rate_seconds=0.5)
    responses = [client.list() for _ in range(3)]
    assert [response.status_code for response in responses] == [200, 200, 429]
    assert responses[-1].headers["Retry-After"] == "1"
    clock.advance(1)
    assert client.list().status_code == 200
    assert sandbox.requests[-2].status == 429


def test_an_unknown_path_is_not_found_and_recorded(serve: Serve) -> None:
    sandbox, client = serve()
    response = client.session.get(f"{sandbox.url}/api/v2/analytics/reports", timeout=5)
    assert response.status_code == 404
    assert "/api/v2/analytics/reports" in response.json()["message"]
    assert client.session.delete(sandbox.url + EXPORTS, timeout=5).status_code == 404
    assert sandbox.requests[-1].call == "unknown"


def test_a_job_is_available_to_another_client(serve: Serve) -> None:
    sandbox, client = serve()
    job_id = client.create_job()
    client.session.close()

    other = ExportClient(sandbox)
    other.token()

    assert other.download(job_id).status_code == 200
    other.session.close()
