"""The faults and what they look like to an HTTP client."""

from __future__ import annotations

import gzip
import json
import re
import time
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest
import requests

from tap_cxone.sandbox import Fault, SandboxOptions
from tap_cxone.sandbox.options import CALLS

from .export_client import EXPORTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Serve
    from .export_client import ExportClient


def _calls(client: ExportClient) -> dict[str, Callable[[], requests.Response]]:
    job_id = client.create_job()
    return {
        "discovery": client.discovery,
        "token": client.token,
        "list": client.list,
        "create": client.create,
        "status": lambda: client.status(job_id),
        "download": lambda: client.download(job_id),
    }


@pytest.mark.parametrize(
    "kind", ["500", "502", "503", "429", "429-date", "429-bare", "401", "403", "400", "404", "409"]
)
def test_every_call_can_return_an_error_status(serve: Serve, kind: str) -> None:
    sandbox, client = serve(retry_after=7)
    for name, call in _calls(client).items():
        jobs = len(sandbox.jobs)
        sandbox.set_faults(Fault(name, kind, times=2))
        before = datetime.now(UTC)
        responses = [call(), call()]
        assert [response.status_code for response in responses] == [int(kind[:3])] * 2
        assert ("error" if name == "token" else "message") in responses[0].json()
        _check_retry_after(kind, responses[0].headers.get("Retry-After"), before)
        assert len(sandbox.jobs) == jobs
        assert call().ok
        assert sandbox.requests[-2].fault == kind


def _check_retry_after(kind: str, value: str | None, before: datetime) -> None:
    if kind == "429":
        assert value == "7"
    elif kind == "429-date":
        assert value is not None
        retry_at = parsedate_to_datetime(value)
        assert before + timedelta(seconds=7) <= retry_at <= datetime.now(UTC) + timedelta(seconds=8)
    else:
        assert value is None


@pytest.mark.parametrize("call", CALLS)
def test_every_call_can_lose_its_connection(serve: Serve, call: str) -> None:
    sandbox, client = serve()
    send = _calls(client)[call]
    for kind, executed in (("reset", False), ("lost", True), ("cut", True)):
        jobs = len(sandbox.jobs)
        sandbox.set_faults(Fault(call, kind, times=1))
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)) as caught:
            send()
        text = repr(caught.value)
        assert re.search({"reset": "reset", "lost": "RemoteDisconnected", "cut": "IncompleteRead"}[kind], text), text
        assert len(sandbox.jobs) - jobs == (executed and call == "create")
        assert send().ok
        assert sandbox.requests[-2].status == (None if kind != "cut" else sandbox.requests[-1].status)


def test_every_call_can_return_an_html_page(serve: Serve) -> None:
    sandbox, client = serve()
    for name, call in _calls(client).items():
        sandbox.set_faults(Fault(name, "html", times=1))
        response = call()
        assert response.status_code == 200
        assert response.headers["Content-Type"].startswith("text/html")
        assert response.text.startswith("<!DOCTYPE html>")


def test_a_slow_response_does_not_block_other_calls(serve: Serve) -> None:
    sandbox, client = serve(faults=(Fault("create", "slow", times=1),), slow_seconds=60)
    with pytest.raises(requests.ReadTimeout):
        client.session.post(client.url + EXPORTS, json={}, timeout=0.5)
    assert client.create().status_code == 201
    finished = [(request.call, request.fault) for request in sandbox.requests]
    assert finished == [("token", None), ("create", None)], "the slow request has finished too early"


def test_a_slow_response_arrives_after_the_delay(serve: Serve) -> None:
    sandbox, client = serve(faults=(Fault("list", "slow"),), slow_seconds=0.2)
    before = time.monotonic()
    assert client.list().ok
    assert time.monotonic() - before >= 0.2
    assert sandbox.requests[-1].fault == "slow"


