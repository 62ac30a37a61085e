"""Discovery and authentication: OpenID and tenant configuration, and the token endpoints of both APIs."""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote_plus, urlsplit

import jwt
import msgspec
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tap_cxone.sandbox.endpoint import MESSAGES, Endpoint, json_error, media_type, retry_header
from tap_cxone.sandbox.platform import ACCESS_KEY_ID, ACCESS_KEY_SECRET, CLIENT_ID, CLIENT_SECRET, TENANT_ID

if TYPE_CHECKING:
    from starlette.requests import Request

    from tap_cxone.sandbox.platform import Platform

_TOKEN_PATH = "/auth/token"  # noqa: S105 - a path
_ACCESS_KEY_PATH = "/authentication/v1/token/access-key"
# Names below localhost are loopback addresses (RFC 6761), so clients that build api-{area}.{domain} arrive here, too.
_AREA = "sandbox"
_NO_FORM = "The body must be form-encoded"
_SCOPE = "analytics:export:read analytics:export:write"


def _oauth_error(
    status: int,
    message: str | None = None,
    retry_after: str | None = None,
    error: str = "temporarily_unavailable",
    description: str = "error_description",
) -> Response:
    """Return an error response of a token endpoint (RFC 6749, section 5.2)."""
    headers = {"Cache-Control": "no-store", **retry_header(retry_after)}
    return JSONResponse({"error": error, description: message or MESSAGES[status]}, status, headers)


# The Data Extraction API has another name for the description than RFC 6749.
_token_error = partial(_oauth_error, description="errorDescription")


class _AccessKey(msgspec.Struct, rename="camel"):
    access_key_id: str
    access_key_secret: str


def identity_routes(platform: Platform) -> list[Route]:
    """Return the routes of this API."""
    call = partial(Endpoint, platform=platform, needs_token=False)
    return [
        Route("/oauth/token", call("token", _analytics_token, error_response=_oauth_error), methods=["POST"]),
        Route("/.well-known/openid-configuration", call("discovery", _openid), methods=["GET"]),
        Route("/.well-known/cxone-configuration", call("discovery", _tenant), methods=["GET"]),
        Route(_ACCESS_KEY_PATH, call("token", _access_key, error_response=_token_error), methods=["POST"]),
        Route(_TOKEN_PATH, call("token", _token, error_response=_token_error), methods=["POST"]),
    ]


async def _openid(platform: Platform, _: Request) -> Response:
    """Return the OpenID configuration with the URL of the token endpoint."""
    return JSONResponse({"issuer": platform.url, "token_endpoint": platform.url + _TOKEN_PATH})


async def _tenant(platform: Platform, request: Request) -> Response:
    """Return the configuration of a tenant with the base URL of its API."""
    tenant_id = request.query_params.get("tenantId")
    if not tenant_id:
        return json_error(400, "tenantId: is required")
    if tenant_id != TENANT_ID:
        return json_error(404, "tenantId: there is no such tenant")
    domain = f"localhost:{urlsplit(platform.url).port}"
    endpoints = dict.fromkeys(("ui_endpoint", "auth_endpoint", "api_endpoint"), platform.url)
    domains = dict.fromkeys(("domain", "acdDomain", "uhDomain"), domain)
    return JSONResponse(
        {"private": False, "area": _AREA, "cluster": "S1", **domains, **endpoints, "tenantId": TENANT_ID}
    )


async def _analytics_token(platform: Platform, request: Request) -> Response:
    """Exchange client credentials for an opaque token of the analytics export API."""
    form = await _read_form(request)
    if form is None:
        return _oauth_error(400, _NO_FORM, error="invalid_request")
    if form.get("grant_type") != "client_credentials":
        return _oauth_error(400, "grant_type must be client_credentials", error="unsupported_grant_type")
    if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
        return _oauth_error(400, "client_id or client_secret is wrong", error="invalid_client")
    token = {"access_token": platform.issue_access_token(), "token_type": "Bearer", "expires_in": platform.expires_in}
    return JSONResponse({**token, "scope": _SCOPE}, headers={"Cache-Control": "no-store"})


async def _access_key(platform: Platform, request: Request) -> Response:
    """Exchange an access key in a JSON body for an opaque token. Further members of the body are ignored."""
    if media_type(request) != "application/json":
        return _token_error(400, "Content-Type must be application/json", error="invalid_request")
    try:
        key = msgspec.json.decode(await request.body(), type=_AccessKey)
    except msgspec.DecodeError:
        text = "The body must be a JSON object with the strings accessKeyId and accessKeySecret"
        return _token_error(400, text, error="invalid_request")
    if (key.access_key_id, key.access_key_secret) != (ACCESS_KEY_ID, ACCESS_KEY_SECRET):
        return _token_error(401, "The access key is not valid", error="invalid_grant")
    return _token_response(platform, {"access_token": platform.issue_access_token()})


async def _token(platform: Platform, request: Request) -> Response:
    """Exchange client credentials, and for the password grant also an access key, for JWTs."""
    form = await _read_form(request)
    if form is None:
        return _token_error(400, _NO_FORM, error="invalid_request")
    problem = _client_auth_problem(request, form, platform.options.client_auth)
    if problem:
        return _token_error(401, problem, error="invalid_client")
    grant = form.get("grant_type")
    if grant not in {"client_credentials", "password"}:
        text = "grant_type must be client_credentials or password"
        return _token_error(400, text, error="unsupported_grant_type")
    if grant == "password" and (form.get("username"), form.get("password")) != (ACCESS_KEY_ID, ACCESS_KEY_SECRET):
        return _token_error(400, "username or password is not that of an access key", error="invalid_grant")
    tokens = {
        "access_token": platform.issue_access_token(_jwt(platform)),
        "id_token": platform.issue_token(_jwt(platform)),
    }
    return _token_response(platform, tokens)


async def _read_form(request: Request) -> dict[str, str] | None:
    if media_type(request) != "application/x-www-form-urlencoded":
        return None
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))


def _client_auth_problem(request: Request, form: dict[str, str], method: str) -> str | None:
    """Return what is wrong with the client authentication, or None if it is valid."""
    basic = _parse_basic(request.headers.get("authorization"))
    body = (form.get("client_id", ""), form.get("client_secret", "")) if "client_secret" in form else None
    if basic and body:
        return "The client must authenticate either in the header or in the body, not in both"
    if (method == "basic" and body) or (method == "body" and basic):
        return f"The client must authenticate in the {'header (HTTP Basic)' if body else 'body'}"
    return None if (basic or body) == (CLIENT_ID, CLIENT_SECRET) else "client_id or client_secret is wrong or missing"


def _parse_basic(header: str | None) -> tuple[str, str] | None:
    """Parse HTTP Basic credentials, which are form-encoded for a token endpoint (RFC 6749, section 2.3.1)."""
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(name), unquote_plus(secret)


def _token_response(platform: Platform, tokens: dict[str, str]) -> Response:
    rest = {"token_type": "Bearer", "expires_in": platform.expires_in, "refresh_token": platform.issue_token()}
    return JSONResponse({**tokens, **rest}, headers={"Cache-Control": "no-store"})


def _jwt(platform: Platform) -> str:
    """Return a JWT of the tenant, signed with a key that nobody knows: the platform keeps a list of its tokens."""
    now = int(time.time())
    claims = {"iss": platform.url, "sub": CLIENT_ID, "tenantId": TENANT_ID, "jti": secrets.token_hex(8)}
    return jwt.encode({**claims, "iat": now, "exp": now + platform.expires_in}, secrets.token_bytes(32), "HS256")
