"""Discovery, access keys and the token endpoint."""

from __future__ import annotations

import base64
import json
import re
import shlex
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tap_cxone.sandbox import Fault, Sandbox, SandboxError, SandboxOptions
from tests.conftest import PROJECT, skip_or_fail

from .extraction_client import read_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Clock, Serve, ServeExtractions

CLIENT = ("sandbox", "sandbox")
CLIENT_FORM = {"client_id": "sandbox", "client_secret": "sandbox"}


def _request_token(sandbox: Sandbox, form: dict[str, str], *, basic: bool = False) -> requests.Response:
    return requests.post(f"{sandbox.url}/auth/token", data=form, auth=CLIENT if basic else None, timeout=5)


def _password_form(sandbox: Sandbox) -> dict[str, str]:
    return {"grant_type": "password", "username": sandbox.access_key_id, "password": sandbox.access_key_secret}


def _claims(token: str) -> dict[str, Any]:
    _, payload, _ = token.split(".")
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def _list_status(sandbox: Sandbox, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{sandbox.url}/data-extraction/v1/jobs", headers=headers, timeout=5).status_code


def test_discovery_leads_from_the_issuer_to_the_calls(serve_extractions: ServeExtractions) -> None:
    sandbox, _ = serve_extractions()
    openid = requests.get(f"{sandbox.url}/.well-known/openid-configuration", timeout=5).json()
    assert openid["issuer"] == sandbox.url
    assert openid["token_endpoint"] == f"{sandbox.url}/auth/token"

    tokens = requests.post(openid["token_endpoint"], data=_password_form(sandbox), auth=CLIENT, timeout=5).json()
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 1200
    assert {_claims(tokens[name])["tenantId"] for name in ("access_token", "id_token")} == {sandbox.tenant_id}

    url = f"{sandbox.url}/.well-known/cxone-configuration"
    found = requests.get(url, params={"tenantId": sandbox.tenant_id}, timeout=5).json()
    assert found["api_endpoint"] == sandbox.url
    assert _list_status(sandbox, tokens["access_token"]) == 204
    assert {request.call for request in sandbox.requests} == {"discovery", "token", "list"}


@pytest.fixture
def localhost_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolve names below localhost as RFC 6761 says; not every system does."""
    resolve = socket.getaddrinfo

    def resolve_locally(host: Any, *rest: Any, **named: Any) -> Any:
        return resolve("127.0.0.1" if str(host).endswith(".localhost") else host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_locally)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make a certificate with the command that the documentation gives."""
    if shutil.which("openssl") is None:
        skip_or_fail("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificate")
    [command] = re.findall(r"(openssl req .*?)cxone-sandbox", (PROJECT / "docs" / "sandbox.md").read_text(), re.DOTALL)
    arguments = shlex.split(command.replace("\\\n", " "))
    subprocess.run(arguments, check=True, capture_output=True, timeout=60, cwd=folder)
    return str(folder / "sandbox.pem")


def _extract(session: requests.Session, issuer: str, base_of: Callable[[dict[str, str]], str]) -> bytes:
    """Extract a day as a client that knows the issuer, and how to build the API's address from what it discovers."""
    openid = session.get(f"{issuer}/.well-known/openid-configuration", timeout=5).json()
    form = {"grant_type": "password", "username": Sandbox.access_key_id, "password": Sandbox.access_key_secret}
    tokens = session.post(openid["token_endpoint"], data={**form, **CLIENT_FORM}, timeout=5).json()
    tenant = {"tenantId": _claims(tokens["id_token"])["tenantId"]}
    found = session.get(f"{issuer}/.well-known/cxone-configuration", params=tenant, timeout=5).json()
    jobs, headers = f"{base_of(found)}/data-extraction/v1/jobs", {"Authorization": f"Bearer {tokens['access_token']}"}
    day = {"startDate": "2024-01-02", "endDate": "2024-01-03"}
    body = {"entityName": "qm-workflows", "version": "3", **day}
    job_id = session.post(jobs, json=body, headers=headers, timeout=5).json()
    status = session.get(f"{jobs}/{job_id}", headers=headers, timeout=5).json()["jobStatus"]
    return session.get(status["result"]["url"], timeout=5).content


@pytest.mark.parametrize(
    "base_of",
    [
        lambda found: found["api_endpoint"],
        lambda found: f"http://api-{found['area']}.{found['domain']}",
        lambda found: f"http://{found['area']}.{found['uhDomain']}",
    ],
    ids=["api_endpoint", "area and domain", "area and uhDomain"],
)
def test_clients_arrive_however_they_build_the_address_of_the_api(
    serve: Serve, localhost_names: None, base_of: Callable[[dict[str, str]], str]
) -> None:
    sandbox, client = serve(login=False, rows_per_day=24)
    content = _extract(client.session, sandbox.url, base_of)
    assert len(read_rows(content)) == 24
    assert {request.call for request in sandbox.requests} >= {"discovery", "create", "status", "download"}


@pytest.mark.slow
def test_a_client_that_insists_on_https_needs_a_certificate(localhost_names: None, certificate: str) -> None:
    options = SandboxOptions(submit_seconds=0, job_seconds=0, rows_per_day=24)
    with Sandbox(options, certificate=certificate) as sandbox, requests.Session() as session:
        assert sandbox.url.startswith("https://127.0.0.1:")
        with pytest.raises(requests.exceptions.SSLError):
            session.get(sandbox.url, timeout=5)
        session.trust_env, session.verify = False, certificate
        content = _extract(session, sandbox.url, lambda found: f"https://api-{found['area']}.{found['domain']}")
        assert len(read_rows(content)) == 24
        sandbox.set_faults(Fault("discovery", "reset", times=1), Fault("discovery", "cut", times=1))
        for _ in range(2):
            with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
                session.get(f"{sandbox.url}/.well-known/openid-configuration", timeout=5)
        assert session.get(f"{sandbox.url}/.well-known/openid-configuration", timeout=5).ok


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    file = tmp_path / "wrong.pem"
    file.write_text("no certificate")
    with pytest.raises(SandboxError, match=r"cannot use the certificate .*wrong\.pem: "):
        Sandbox(certificate=str(file)).start()


def test_unknown_tenants_are_rejected(serve_extractions: ServeExtractions) -> None:
    sandbox, _ = serve_extractions()
    url = f"{sandbox.url}/.well-known/cxone-configuration"
    assert requests.get(url, timeout=5).status_code == 400
    assert requests.get(url, params={"tenantId": "else"}, timeout=5).status_code == 404


def test_only_access_tokens_authorise_calls_but_all_are_recorded(serve_extractions: ServeExtractions) -> None:
    sandbox, client = serve_extractions()
    by_key = client.token().json()
    by_password = _request_token(sandbox, {**CLIENT_FORM, **_password_form(sandbox)}).json()
    statuses = {
        name: _list_status(sandbox, by_password[name]) for name in ("access_token", "id_token", "refresh_token")
    }
    assert statuses == {"access_token": 204, "id_token": 401, "refresh_token": 401}
    assert "id_token" not in by_key
    issued = {response[name] for response in (by_key, by_password) for name in response if name.endswith("_token")}
    assert len(issued) == 5
    assert issued < set(sandbox.tokens)


@pytest.mark.parametrize(
    ("key", "status", "error"),
    [
        ({"accessKeyId": "x", "accessKeySecret": "y"}, 401, "invalid_grant"),
        ({"accessKeyId": "x"}, 400, "invalid_request"),
        ({"accessKeyId": "x", "accessKeySecret": "y", "client_id": "z"}, 401, "invalid_grant"),
        ({"accessKeyId": "x", "accessKeySecret": 5}, 400, "invalid_request"),
        ([], 400, "invalid_request"),
    ],
)
def test_wrong_access_keys_are_rejected(
    serve_extractions: ServeExtractions, key: object, status: int, error: str
) -> None:
    _, client = serve_extractions()
    response = client.token(key)
    assert response.status_code == status
    assert response.json().keys() == {"error", "errorDescription"}
    assert response.json()["error"] == error


@pytest.mark.parametrize(
    "further", [{"client_id": "any", "client_secret": "any"}, {"region": "na1", "nested": {"a": [1]}, "nothing": None}]
)
def test_further_members_of_an_access_key_request_are_accepted(
    serve_extractions: ServeExtractions, further: dict[str, Any]
) -> None:
    sandbox, client = serve_extractions()
    response = client.token({**client.access_key, **further})
    assert response.status_code == 200
    assert _list_status(sandbox, response.json()["access_token"]) == 204


def test_an_access_key_must_be_sent_as_json(serve_extractions: ServeExtractions) -> None:
    sandbox, client = serve_extractions()
    response = requests.post(f"{sandbox.url}/authentication/v1/token/access-key", data=client.access_key, timeout=5)
    assert response.status_code == 400


@pytest.mark.parametrize(
    ("switch", "basic_status", "body_status"), [("any", 200, 200), ("basic", 200, 401), ("body", 401, 200)]
)
@pytest.mark.parametrize("grant", ["client_credentials", "password"])
def test_client_auth_is_accepted_where_the_option_allows_it(
    serve_extractions: ServeExtractions, grant: str, switch: str, basic_status: int, body_status: int
) -> None:
    sandbox, _ = serve_extractions(client_auth=switch)
    form = _password_form(sandbox) if grant == "password" else {"grant_type": grant}
    basic, body = _request_token(sandbox, form, basic=True), _request_token(sandbox, {**form, **CLIENT_FORM})
    assert (basic.status_code, body.status_code) == (basic_status, body_status)
    for response in (basic, body):
        if response.status_code == 401:
            assert response.json().keys() == {"error", "errorDescription"}
            assert response.json()["error"] == "invalid_client"
        else:
            assert _list_status(sandbox, response.json()["access_token"]) == 204


def test_wrong_token_requests_are_rejected(serve_extractions: ServeExtractions) -> None:
    sandbox, client = serve_extractions()
    password = _password_form(sandbox)
    wrong = [
        (_request_token(sandbox, password), 401, "invalid_client"),
        (_request_token(sandbox, {**password, "client_id": "sandbox", "client_secret": "no"}), 401, "invalid_client"),
        (_request_token(sandbox, {**password, **CLIENT_FORM}, basic=True), 401, "invalid_client"),
        (_request_token(sandbox, {**password, "password": "no"}, basic=True), 400, "invalid_grant"),
        (_request_token(sandbox, {"grant_type": "refresh_token"}, basic=True), 400, "unsupported_grant_type"),
        (client.session.post(f"{sandbox.url}/auth/token", json=CLIENT_FORM, timeout=5), 400, "invalid_request"),
    ]
    for response, status, error in wrong:
        assert (response.status_code, response.json()["error"]) == (status, error)


def test_a_form_that_is_not_encoded_is_rejected(serve_extractions: ServeExtractions) -> None:
    """The access key contains a plus, which means a space in a form, and an ampersand."""
    sandbox, _ = serve_extractions()
    form = "&".join(f"{name}={value}" for name, value in {**_password_form(sandbox), **CLIENT_FORM}.items())
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert requests.post(f"{sandbox.url}/auth/token", data=form, headers=headers, timeout=5).status_code == 400


def test_tokens_expire(serve_extractions: ServeExtractions, clock: Clock) -> None:
    sandbox, client = serve_extractions(token_seconds=60)
    assert client.list().status_code == 204
    clock.advance(60)
    responses = [client.list(), client.create(), client.status("x")]
    assert [response.status_code for response in responses] == [401] * 3
    assert client.token().ok
    assert client.list().status_code == 204
    sandbox.expire_tokens()
    assert client.list().status_code == 401
