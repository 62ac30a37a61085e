"""The three grants: token requests, discovery, and the settings that errors name. No test waits."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote_plus

import jwt
import pytest

from tap_cxone.api.client import PlatformClient
from tap_cxone.api.grants import AccessKey, ClientCredentials, Password
from tap_cxone.errors import CxoneError, FatalError, UnavailableError
from tests.scripted_platform import chain, get, ok, refusal, with_netrc

if TYPE_CHECKING:
    from pathlib import Path

    from tap_cxone.api.grants import Grant
    from tests.http_server import Response
    from tests.scripted_platform import Platform, Serve

KEY, KEY_SECRET = "KEYID+/=ÄÖ", 'key "s3cr3t"/ü'
APP, APP_SECRET = "app@tenant", "app+s3cr3t/€"
BASIC = base64.b64encode(f"{APP}:{APP_SECRET}".encode()).decode()
OPENID, CONFIG = "/.well-known/openid-configuration", "/.well-known/cxone-configuration"
TOKEN = "/token"
METHODS = ("client_credentials", "access_key", "password")


def a_jwt(**claims: Any) -> str:
    return jwt.encode(claims, "k" * 32, algorithm="HS256")


WITH_TENANT = a_jwt(tenantId="tenant-7", sub=7)


def tokens(*responses: dict[str, Any], seconds: float = 3600) -> list[Response]:
    return [ok({"token_type": "Bearer", "expires_in": seconds} | response) for response in responses]


def issuer(serve: Serve, responses: dict[str, list[Response]] | None = None, **changes: Any) -> Platform:
    """Start a platform that is issuer, token endpoint and API in one; ``changes`` apply to its two documents."""
    platform = serve()
    documents = {"token_endpoint": f"{platform.url}{TOKEN}", "api_endpoint": f"{platform.url}/"} | changes
    platform.responses |= {
        OPENID: [ok({"token_endpoint": documents.pop("token_endpoint")})],
        CONFIG: [ok(documents)],
        TOKEN: tokens({"access_token": WITH_TENANT}),
    } | (responses or {})
    return platform


def grant_of(method: str, platform: Platform, **changes: Any) -> Grant:
    url = f"{platform.url}{TOKEN}"
    if method == "client_credentials":
        return ClientCredentials(url, APP, APP_SECRET)
    if method == "access_key":
        return AccessKey(url, KEY, KEY_SECRET)
    return Password(platform.url, APP, APP_SECRET, KEY, KEY_SECRET, **changes)


def client_of(platform: Platform, grant: Grant, **changes: Any) -> PlatformClient:
    settings: dict[str, Any] = {"api_url": platform.url, "grant": grant, "sleep": platform.pauses}
    return PlatformClient(**settings | changes)


def password_client(platform: Platform, *, token_url: str | None = None, **changes: Any) -> PlatformClient:
    settings: dict[str, Any] = {"api_url": None, "address": platform.url}
    return client_of(platform, grant_of("password", platform, token_url=token_url), **settings | changes)


def form(request: Any) -> dict[str, str]:
    return {name: value for name, [value] in parse_qs(request.body.decode(), strict_parsing=True).items()}


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


# --- Discovery --------------------------------------------------------------------------------------------------------


def test_addresses_that_are_settings_are_not_looked_up(serve: Serve) -> None:
    platform = serve({TOKEN: tokens({"access_token": "opaque"})})
    client = password_client(platform, api_url=platform.url, token_url=f"{platform.url}{TOKEN}")
    assert get(client) == "done"
    assert [request.path for request in platform.requests] == [TOKEN, "/x"]


def test_only_the_api_is_looked_up_if_the_token_endpoint_is_a_setting(serve: Serve) -> None:
    platform = issuer(serve)
    get(password_client(platform, token_url=f"{platform.url}{TOKEN}"))
    assert [request.path for request in platform.requests] == [TOKEN, CONFIG, "/x"]


def test_the_addresses_are_looked_up_once(serve: Serve) -> None:
    platform = issuer(serve, {"/x": [ok(1), refusal(401), ok(2)]})
    client = password_client(platform)
    assert [get(client), get(client)] == [1, 2]
    assert client.download("/x", io.BytesIO()) == 1
    assert (len(platform.calls(OPENID)), len(platform.calls(CONFIG)), len(platform.calls(TOKEN))) == (1, 1, 2)


@pytest.mark.parametrize(
    "response",
    [
        {"access_token": WITH_TENANT},
        {"access_token": "opaque", "id_token": WITH_TENANT},
        {"access_token": a_jwt(sub="somebody"), "id_token": WITH_TENANT},
        {"access_token": a_jwt(tenantId=7), "id_token": WITH_TENANT},
        {"access_token": a_jwt(tenantId="tenant-7", exp=1, aud="others", nbf=9e9)},
    ],
    ids=["access token", "opaque", "no claim", "no text", "not for us to check"],
)
def test_the_tenant_is_read_from_a_claim_of_one_of_the_tokens(serve: Serve, response: dict[str, Any]) -> None:
    platform = issuer(serve, {TOKEN: tokens(response)})
    get(password_client(platform))
    assert platform.calls(CONFIG)[0].query == "tenantId=tenant-7"


@pytest.mark.parametrize(
    "response",
    [{"access_token": "opaque"}, {"access_token": "a.b.c", "id_token": 7}, {"access_token": a_jwt(tenantId="")}],
    ids=repr,
)
def test_without_a_tenant_the_error_names_the_setting_that_is_needed(serve: Serve, response: dict[str, Any]) -> None:
    platform = issuer(serve, {TOKEN: tokens(response)})
    with pytest.raises(CxoneError, match="set 'api_url'") as caught:
        get(password_client(platform))
    assert all(response["access_token"] not in str(error) for error in chain(caught.value))
    assert platform.pauses == []


@pytest.mark.parametrize("method", ["client_credentials", "access_key"])
def test_grants_without_discovery_name_the_setting_that_is_needed(serve: Serve, method: str) -> None:
    platform = issuer(serve)
    with pytest.raises(CxoneError, match="set 'api_url'"):
        get(client_of(platform, grant_of(method, platform), api_url=None))


BAD_ADDRESSES = [
    None,
    7,
    "",
    "api.example.com",
    "ftp://api.example.com",
    "https://",
    "https://user:password@api.example.com",
    "https://user@api.example.com",
    "https://api.example.com:port",
    "https://[api",
    "https://api.example.com\r\nX: y",
    "https://api.example com",
    "https://äpi.example.com",
    "//api.example.com",
    ["https://api.example.com"],
]


@pytest.mark.parametrize("address", BAD_ADDRESSES, ids=repr)
@pytest.mark.parametrize("which", ["token_endpoint", "api_endpoint"])
def test_an_invalid_discovered_address_is_not_used(serve: Serve, which: str, address: Any) -> None:
    platform = issuer(serve, **{which: address})
    with pytest.raises(CxoneError, match=r"check the setting 'issuer'\.$") as caught:
        get(password_client(platform))
    assert "example" not in caught.value.message
    assert platform.pauses == []
    assert len(platform.calls(TOKEN)) == (which == "api_endpoint")


@pytest.mark.parametrize("address", ["https://api.example.com?x=1", "https://api.example.com#x"])
def test_a_discovered_api_address_with_a_query_is_not_used(serve: Serve, address: str) -> None:
    with pytest.raises(CxoneError, match="'issuer'"):
        get(password_client(issuer(serve, api_endpoint=address)))


def test_plain_http_is_accepted_only_from_an_issuer_with_plain_http() -> None:
    grant = Password("https://issuer.example.com", APP, APP_SECRET, KEY, KEY_SECRET)
    assert grant._checked_url("https://api.example.com", "address") == "https://api.example.com"
    with pytest.raises(CxoneError, match="'issuer'"):
        grant._checked_url("http://api.example.com", "address")


def test_the_api_address_can_be_derived_from_area_and_domain(serve: Serve) -> None:
    platform = issuer(serve, api_endpoint=None, area="na1", domain="niceincontact.com")
    grant = grant_of("password", platform)
    client = client_of(platform, grant)
    get(client)
    found = grant.discover(client._transport, client._tokens.get())
    assert found == "https://api-na1.niceincontact.com"


@pytest.mark.parametrize("document", [OPENID, CONFIG])
@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 404, 410])
def test_a_refused_discovery_names_the_issuer(serve: Serve, document: str, status: int) -> None:
    platform = issuer(serve, {document: [refusal(status, Location="http://127.0.0.1:9/")]})
    with pytest.raises(FatalError, match=rf"call 'discovery' with {status} .*check the setting 'issuer'") as caught:
        get(password_client(platform))
    assert caught.value.status == status


@pytest.mark.parametrize("document", [OPENID, CONFIG])
@pytest.mark.parametrize("response", [refusal(503), refusal(500), refusal(429), "reset", (200, {}, b"<html>"), ok([])])
def test_a_discovery_with_a_retriable_failure_is_repeated(serve: Serve, document: str, response: Response) -> None:
    platform = issuer(serve)
    good = platform.responses[document]
    platform.responses[document] = [response, *good]
    assert get(password_client(platform)) == "done"
    assert len(platform.pauses) == 1
    platform.responses[document] = [response]
    with pytest.raises(UnavailableError, match=r"'discovery': .* gave up .* check the setting 'issuer'\.$"):
        get(password_client(platform, retry_budget=0))


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


# --- Errors -----------------------------------------------------------------------------------------------------------

KEY_SETTINGS = ("'access_key_id'", "'access_key_secret'")
APP_SETTINGS = ("'client_id'", "'client_secret'")


@pytest.mark.parametrize(
    ("method", "status", "hints"),
    [
        ("client_credentials", 401, APP_SETTINGS),
        ("client_credentials", 404, ("'auth_url'", "'api_url'")),
        ("access_key", 400, KEY_SETTINGS),
        ("access_key", 401, KEY_SETTINGS),
        ("access_key", 403, ("permissions of the access key's user",)),
        ("access_key", 404, ("'region'", "'auth_url'")),
        ("access_key", 405, ("'region'", "'auth_url'")),
        ("password", 400, KEY_SETTINGS + APP_SETTINGS),
        ("password", 401, KEY_SETTINGS + APP_SETTINGS),
        ("password", 403, ("permissions of the access key's user", "application")),
        ("password", 404, ("'issuer'", "'auth_url'")),
    ],
)
@pytest.mark.parametrize("name", ["errorDescription", "error_description"])
def test_a_refused_token_request_names_the_settings(
    serve: Serve, method: str, status: int, hints: tuple[str, ...], name: str
) -> None:
    platform = issuer(serve, {TOKEN: [refusal(status, {"error": "invalid", name: "what the platform says"})]})
    with pytest.raises(FatalError, match=rf"call 'token' with {status} \w.*\(what the platform says\)") as caught:
        get(client_of(platform, grant_of(method, platform)))
    assert all(word in caught.value.message for word in hints)
    others = set(KEY_SETTINGS + APP_SETTINGS) - set(hints)
    assert not any(word in caught.value.message for word in others)
    assert caught.value.message.count(".") == 1, "one sentence"
    assert platform.pauses == []


@pytest.mark.parametrize(
    ("method", "status", "hints"),
    [
        ("access_key", 401, "'region'"),
        ("access_key", 403, "permissions of the access key's user"),
        ("access_key", 404, "'region' and 'api_url'"),
        ("password", 401, "'issuer'"),
        ("password", 403, "the application"),
        ("password", 404, "'issuer' and 'api_url'"),
    ],
)
def test_a_refused_call_names_the_settings_of_its_grant(serve: Serve, method: str, status: int, hints: str) -> None:
    platform = issuer(serve, {"/x": [refusal(status)]})
    with pytest.raises(FatalError) as caught:
        get(client_of(platform, grant_of(method, platform)))
    assert hints in caught.value.message
    assert "scopes" not in caught.value.message


@pytest.mark.parametrize("method", METHODS)
def test_an_invalid_token_address_names_its_setting(serve: Serve, method: str) -> None:
    platform = serve()
    platform.url = "http://a..b"
    with pytest.raises(FatalError, match=r"'(auth_url|issuer)'"):
        get(client_of(platform, grant_of(method, platform), retry_budget=0))


# --- Secrets ----------------------------------------------------------------------------------------------------------

TOKENS = {"access_token": "tok.en-1", "id_token": "id.tok-1", "refresh_token": "re/fresh+1"}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("where", [TOKEN, "/x"])
def test_no_credential_or_token_of_a_grant_is_quoted(
    serve: Serve, method: str, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    secrets = {
        "client_credentials": [APP_SECRET, BASIC],
        "access_key": [KEY, KEY_SECRET],
        "password": [KEY, KEY_SECRET, APP_SECRET, BASIC],
    }[method]
    good = tokens(TOKENS)
    secrets += TOKENS.values() if where == "/x" else []
    forms = {
        form
        for secret in secrets
        for form in (secret, quote_plus(secret), json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    }
    for form_of_it in forms:
        refused = refusal(403, {"message": f"bad request: {form_of_it} was sent"})
        platform = issuer(serve, {TOKEN: good if where == "/x" else [refused], "/x": [refusal(503), refused]})
        with pytest.raises(FatalError, match=r"\(bad request: \*\*\* was sent\)") as caught:
            get(client_of(platform, grant_of(method, platform)))
        texts = [str(error) for error in chain(caught.value)]
        assert not any(form_of_it in text for text in [*texts, caplog.text])


@pytest.mark.parametrize("method", METHODS)
def test_a_response_of_the_token_endpoint_is_never_quoted(
    serve: Serve, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    platform = issuer(serve, {TOKEN: tokens(TOKENS | {"expires_in": "soon", "access_token": "tok.en-1"})})
    with pytest.raises(UnavailableError, match=r"the response \(200\) contains no usable token") as caught:
        get(client_of(platform, grant_of(method, platform), retry_budget=0))
    texts = [caplog.text, *(str(error) for error in chain(caught.value))]
    assert not any(secret in text for secret in TOKENS.values() for text in texts)


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
