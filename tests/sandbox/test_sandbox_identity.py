"""Discovery, access keys and the token endpoint of section 2, as strictly as they read."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from tap_cxone.sandbox import Sandbox

    from .conftest import Extract

CLIENT = ("sandbox", "sandbox")
IN_BODY = {"client_id": "sandbox", "client_secret": "sandbox"}


def _ask(sandbox: Sandbox, form: dict[str, str], *, basic: bool = False) -> requests.Response:
    return requests.post(f"{sandbox.url}/auth/token", data=form, auth=CLIENT if basic else None, timeout=5)


def _password(sandbox: Sandbox) -> dict[str, str]:
    return {"grant_type": "password", "username": sandbox.access_key_id, "password": sandbox.access_key_secret}


def _claims(token: str) -> dict[str, Any]:
    _, payload, _ = token.split(".")
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def _list_with(sandbox: Sandbox, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{sandbox.url}/data-extraction/v1/jobs", headers=headers, timeout=5).status_code


def test_from_the_issuer_to_the_calls(extract: Extract) -> None:
    sandbox, _ = extract()
    openid = requests.get(f"{sandbox.url}/.well-known/openid-configuration", timeout=5).json()
    assert openid["issuer"] == sandbox.url
    assert openid["token_endpoint"] == f"{sandbox.url}/auth/token"

    tokens = requests.post(openid["token_endpoint"], data=_password(sandbox), auth=CLIENT, timeout=5).json()
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 1200
    assert {_claims(tokens[name])["tenantId"] for name in ("access_token", "id_token")} == {sandbox.tenant_id}

    address = f"{sandbox.url}/.well-known/cxone-configuration"
    found = requests.get(address, params={"tenantId": sandbox.tenant_id}, timeout=5).json()
    assert found["api_endpoint"] == sandbox.url
    assert {"area", "domain"} < found.keys()
    assert _list_with(sandbox, tokens["access_token"]) == 204
    assert {request.call for request in sandbox.requests} == {"discovery", "token", "list"}


def test_unknown_tenants(extract: Extract) -> None:
    sandbox, _ = extract()
    address = f"{sandbox.url}/.well-known/cxone-configuration"
    assert requests.get(address, timeout=5).status_code == 400
    assert requests.get(address, params={"tenantId": "else"}, timeout=5).status_code == 404


def test_only_access_tokens_open_anything_and_all_tokens_are_remembered(extract: Extract) -> None:
    sandbox, client = extract()
    by_key = client.token().json()
    by_password = _ask(sandbox, {**IN_BODY, **_password(sandbox)}).json()
    opens = {name: _list_with(sandbox, by_password[name]) for name in ("access_token", "id_token", "refresh_token")}
    assert opens == {"access_token": 204, "id_token": 401, "refresh_token": 401}
    assert "id_token" not in by_key
    handed_out = {answer[name] for answer in (by_key, by_password) for name in answer if name.endswith("_token")}
    assert len(handed_out) == 5
    assert handed_out < set(sandbox.tokens)


@pytest.mark.parametrize(
    ("key", "status", "error"),
    [
        ({"accessKeyId": "x", "accessKeySecret": "y"}, 401, "invalid_grant"),
        ({"accessKeyId": "x"}, 400, "invalid_request"),
        ({"accessKeyId": "x", "accessKeySecret": "y", "region": "na1"}, 400, "invalid_request"),
        ({"accessKeyId": "x", "accessKeySecret": 5}, 400, "invalid_request"),
        ([], 400, "invalid_request"),
    ],
)
def test_wrong_access_keys(extract: Extract, key: object, status: int, error: str) -> None:
    _, client = extract()
    answer = client.token(key)
    assert answer.status_code == status
    assert answer.json().keys() == {"error", "errorDescription"}
    assert answer.json()["error"] == error


def test_an_access_key_comes_as_json(extract: Extract) -> None:
    sandbox, client = extract()
    answer = requests.post(f"{sandbox.url}/authentication/v1/token/access-key", data=client.key, timeout=5)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("switch", "basic_status", "body_status"), [("any", 200, 200), ("basic", 200, 401), ("body", 401, 200)]
)
@pytest.mark.parametrize("grant", ["client_credentials", "password"])
def test_how_the_client_identifies_itself(
    extract: Extract, grant: str, switch: str, basic_status: int, body_status: int
) -> None:
    sandbox, _ = extract(client_auth=switch)
    form = _password(sandbox) if grant == "password" else {"grant_type": grant}
    basic, body = _ask(sandbox, form, basic=True), _ask(sandbox, {**form, **IN_BODY})
    assert (basic.status_code, body.status_code) == (basic_status, body_status)
    for answer in (basic, body):
        if answer.status_code == 401:
            assert answer.json().keys() == {"error", "errorDescription"}
            assert answer.json()["error"] == "invalid_client"
        else:
            assert _list_with(sandbox, answer.json()["access_token"]) == 204


def test_wrong_token_requests(extract: Extract) -> None:
    sandbox, client = extract()
    password = _password(sandbox)
    wrong = [
        (_ask(sandbox, password), 401, "invalid_client"),
        (_ask(sandbox, {**password, "client_id": "sandbox", "client_secret": "no"}), 401, "invalid_client"),
        (_ask(sandbox, {**password, **IN_BODY}, basic=True), 401, "invalid_client"),
        (_ask(sandbox, {**password, "password": "no"}, basic=True), 400, "invalid_grant"),
        (_ask(sandbox, {"grant_type": "refresh_token"}, basic=True), 400, "unsupported_grant_type"),
        (client.session.post(f"{sandbox.url}/auth/token", json=IN_BODY, timeout=5), 400, "invalid_request"),
    ]
    for answer, status, error in wrong:
        assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_a_form_that_is_not_encoded_is_found_out(extract: Extract) -> None:
    """The made-up key has a plus in it, which a form reads as a space, and an ampersand."""
    sandbox, _ = extract()
    form = "&".join(f"{name}={value}" for name, value in {**_password(sandbox), **IN_BODY}.items())
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert requests.post(f"{sandbox.url}/auth/token", data=form, headers=headers, timeout=5).status_code == 400


def test_tokens_run_out(extract: Extract) -> None:
    sandbox, client = extract(token_seconds=0.6)
    assert client.list().status_code == 204
    time.sleep(0.65)
    answers = [client.list(), client.create(), client.status("x")]
    assert [answer.status_code for answer in answers] == [401] * 3
    assert client.token().ok
    assert client.list().status_code == 204
    sandbox.expire_tokens()
    assert client.list().status_code == 401
