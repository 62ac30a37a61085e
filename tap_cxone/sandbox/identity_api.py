"""Who is asking, as section 2 of the platform notes has it: discovery, access keys and the token endpoint.

A token of the token endpoint is a JWT that names the tenant; nobody checks its signature, the platform knows it by
heart.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote_plus, urlsplit

import msgspec
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tap_cxone.sandbox.calls import MESSAGES, Call, Manners, media_type, refusal
from tap_cxone.sandbox.platform import ACCESS_KEY_ID, ACCESS_KEY_SECRET, CLIENT_ID, CLIENT_SECRET, TENANT_ID

if TYPE_CHECKING:
    from starlette.requests import Request

    from tap_cxone.sandbox.platform import Platform

TOKEN_PATH = "/auth/token"  # noqa: S105 - a path
_ACCESS_KEY_PATH = "/authentication/v1/token/access-key"
_OPENID_PATH = "/.well-known/openid-configuration"
_TENANT_PATH = "/.well-known/cxone-configuration"


def identity_refusal(
    status: int, message: str | None = None, retry_after: str | None = None, error: str = "temporarily_unavailable"
) -> Response:
    """Return an error answer of these token endpoints: `{"error", "errorDescription"}`."""
    headers = {"Cache-Control": "no-store"}
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    return JSONResponse({"error": error, "errorDescription": message or MESSAGES[status]}, status, headers)


_TOKEN = Manners(authorised=False, refuse=identity_refusal)
_DISCOVERY = Manners(authorised=False)


def identity_routes(platform: Platform) -> list[Route]:
    """Return the routes of this surface."""
    return [
        Route(_OPENID_PATH, Call("discovery", _openid, platform, _DISCOVERY), methods=["GET"]),
        Route(_TENANT_PATH, Call("discovery", _tenant, platform, _DISCOVERY), methods=["GET"]),
        Route(_ACCESS_KEY_PATH, Call("token", _access_key, platform, _TOKEN), methods=["POST"]),
        Route(TOKEN_PATH, Call("token", _token, platform, _TOKEN), methods=["POST"]),
    ]


async def _openid(platform: Platform, _: Request) -> Response:
    """Tell where the token endpoint is."""
    return JSONResponse({"issuer": platform.url, "token_endpoint": platform.url + TOKEN_PATH})


async def _tenant(platform: Platform, request: Request) -> Response:
    """Tell where the calls of a tenant go."""
    tenant_id = request.query_params.get("tenantId")
    if not tenant_id:
        return refusal(400, "tenantId: is missing")
    if tenant_id != TENANT_ID:
        return refusal(404, "tenantId: there is no such tenant")
    domain = urlsplit(platform.url).hostname
    return JSONResponse({"api_endpoint": platform.url, "area": "sandbox", "domain": domain})


async def _access_key(platform: Platform, request: Request) -> Response:
    """Exchange an access key, in JSON, for an opaque token."""
    if media_type(request) != "application/json":
        return identity_refusal(400, "Content-Type must be application/json", error="invalid_request")
    try:
        key = msgspec.json.decode(await request.body(), type=dict[str, str])
    except msgspec.DecodeError:
        return identity_refusal(400, "The body must be a JSON object of strings", error="invalid_request")
    if key.keys() != {"accessKeyId", "accessKeySecret"}:
        text = "The body must have the members accessKeyId and accessKeySecret and no other"
        return identity_refusal(400, text, error="invalid_request")
    if (key["accessKeyId"], key["accessKeySecret"]) != (ACCESS_KEY_ID, ACCESS_KEY_SECRET):
        return identity_refusal(401, "The access key is not valid", error="invalid_grant")
    return _issued(platform, {"access_token": platform.issue_token()})


async def _token(platform: Platform, request: Request) -> Response:
    """Exchange what identifies the client, and for the grant password an access key, for JWTs."""
    if media_type(request) != "application/x-www-form-urlencoded":
        return identity_refusal(400, "The body must be form-encoded", error="invalid_request")
    form = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
    wrong = _wrong_client(request, form, platform.options.client_auth)
    if wrong:
        return identity_refusal(401, wrong, error="invalid_client")
    grant = form.get("grant_type")
    if grant not in {"client_credentials", "password"}:
        text = "grant_type must be client_credentials or password"
        return identity_refusal(400, text, error="unsupported_grant_type")
    if grant == "password" and (form.get("username"), form.get("password")) != (ACCESS_KEY_ID, ACCESS_KEY_SECRET):
        return identity_refusal(400, "username or password is not that of an access key", error="invalid_grant")
    tokens = {
        "access_token": platform.issue_token(_jwt(platform)),
        "id_token": platform.hand_out(_jwt(platform)),
    }
    return _issued(platform, tokens)


def _wrong_client(request: Request, form: dict[str, str], way: str) -> str | None:
    """Tell what is wrong with how the client identifies itself, if anything is."""
    basic = _basic(request.headers.get("authorization"))
    body = (form.get("client_id", ""), form.get("client_secret", "")) if "client_secret" in form else None
    if basic and body:
        return "The client must identify itself once, in the header or in the body"
    if (way == "basic" and body) or (way == "body" and basic):
        return f"The client must identify itself in the {'header (HTTP Basic)' if body else 'body'}"
    return None if (basic or body) == (CLIENT_ID, CLIENT_SECRET) else "The client id or its secret is wrong or missing"


def _basic(header: str | None) -> tuple[str, str] | None:
    """Read HTTP Basic, whose halves are form-encoded for a token endpoint (RFC 6749, section 2.3.1)."""
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(name), unquote_plus(secret)


def _issued(platform: Platform, tokens: dict[str, str]) -> Response:
    rest = {"token_type": "Bearer", "expires_in": platform.expires_in, "refresh_token": platform.hand_out()}
    return JSONResponse({**tokens, **rest}, headers={"Cache-Control": "no-store"})


def _jwt(platform: Platform) -> str:
    """Return a JWT of the tenant; what stands for the signature is random."""
    now = int(time.time())
    claims = {
        "iss": platform.url,
        "sub": CLIENT_ID,
        "tenantId": TENANT_ID,
        "iat": now,
        "exp": now + platform.expires_in,
        "jti": secrets.token_hex(8),
    }
    header = {"alg": "HS256", "typ": "JWT"}
    parts = (msgspec.json.encode(header), msgspec.json.encode(claims), secrets.token_bytes(32))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
