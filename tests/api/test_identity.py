"""PlatformIdentity: what a token and an address say about the platform, and when two identities contradict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.api.identity import PlatformIdentity, host_name, tenant_id
from tap_cxone.errors import CxoneError
from tests.api.issuers import CONFIG, OPENID, TOKEN, WITH_TENANT, a_jwt, client_of, grant_of, issuer, password_client
from tests.api.issuers import tokens as token_responses
from tests.scripted_platform import get

if TYPE_CHECKING:
    from tests.scripted_platform import Serve


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ((WITH_TENANT,), "tenant-7"),
        (("opaque", WITH_TENANT), "tenant-7"),
        ((a_jwt(sub="x"), WITH_TENANT), "tenant-7"),
        ((a_jwt(tenantId="first"), WITH_TENANT), "first"),
        (("opaque", ""), None),
        ((a_jwt(tenantId=7),), None),
        ((a_jwt(tenantId=""),), None),
        ((a_jwt(tenantId="two\nlines"),), None),
        ((a_jwt(tenantId="x" * 201),), None),
        ((), None),
    ],
)
def test_the_tenant_is_the_claim_of_the_first_token_that_has_one(tokens: tuple[str, ...], expected: str | None) -> None:
    assert tenant_id(*tokens) == expected


@pytest.mark.parametrize("url", ["https://A.example:8443/api", "http://a.example", "https://user:secret@a.example/"])
def test_the_host_has_no_port_and_nothing_else_of_the_address(url: str) -> None:
    assert host_name(url) == "a.example"


@pytest.mark.parametrize(
    ("one", "other"), [(("a", "t"), ("a", "u")), (("a", None), ("b", None)), (("a", "t"), ("b", "t"))]
)
def test_hosts_or_two_named_tenants_that_differ_contradict(one: Any, other: Any) -> None:
    assert PlatformIdentity(*one).contradicts(PlatformIdentity(*other))
    assert PlatformIdentity(*other).contradicts(PlatformIdentity(*one))


@pytest.mark.parametrize("tenant", ["t", None])
def test_the_same_host_and_an_unnamed_tenant_do_not_contradict(tenant: str | None) -> None:
    assert not PlatformIdentity("a", "t").contradicts(PlatformIdentity("a", tenant))
    assert not PlatformIdentity("a", tenant).contradicts(PlatformIdentity("a", "t"))


@pytest.mark.parametrize("identity", [PlatformIdentity("a"), PlatformIdentity("a", "t")], ids=str)
def test_an_identity_is_read_back_from_its_stored_form(identity: PlatformIdentity) -> None:
    assert PlatformIdentity.from_dict(identity.to_dict()) == identity


def test_a_client_identifies_its_platform_with_one_token_that_its_calls_use_too(serve: Serve) -> None:
    platform = issuer(serve)
    client = password_client(platform)
    found = client.identify()
    assert found == client.identity == PlatformIdentity("127.0.0.1", "tenant-7")
    assert [request.path for request in platform.requests] == [OPENID, TOKEN, CONFIG]
    get(client)
    client.identify()
    assert [request.path for request in platform.requests] == [OPENID, TOKEN, CONFIG, "/x"]


def test_a_token_that_names_no_tenant_identifies_the_host_only(serve: Serve) -> None:
    platform = issuer(serve, {TOKEN: token_responses({"access_token": "opaque"})})
    client = client_of(platform, grant_of("access_key", platform))
    assert client.identify() == PlatformIdentity("127.0.0.1")


def test_a_discovery_that_fails_identifies_nothing(serve: Serve) -> None:
    client = password_client(issuer(serve, api_endpoint="ftp://nowhere"))
    with pytest.raises(CxoneError, match="names no valid address of the API"):
        client.identify()
    assert client.identity is None
