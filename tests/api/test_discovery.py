"""Discovery: the token endpoint and the API address that an issuer names. No test waits."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.api.grants import Password
from tap_cxone.errors import CxoneError, FatalError, UnavailableError
from tests.api.issuers import (
    APP,
    APP_SECRET,
    CONFIG,
    KEY,
    KEY_SECRET,
    OPENID,
    TOKEN,
    WITH_TENANT,
    a_jwt,
    client_of,
    grant_of,
    issuer,
    password_client,
    tokens,
)
from tests.scripted_platform import chain, get, ok, refusal

if TYPE_CHECKING:
    from tests.http_server import Response
    from tests.scripted_platform import Serve


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
    with pytest.raises(CxoneError, match=r"check the setting 'issuer'") as caught:
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
    with pytest.raises(UnavailableError, match=r"'discovery': .* gave up .* check the setting 'issuer'"):
        get(password_client(platform, retry_budget=0))
