"""Calls to the platform: retries, refusals and throttling. No test waits."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tap_cxone.api.calls import ApiCall
from tap_cxone.errors import FatalError, OutcomeUnknownError, ThrottledError, UnavailableError
from tap_cxone.sandbox import Fault
from tests.scripted_platform import CREATE, EXPORTS, SECRET, as_json, create, get, ok, refusal, sandbox_client

if TYPE_CHECKING:
    from tests.conftest import StartSandbox
    from tests.http_server import Response
    from tests.scripted_platform import Serve

LIST = ApiCall("list", "GET", "/x")
STATUS = ApiCall("status", "GET", "/x")

# --- Calls ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "response",
    [
        (200, {"Content-Type": "text/html"}, b"<html>Please sign in</html>"),
        (200, {}, b""),
        (204, {}, b""),
        (200, {}, b'{"half": '),
        (200, {}, b"\xff\xfe"),
        (200, {}, b"[" * 100_000),
        (200, {"Content-Encoding": "gzip"}, b"no gzip"),
        ok([]),
        ok("text"),
        ok(None),
        ok({}),
        "cut",
        "reset",
    ],
    ids=lambda response: str(response)[:50],
)
def test_a_malformed_response_is_requested_again(serve: Serve, response: Response) -> None:
    platform = serve(x=[response, response, ok({"status": "RUNNING"})])
    status = platform.client().call(STATUS, lambda response: response.json()["status"].lower())
    assert status == "running"
    assert len(platform.pauses) == 2


def test_a_response_with_a_value_of_another_type_is_requested_again(serve: Serve) -> None:
    platform = serve(x=[ok({"status": 7}), ok(["status"]), ok({"status": "ok"})])
    assert platform.client().call(STATUS, lambda response: response.json().get("status").lower()) == "ok"


@pytest.mark.parametrize(("status", "seconds"), [(429, 9), (503, 9)])
def test_a_create_that_was_not_carried_out_is_repeated(serve: Serve, status: int, seconds: int) -> None:
    platform = serve(x=[refusal(status, Retry_After=str(seconds)), ok({"id": "1"})])
    assert create(platform.client()) == {"id": "1"}
    assert platform.pauses == [seconds]


@pytest.mark.parametrize("response", ["reset", "cut", refusal(500), refusal(502), refusal(504), refusal(408)], ids=str)
def test_a_create_whose_response_is_lost_is_never_sent_twice(serve: Serve, response: Response) -> None:
    platform = serve(x=[response])
    with pytest.raises(OutcomeUnknownError):
        create(platform.client())
    assert len(platform.calls()) == 1
    assert platform.pauses == []


@pytest.mark.parametrize("response", [ok({}), (200, {"Content-Type": "text/html"}, b"<html>"), (204, {}, b"")], ids=str)
def test_a_create_whose_response_is_malformed_is_never_sent_twice(serve: Serve, response: Response) -> None:
    platform = serve(x=[response])
    with pytest.raises(OutcomeUnknownError):
        platform.client().call(CREATE, lambda response: response.json()["id"])
    assert len(platform.calls()) == 1


@pytest.mark.parametrize("kind", ["reset", "lost", "cut", "500", "502"])
def test_a_create_with_a_lost_response_reaches_the_sandbox_once(start_sandbox: StartSandbox, kind: str) -> None:
    sandbox = start_sandbox(faults=(Fault("create", kind),))
    client, _ = sandbox_client(sandbox)
    body = {
        "query": {
            "dateFrom": "2024-01-01T00:00:00.000Z",
            "dateTo": "2024-01-02T00:00:00.000Z",
            "filter": "type eq 'bot'",
        },
        "exportType": "conversation",
        "format": "json",
        "compression": None,
        "includeHeaders": True,
    }
    with pytest.raises(OutcomeUnknownError):
        client.call(ApiCall("create", "POST", EXPORTS, json=body, repeatable=False), as_json)
    assert sum(request.call == "create" for request in sandbox.requests) == 1


def test_a_create_that_was_never_sent_is_repeated(serve: Serve) -> None:
    platform = serve()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    client = platform.client(
        api_url=f"http://127.0.0.1:{closed}", auth_url=f"{platform.url}/oauth/token", retry_budget=3
    )
    with pytest.raises(UnavailableError) as caught:
        create(client)
    assert not isinstance(caught.value, OutcomeUnknownError)
    assert len(platform.pauses) > 1


@pytest.mark.parametrize("response", [refusal(500), refusal(503), refusal(429), "reset", "cut", ok({})], ids=str)
def test_a_call_fails_as_unavailable_when_its_retry_budget_is_used_up(serve: Serve, response: Response) -> None:
    platform = serve(x=[response])
    with pytest.raises(UnavailableError, match=r"^Platform call 'list': .*; gave up after 1 attempt") as caught:
        platform.client(retry_budget=0).call(LIST, lambda response: response.json()["id"])
    assert "/x" not in caught.value.message, "only the host is shown: a signed address would be a secret"
    assert len(platform.calls()) == 1


@pytest.mark.parametrize(
    ("call", "status", "hints"),
    [
        ("create", 400, "'api_url'"),
        ("create", 404, "'api_url'"),
        ("list", 404, "'api_url'"),
        ("list", 403, "analytics:export:read"),
        ("create", 403, "analytics:export:write"),
        ("status", 410, "'api_url'"),
        ("list", 418, "'api_url'"),
        ("create", 409, ""),
    ],
)
def test_a_refused_call_names_what_to_check_and_is_not_repeated(
    serve: Serve, call: str, status: int, hints: str
) -> None:
    platform = serve(x=[refusal(status, {"message": "what the platform says"})])
    with pytest.raises(FatalError) as caught:
        get(platform.client(), call)
    assert caught.value.status == status
    assert caught.value.message.startswith(f"The platform refused the call '{call}' with {status} ")
    assert "(what the platform says)" in caught.value.message
    assert hints in caught.value.message
    assert len(platform.calls()) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(("call", "setting"), [("list", "api_url"), ("token", "auth_url")])
def test_a_redirected_api_call_fails_and_names_the_setting(serve: Serve, call: str, setting: str, status: int) -> None:
    elsewhere = serve()
    redirect = refusal(status, Location=f"{elsewhere.url}/x")
    platform = serve({"/x" if call == "list" else "/oauth/token": [redirect]})
    with pytest.raises(FatalError, match=f"'{setting}'") as caught:
        get(platform.client())
    assert f"call '{call}'" in caught.value.message
    assert elsewhere.requests == []


@pytest.mark.parametrize("host", ["a..b", "." * 300, "x" * 300, "*"])
@pytest.mark.parametrize("setting", ["api_url", "auth_url"])
def test_an_invalid_address_names_its_setting(serve: Serve, setting: str, host: str) -> None:
    with pytest.raises(FatalError, match=f"'{setting}'"):
        get(serve().client(**{setting: f"http://{host}"}, retry_budget=0))


def test_the_digest_equals_the_one_in_states_of_earlier_versions(serve: Serve) -> None:
    platform = serve()
    client = platform.client(api_url="https://api.nicecxone.com", address="https://issuer.example")
    assert client.digest("/x", {"b": 1, "a": [2]}) == "8d3005c07aa8bcfe5e98fbdce6665ee7"
    assert platform.requests == []


# --- Throttled or forbidden -------------------------------------------------------------------------------------------

THROTTLED = frozenset({403})


def test_a_call_that_may_be_throttled_is_retried(serve: Serve) -> None:
    platform = serve(x=[refusal(403), refusal(403, Retry_After="7"), ok("done")])
    assert get(platform.client(), throttled=THROTTLED) == "done"
    assert platform.pauses[0] < 2
    assert platform.pauses[1:] == [7]


@pytest.mark.parametrize(("budget", "longest"), [(300, 60), (20, 20), (1, 1), (0, 0)])
def test_a_call_that_stays_throttled_fails_and_names_both_causes(serve: Serve, budget: float, longest: float) -> None:
    platform = serve(x=[refusal(403, {"message": "not now"})])
    with pytest.raises(FatalError) as caught:
        get(platform.client(retry_budget=budget), throttled=THROTTLED, hints={403: "ask the administrator"})
    assert caught.value.status == 403
    assert not isinstance(caught.value, ThrottledError)
    assert all(word in caught.value.message for word in ("(not now)", "throttled", "permission", "ask the admin"))
    assert sum(platform.pauses) <= longest + 1e-6
    if budget == 300:
        assert sum(platform.pauses) == pytest.approx(60), "all of it is used"
    assert len(platform.calls()) == len(platform.pauses) + 1


def test_a_create_that_may_be_throttled_is_not_retried(serve: Serve) -> None:
    platform = serve(x=[refusal(403, {"message": f"not now, {SECRET}"})])
    with pytest.raises(ThrottledError, match=r"\(not now, \*\*\*\).*throttled.*permission.*scopes") as caught:
        create(platform.client(), throttled=THROTTLED)
    assert caught.value.status == 403
    assert len(platform.calls()) == 1
    assert platform.pauses == []


def test_hints_of_a_call_replace_the_default_ones(serve: Serve) -> None:
    platform = serve(x=[refusal(400), refusal(404), refusal(403)])
    hints = {404: "look there"}
    for shown in ("check the setting 'api_url'.", "look there.", "role."):
        with pytest.raises(FatalError) as caught:
            get(platform.client(), "create", hints=hints)
        assert caught.value.message.endswith(shown)