@pytest.mark.parametrize(("per_day", "members"), [(0, 1), (1, 1), (48, 1), (48, 3), (12_000, 1)])
def test_a_gzip_file_can_be_truncated_or_corrupt(serve: Serve, per_day: int, members: int) -> None:
    """The HTTP response is complete; only the content shows the damage."""
    sandbox, client = serve(events_per_day=per_day, members=members)
    job_id = client.create_job()
    whole = client.download(job_id).content
    sandbox.set_faults(Fault("download", "truncated", times=1))
    cut = client.download(job_id).content
    assert 0 < len(cut) < len(whole)
    assert whole.startswith(cut)
    if members == 1:
        with pytest.raises(EOFError):
            gzip.decompress(cut)
    sandbox.set_faults(Fault("download", "corrupt", times=1))
    bad = client.download(job_id).content
    assert len(bad) == len(whole)
    with pytest.raises((zlib.error, gzip.BadGzipFile, EOFError)):
        gzip.decompress(bad)
    assert client.download(job_id).content == whole


@pytest.mark.parametrize("layout", ["array", "pretty", "ndjson"])
@pytest.mark.parametrize("per_day", [1, 48])
def test_json_can_be_unclosed(serve: Serve, layout: str, per_day: int) -> None:
    sandbox, client = serve(layout=layout, events_per_day=per_day, faults=(Fault("download", "unclosed", times=1),))
    job_id = client.create_job()
    text = gzip.decompress(client.download(job_id).content).decode()
    whole = gzip.decompress(client.download(job_id).content).decode()
    assert whole.startswith(text)
    with pytest.raises(json.JSONDecodeError):
        json.loads(text.splitlines()[-1] if layout == "ndjson" else text)
    if layout != "ndjson":
        assert json.loads(text + "]") == json.loads(whole)
    assert sandbox.requests[-2].fault == "unclosed"


def test_a_large_download_can_be_cut_off(serve: Serve) -> None:
    _, client = serve(events_per_day=10_000, encoding="none", faults=(Fault("download", "cut", times=1),))
    job_id = client.create_job()
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        client.download(job_id)
    assert len(client.download(job_id).json()) == 70_000


def test_faults_respect_times_and_after(serve: Serve) -> None:
    sandbox, client = serve()
    sandbox.set_faults(Fault("list", "503", times=2, after=1), Fault("any", "500", after=4))
    statuses = [client.list().status_code for _ in range(6)]
    assert statuses == [200, 503, 503, 200, 500, 500]
    sandbox.set_faults()
    assert client.list().ok


def test_random_faults_are_reproducible(serve: Serve) -> None:
    runs = []
    for seed in (1, 1, 2):
        _, client = serve(faults=(Fault("list", "503", probability=0.5),), seed=seed)
        runs.append([client.list().status_code for _ in range(40)])
    assert runs[0] == runs[1] != runs[2]
    assert 8 < runs[0].count(503) < 32


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("status=429:3", Fault("status", "429", times=3)),
        ("download=cut:1@2", Fault("download", "cut", times=1, after=2)),
        ("any=503%10", Fault("any", "503", probability=0.1)),
        ("token=429-date", Fault("token", "429-date")),
        ("create=lost:2@1%2.5", Fault("create", "lost", times=2, after=1, probability=0.025)),
    ],
)
def test_faults_are_parsed(text: str, fault: Fault) -> None:
    assert Fault.parse(text) == fault


@pytest.mark.parametrize(
    "text",
    ["status", "poll=500", "status=418", "list=truncated", "any=corrupt", "list=500:0", "list=500%0", "list=500%101"],
)
def test_impossible_faults_are_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Fault.parse(text)


@pytest.mark.parametrize(
    "switches", [{"bad_records": 1.5}, {"members": 0}, {"job_seconds": -1}, {"layout": "xml"}, {"rate_limit": 0}]
)
def test_impossible_options_are_rejected(switches: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(switches))):
        SandboxOptions(**switches)  # type: ignore[arg-type]
