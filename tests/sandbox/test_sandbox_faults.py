"""Every fault does on the wire what its name says."""

from __future__ import annotations

import gzip
import json
import re
import time
import zlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest
import requests

from tap_cxone.sandbox import Fault, SandboxOptions
from tap_cxone.sandbox.options import CALLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .client import Client
    from .conftest import Serve


def _calls(client: Client) -> dict[str, Callable[[], requests.Response]]:
    job_id = client.created()
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
def test_statuses_at_every_call(serve: Serve, kind: str) -> None:
    sandbox, client = serve(retry_after=7)
    for name, call in _calls(client).items():
        jobs = len(sandbox.jobs)
        sandbox.set_faults(Fault(name, kind, times=2))
        answers = [call(), call()]
        assert [answer.status_code for answer in answers] == [int(kind[:3])] * 2
        assert ("error" if name == "token" else "message") in answers[0].json()
        _check_retry_after(kind, answers[0].headers.get("Retry-After"))
        assert len(sandbox.jobs) == jobs
        assert call().ok
        assert sandbox.requests[-2].fault == kind


def _check_retry_after(kind: str, value: str | None) -> None:
    if kind == "429":
        assert value == "7"
    elif kind == "429-date":
        assert value is not None
        assert 7 <= (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds() + 0.5 <= 8.5
    else:
        assert value is None


@pytest.mark.parametrize("call", CALLS)
def test_broken_connections_at_every_call(serve: Serve, call: str) -> None:
    sandbox, client = serve()
    ask = _calls(client)[call]
    for kind, carried_out in (("reset", False), ("lost", True), ("cut", True)):
        jobs = len(sandbox.jobs)
        sandbox.set_faults(Fault(call, kind, times=1))
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)) as caught:
            ask()
        text = repr(caught.value)
        assert re.search({"reset": "reset", "lost": "RemoteDisconnected", "cut": "IncompleteRead"}[kind], text), text
        assert len(sandbox.jobs) - jobs == (carried_out and call == "create")
        assert ask().ok
        assert sandbox.requests[-2].status == (None if kind != "cut" else sandbox.requests[-1].status)


def test_a_page_instead_of_an_answer(serve: Serve) -> None:
    sandbox, client = serve()
    for name, call in _calls(client).items():
        sandbox.set_faults(Fault(name, "html", times=1))
        answer = call()
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/html")
        assert answer.text.startswith("<!DOCTYPE html>")


def test_slow_answers(serve: Serve) -> None:
    sandbox, client = serve(faults=(Fault("create", "slow", times=1),), slow_seconds=0.8)
    before = time.monotonic()
    with pytest.raises(requests.ReadTimeout):
        client.session.post(f"{client.url}/api/v2/analytics/exports", json={}, timeout=0.1)
    client.create()
    assert time.monotonic() - before < 0.8
    sandbox.set_faults(Fault("status", "slow"))
    before = time.monotonic()
    assert client.status(sandbox.jobs[0].id).ok
    assert time.monotonic() - before >= 0.8


@pytest.mark.parametrize(("per_day", "members"), [(0, 1), (1, 1), (48, 1), (48, 3), (12_000, 1)])
def test_damaged_gzip(serve: Serve, per_day: int, members: int) -> None:
    """The answer is complete as far as HTTP goes; only the gzip trailer tells."""
    sandbox, client = serve(events_per_day=per_day, members=members)
    job_id = client.created()
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
def test_unclosed_json(serve: Serve, layout: str, per_day: int) -> None:
    sandbox, client = serve(layout=layout, events_per_day=per_day, faults=(Fault("download", "unclosed", times=1),))
    job_id = client.created()
    text = gzip.decompress(client.download(job_id).content).decode()
    whole = gzip.decompress(client.download(job_id).content).decode()
    assert whole.startswith(text)
    with pytest.raises(json.JSONDecodeError):
        json.loads(text.splitlines()[-1] if layout == "ndjson" else text)
    if layout != "ndjson":
        assert json.loads(text + "]") == json.loads(whole)
    assert sandbox.requests[-2].fault == "unclosed"


def test_a_big_download_breaks_off(serve: Serve) -> None:
    _, client = serve(events_per_day=10_000, encoding="none", faults=(Fault("download", "cut", times=1),))
    job_id = client.created()
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        client.download(job_id)
    assert len(client.download(job_id).json()) == 70_000


def test_faults_count_and_begin_late(serve: Serve) -> None:
    sandbox, client = serve()
    sandbox.set_faults(Fault("list", "503", times=2, after=1), Fault("any", "500", after=4))
    statuses = [client.list().status_code for _ in range(6)]
    assert statuses == [200, 503, 503, 200, 500, 500]
    sandbox.set_faults()
    assert client.list().ok


def test_faults_by_chance_can_be_repeated(serve: Serve) -> None:
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
def test_faults_in_words(text: str, fault: Fault) -> None:
    assert Fault.parse(text) == fault


@pytest.mark.parametrize(
    "text",
    ["status", "poll=500", "status=418", "list=truncated", "any=corrupt", "list=500:0", "list=500%0", "list=500%101"],
)
def test_impossible_faults_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Fault.parse(text)


@pytest.mark.parametrize(
    "switches", [{"bad_records": 1.5}, {"members": 0}, {"job_seconds": -1}, {"layout": "xml"}, {"rate_limit": 0}]
)
def test_impossible_options_are_refused(switches: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(switches))):
        SandboxOptions(**switches)  # type: ignore[arg-type]
