"""Authentication of calls: when a token is requested, shared and renewed. No test waits."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from tap_cxone.api.client import ApiUrl
from tap_cxone.api.tokens import Token
from tap_cxone.errors import FatalError, UnavailableError
from tap_cxone.sandbox import Fault
from tests.scripted_platform import SECRET, create, get, listed, ok, refusal, sandbox_client, with_netrc

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartSandbox
    from tests.http_server import Response
    from tests.scripted_platform import Serve


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
def test_a_refused_token_request_names_what_to_check(
    start_sandbox: StartSandbox, serve: Serve, status: int, hints: list[str]
) -> None:
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
