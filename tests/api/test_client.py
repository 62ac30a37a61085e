"""Calls to the platform: retries, refusals, and the token of a request. No test waits."""

from __future__ import annotations

import io
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from tap_cxone.api.calls import ApiCall
from tap_cxone.api.client import ApiUrl, PlatformClient
from tap_cxone.api.grants import ClientCredentials
from tap_cxone.api.tokens import Token
from tap_cxone.errors import FatalError, OutcomeUnknownError, ThrottledError, UnavailableError
from tap_cxone.sandbox import Fault
from tests.scripted_platform import SECRET, Pauses, as_json, get, ok, refusal, with_netrc

if TYPE_CHECKING:
    from pathlib import Path

    from tap_cxone.sandbox import Sandbox
    from tests.conftest import StartSandbox
    from tests.http_server import Response
    from tests.scripted_platform import Serve

EXPORTS = "/api/v2/analytics/exports"


LIST = ApiCall("list", "GET", "/x")
STATUS = ApiCall("status", "GET", "/x")
CREATE = ApiCall("create", "POST", "/x", json={"q": 1}, repeatable=False)


def create(client: PlatformClient, **options: Any) -> Any:
    return client.call(replace(CREATE, **options), as_json)


# --- Tokens -----------------------------------------------------------------------------------------------------------


def test_the_token_is_requested_once_with_the_credentials_as_a_form(serve: Serve) -> None:
    platform = serve()
    client = platform.client()
    assert [get(client) for _ in range(3)] == ["done"] * 3
    [token] = platform.calls("/oauth/token")
    assert token.method == "POST"
    assert token.authorization is None
    assert parse_qs(token.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["client"],
        "client_secret": [SECRET],
    }
    assert [request.authorization for request in platform.calls()] == ["Bearer token-1"] * 3


def test_eight_threads_share_one_token(serve: Serve) -> None:
    platform = serve()
    client = platform.client()
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda _: get(client), range(32))) == ["done"] * 32
    assert len(platform.calls("/oauth/token")) == 1


def test_a_401_renews_the_token_once_and_repeats_the_request(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    client, pauses = sandbox_client(sandbox)
    listed(client)
    sandbox.expire_tokens()
    assert listed(client) == {"entities": []}
    assert [request.call for request in sandbox.requests] == ["token", "list", "list", "token", "list"]
    assert pauses == []


@pytest.mark.parametrize("repeatable", [True, False])
def test_a_401_for_a_new_token_is_an_error_with_a_hint(serve: Serve, *, repeatable: bool) -> None:
    platform = serve(x=[refusal(401, {"message": "token is not valid"})])
    with pytest.raises(FatalError, match=r"token is not valid.*scopes.*'auth_url'") as caught:
        get(platform.client(), repeatable=repeatable)
    assert caught.value.status == 401
    assert [request.authorization for request in platform.calls()] == ["Bearer token-1", "Bearer token-2"]
    assert platform.pauses == []


def test_a_create_is_repeated_after_a_401(serve: Serve) -> None:
    platform = serve(x=[refusal(401), ok({"id": "1"})])
    assert create(platform.client()) == {"id": "1"}
    assert [request.body for request in platform.calls()] == [b'{"q": 1}'] * 2


@pytest.mark.parametrize(
    ("status", "hints"),
    [
        (400, ["'client_id'", "'client_secret'"]),
        (401, ["'client_id'", "'client_secret'"]),
        (403, ["analytics:export:read", "analytics:export:write"]),
        (404, ["'auth_url'"]),
        (405, ["'auth_url'"]),
    ],
)
def test_a_refused_token_request_names_what_to_check(serve: Serve, status: int, hints: list[str]) -> None:
    body = {"error": "invalid_client", "error_description": "what the platform says"}
    platform = serve({"/oauth/token": [refusal(status, body)]})
    with pytest.raises(FatalError, match="call 'token' with") as caught:
        get(platform.client())
    assert "what the platform says" in caught.value.message
    assert all(word in caught.value.message for word in hints)
    assert len(platform.requests) == 1, "a refusal is not retried"


def test_wrong_credentials_at_the_sandbox_name_both_settings(start_sandbox: StartSandbox) -> None:
    client, _ = sandbox_client(start_sandbox(), client_secret="wrong-secret")
    with pytest.raises(FatalError, match="'client_id' and 'client_secret'") as caught:
        listed(client)
    assert "wrong-secret" not in caught.value.message


@pytest.mark.parametrize("kind", ["429", "429-date", "429-bare", "500", "502", "503", "cut", "reset", "lost", "html"])
@pytest.mark.parametrize("call", ["token", "list"])
def test_retriable_failures_are_retried(start_sandbox: StartSandbox, call: str, kind: str) -> None:
    client, pauses = sandbox_client(start_sandbox(faults=(Fault(call, kind, times=2),), retry_after=7))
    assert listed(client) == {"entities": []}
    assert len(pauses) == 2
    if kind == "429":
        assert pauses == [7, 7]
    if kind == "429-date":
        assert pauses == pytest.approx([8, 8], abs=1.5)
    if kind == "429-bare":
        assert pauses == [5, 5]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"[]",
        b"{}",
        b"null",
        b'"text"',
        b'{"access_token": ""}',
        b'{"access_token": 7}',
        b'{"access_token": "line\\nbreak"}',
        b'{"access_token": "\\u00fc"}',
        b"[" * 100000,
        b'{"access_token": "token-x", "expires_in": "soon"}',
    ],
    ids=lambda body: body[:40].decode(),
)
def test_a_response_without_a_usable_token_is_requested_again(serve: Serve, body: bytes) -> None:
    responses: list[Response] = [(200, {}, body), ok({"access_token": "good", "expires_in": "1200"})]
    platform = serve({"/oauth/token": responses})
    assert get(platform.client()) == "done"
    assert platform.calls()[0].authorization == "Bearer good"


