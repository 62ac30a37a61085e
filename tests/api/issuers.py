"""A platform that is issuer, token endpoint and API in one, and clients of it with each grant."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import jwt

from tap_cxone.api.client import PlatformClient
from tap_cxone.api.grants import AccessKey, ClientCredentials, Password
from tests.scripted_platform import ok

if TYPE_CHECKING:
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
