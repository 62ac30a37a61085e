"""The three grants: what a token request sends, and when a token is renewed. No test waits."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tap_cxone.errors import FatalError
from tests.api.issuers import (
    APP,
    APP_SECRET,
    BASIC,
    CONFIG,
    KEY,
    KEY_SECRET,
    METHODS,
    OPENID,
    TOKEN,
    WITH_TENANT,
    client_of,
    form,
    grant_of,
    issuer,
    password_client,
    tokens,
)
from tests.scripted_platform import get, ok, refusal, with_netrc

if TYPE_CHECKING:
    from pathlib import Path

    from tests.http_server import Response
    from tests.scripted_platform import Serve

# --- Token requests ---------------------------------------------------------------------------------------------------


def test_client_credentials_are_sent_as_a_form(serve: Serve) -> None:
    platform = serve({TOKEN: tokens({"access_token": "first"})})
    assert get(client_of(platform, grant_of("client_credentials", platform))) == "done"
    [asked] = platform.calls(TOKEN)
    assert form(asked) == {"grant_type": "client_credentials", "client_id": APP, "client_secret": APP_SECRET}
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert asked.authorization is None


def test_an_access_key_is_sent_as_json(serve: Serve) -> None:
    platform = serve({TOKEN: tokens({"access_token": "first", "refresh_token": "again"})})
    client = client_of(platform, grant_of("access_key", platform))
    assert [get(client) for _ in range(3)] == ["done"] * 3
    [asked] = platform.calls(TOKEN)
    assert asked.method == "POST"
    assert json.loads(asked.body) == {"accessKeyId": KEY, "accessKeySecret": KEY_SECRET}
    assert asked.headers["content-type"] == "application/json"
    assert asked.authorization is None
    assert [request.authorization for request in platform.calls()] == ["Bearer first"] * 3


def test_an_application_signs_in_with_http_basic_at_discovered_addresses(serve: Serve) -> None:
    platform = issuer(serve)
    client = password_client(platform)
    assert [get(client) for _ in range(3)] == ["done"] * 3
    assert [request.path for request in platform.requests] == [OPENID, TOKEN, CONFIG, "/x", "/x", "/x"]
    looked_up, asked, configured = platform.requests[:3]
    assert (looked_up.method, looked_up.query, looked_up.authorization) == ("GET", "", None)
    assert form(asked) == {"grant_type": "password", "username": KEY, "password": KEY_SECRET}
    assert asked.authorization == f"Basic {BASIC}"
    assert (configured.method, configured.query, configured.authorization) == ("GET", "tenantId=tenant-7", None)
    assert platform.calls()[0].authorization == f"Bearer {WITH_TENANT}"


@pytest.mark.parametrize("status", [400, 401])
def test_after_a_refusal_of_http_basic_the_form_is_used_from_then_on(serve: Serve, status: int) -> None:
    responses = [refusal(status, {"error": "invalid_client"}), *tokens({"access_token": "first"})]
    platform = issuer(serve, {TOKEN: responses, "/x": [ok(1), refusal(401), ok(2)]})
    client = password_client(platform, api_url=platform.url)
    assert [get(client), get(client)] == [1, 2]
    by_basic, first, renewed = platform.calls(TOKEN)
    assert by_basic.authorization == f"Basic {BASIC}"
    for asked in (first, renewed):
        assert asked.authorization is None
        assert form(asked) == {
            "grant_type": "password",
            "username": KEY,
            "password": KEY_SECRET,
            "client_id": APP,
            "client_secret": APP_SECRET,
        }
    assert platform.pauses == []


def test_after_a_success_of_http_basic_the_form_is_not_tried(serve: Serve) -> None:
    responses = [*tokens({"access_token": "first"}), refusal(400)]
    platform = issuer(serve, {TOKEN: responses, "/x": [ok(1), refusal(401)]})
    client = password_client(platform, api_url=platform.url)
    get(client)
    with pytest.raises(FatalError, match="call 'token' with 400"):
        get(client)
    assert [asked.authorization for asked in platform.calls(TOKEN)] == [f"Basic {BASIC}"] * 2


def test_other_refusals_of_http_basic_are_final(serve: Serve) -> None:
    platform = issuer(serve, {TOKEN: [refusal(403)]})
    with pytest.raises(FatalError, match="call 'token' with 403"):
        get(password_client(platform))
    assert len(platform.calls(TOKEN)) == 1


@pytest.mark.parametrize(("first", "second", "shown"), [(400, 401, "one"), (401, 400, "two"), (400, 403, "one")])
def test_of_two_refusals_the_one_that_recognised_the_application_is_shown(
    serve: Serve, first: int, second: int, shown: str
) -> None:
    responses = [refusal(first, {"errorDescription": "one"}), refusal(second, {"errorDescription": "two"})]
    with pytest.raises(FatalError, match=rf"\({shown}\)"):
        get(password_client(issuer(serve, {TOKEN: responses})))


@pytest.mark.parametrize("method", METHODS)
def test_a_netrc_changes_nothing(serve: Serve, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_netrc(tmp_path, monkeypatch)
    platform = issuer(serve)
    client = client_of(platform, grant_of(method, platform), api_url=None if method == "password" else platform.url)
    get(client)
    expected = {TOKEN: f"Basic {BASIC}" if method == "password" else None, "/x": f"Bearer {WITH_TENANT}"}
    assert {each.path: each.authorization for each in platform.requests} == expected | (
        {OPENID: None, CONFIG: None} if method == "password" else {}
    )


# --- Renewal ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_token_is_renewed_before_it_expires(serve: Serve, method: str) -> None:
    responses = tokens({"access_token": "first"}, {"access_token": "second"}, {"access_token": "third"}, seconds=100)
    platform = issuer(serve, {TOKEN: responses})
    client = client_of(platform, grant_of(method, platform))
    now = 1000.0
    client._tokens._clock = lambda: now
    for now in (1000.0, 1049.0, 1051.0, 1102.0):  # noqa: B007 - the clock reads it
        get(client)
    assert [request.authorization for request in platform.calls()] == [
        "Bearer first",
        "Bearer first",
        "Bearer second",
        "Bearer third",
    ]


@pytest.mark.parametrize("method", METHODS)
def test_a_token_is_renewed_after_a_401(serve: Serve, method: str) -> None:
    responses = tokens({"access_token": "first"}, {"access_token": "second"})
    platform = issuer(serve, {TOKEN: responses, "/x": [refusal(401), ok("done")]})
    assert get(client_of(platform, grant_of(method, platform))) == "done"
    assert [request.authorization for request in platform.calls()] == ["Bearer first", "Bearer second"]
    assert len(platform.calls(TOKEN)) == 2
    assert platform.pauses == []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "response", [refusal(500), refusal(503), refusal(429), "reset", "cut", ok({}), ok([])], ids=str
)
def test_a_token_request_with_a_retriable_failure_is_repeated(serve: Serve, method: str, response: Response) -> None:
    platform = issuer(serve, {TOKEN: [response, *tokens({"access_token": "first"})]})
    assert get(client_of(platform, grant_of(method, platform))) == "done"
    assert len(platform.calls(TOKEN)) == 2
    assert len(platform.pauses) == 1
    if method == "password":
        assert [asked.authorization for asked in platform.calls(TOKEN)] == [f"Basic {BASIC}"] * 2


# --- Digests ----------------------------------------------------------------------------------------------------------


def test_a_digest_differs_by_platform_and_identity_without_a_request(serve: Serve) -> None:
    platform = issuer(serve)
    clients = [
        client_of(platform, grant_of("client_credentials", platform)),
        client_of(platform, grant_of("access_key", platform)),
        password_client(platform, address="https://issuer.example.com"),
        password_client(platform, address="https://other.example.com"),
    ]
    digests = [client.digest("x") for client in clients]
    assert len({*digests}) == 4
    assert password_client(platform, address="https://issuer.example.com").digest("x") == digests[2]
    assert platform.requests == []


def test_a_digest_does_not_change_with_the_discovered_address(serve: Serve) -> None:
    client = password_client(issuer(serve))
    before = client.digest("x")
    get(client)
    assert client.digest("x") == before


@pytest.mark.slow
def test_the_jwt_library_is_not_imported_with_the_client() -> None:
    script = "import sys, tap_cxone.api.client, tap_cxone.api.grants; print('jwt' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