@pytest.mark.parametrize("response", [{}, {"expires_in": None}, {"expires_in": 0}], ids=repr)
def test_a_token_without_a_lifetime_is_used_until_it_is_refused(serve: Serve, response: Any) -> None:
    platform = serve({"/oauth/token": [ok({"access_token": "token"} | response)]})
    client = platform.client()
    for _ in range(3):
        get(client)
    assert len(platform.calls("/oauth/token")) == 1


def test_threads_share_one_discovered_api_url() -> None:
    together = threading.Barrier(16)
    discovered: list[str] = []

    def discover(token: Token) -> str:
        discovered.append(token.access_token)
        if len(discovered) == 1:
            msg = "not yet"
            raise UnavailableError(msg)
        return f"https://api-{len(discovered)}.example.com"

    url = ApiUrl(None, discover)

    def use(number: int) -> str:
        together.wait()
        try:
            return url.get(Token(f"token-{number}", 1200))
        except UnavailableError:
            return "failed"

    with ThreadPoolExecutor(16) as threads:
        used = list(threads.map(use, range(16)))
    assert used.count("failed") == 1
    assert used.count("https://api-2.example.com") == 15
    assert len(discovered) == 2, "a failed discovery is repeated, a successful one is not"


def test_a_netrc_entry_does_not_replace_the_bearer_token(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_netrc(tmp_path, monkeypatch)
    platform = serve()
    client = platform.client()
    get(client)
    client.download("/x", io.BytesIO())
    assert platform.calls("/oauth/token")[0].authorization is None
    assert [request.authorization for request in platform.calls()] == ["Bearer token-1"] * 2


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
    with pytest.raises(UnavailableError, match=r"^Platform call 'list': .*; gave up after 1 attempts") as caught:
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


def sandbox_client(sandbox: Sandbox, **changes: Any) -> tuple[PlatformClient, Pauses]:
    pauses = Pauses()
    secret = changes.pop("client_secret", sandbox.client_secret)
    grant = ClientCredentials(f"{sandbox.url}/oauth/token", sandbox.client_id, secret)
    settings: dict[str, Any] = {"api_url": sandbox.url, "grant": grant, "sleep": pauses}
    return PlatformClient(**settings | changes), pauses


def listed(client: PlatformClient) -> Any:
    return client.call(ApiCall("list", "GET", EXPORTS, params={"status": "queued,running"}), as_json)
