"""The three ways to an access token: client credentials, an access key, or a back-end application with an access key.

A grant knows where to ask, what with, which settings to name when it is refused, and what must never be quoted.
How long a token is used, and when it is renewed, is the business of ``auth``.
"""

from __future__ import annotations

import base64
import contextlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from urllib.parse import urlsplit

from requests.auth import HTTPBasicAuth
from typing_extensions import override

from tap_cxone.api.error_messages import NOT_AS_CONTRACTED
from tap_cxone.api.retry import RetriableError
from tap_cxone.api.tokens import Token
from tap_cxone.api.transport import Call, Transport
from tap_cxone.errors import CxoneError, FatalError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import requests

TOKEN_SECONDS = 1200.0
"""How long a token counts as valid that does not say it (platform contract, section 1); a 401 corrects it."""


class Grant(Protocol):
    """One way to an access token.

    Attributes:
        identity: who asks; part of the digests by which a client recognises its own work.
        secrets: what must never be quoted.
        rights: what to check where a call is not allowed ("the client's scopes").
        kinship: which settings must belong to the same tenant ("'auth_url' belongs to 'api_url'").
        api_settings: which settings say where the API is ("the setting 'api_url'").
    """

    identity: str
    secrets: tuple[str, ...]
    rights: ClassVar[str]
    kinship: ClassVar[str]
    api_settings: ClassVar[str]

    def fetch(self, transport: Transport) -> Token:
        """Ask for a new token.

        Raises:
            FatalError: the token endpoint refused; the message names the settings to check.
            UnavailableError: it did not pass within the budget.
        """

    def discover(self, transport: Transport, granted: Token) -> str:
        """Return the base of the API, without a slash at its end, as the platform names it.

        Raises:
            CxoneError: it does not name one; the message names the setting to change.
            UnavailableError: it did not pass within the budget.
        """


class ClientCredentials(Grant):
    """Client credentials, as a form (platform contract, section 1).

    Args:
        token_url: token endpoint.
        client_id: OAuth client.
        client_secret: its secret; never quoted.
    """

    rights = "the client's scopes (analytics:export:read, analytics:export:write) and role"
    kinship = "'auth_url' belongs to 'api_url'"
    api_settings = "the setting 'api_url'"

    def __init__(self, token_url: str, client_id: str, client_secret: str) -> None:
        self._token_url = token_url
        self._form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
        self.identity = client_id
        self.secrets = (client_secret, _basic(client_id, client_secret))

    @override
    def fetch(self, transport: Transport) -> Token:
        call = Call(
            "token",
            "the setting 'auth_url', or 'api_url' where that is not set",
            _advice("check the settings 'client_id' and 'client_secret'", self.rights, "'auth_url' and 'api_url'"),
        )
        return transport.ask(call, "POST", self._token_url, data=self._form, read=_granted)

    @override
    def discover(self, transport: Transport, granted: Token) -> str:
        raise _no_discovery()


class AccessKey(Grant):
    """An access key of a user, as JSON (platform contract, section 2). Refresh tokens are not used.

    Args:
        token_url: token endpoint.
        access_key_id: the key; never quoted.
        access_key_secret: its secret; never quoted.
    """

    rights = "the permissions of the access key's user"
    kinship = "'region' (or 'auth_url') and 'api_url' belong to the tenant of the access key"
    api_settings = "the settings 'region' and 'api_url'"

    def __init__(self, token_url: str, access_key_id: str, access_key_secret: str) -> None:
        self._token_url = token_url
        self._body = {"accessKeyId": access_key_id, "accessKeySecret": access_key_secret}
        self.identity = access_key_id
        self.secrets = (access_key_secret, access_key_id)

    @override
    def fetch(self, transport: Transport) -> Token:
        call = Call(
            "token",
            "the settings 'region' and 'auth_url'",
            _advice(
                "check the settings 'access_key_id' and 'access_key_secret'", self.rights, "'region' and 'auth_url'"
            ),
        )
        return transport.ask(call, "POST", self._token_url, json=self._body, read=_granted)

    @override
    def discover(self, transport: Transport, granted: Token) -> str:
        raise _no_discovery()


class Password(Grant):
    """A back-end application that signs in with an access key (platform contract, section 2).

    The application's id and secret go as HTTP Basic; where that is refused, once more as part of the form, and the
    way that worked is kept to.

    Args:
        issuer: where the token endpoint and the API are looked up, without a slash at its end.
        client_id: the application.
        client_secret: its secret; never quoted.
        access_key_id: the key; never quoted.
        access_key_secret: its secret; never quoted.
        token_url: token endpoint; none: what the issuer names.
    """

    rights = "the permissions of the access key's user and of the application"
    kinship = "'issuer' and 'api_url' belong to the tenant of the access key"
    api_settings = "the settings 'issuer' and 'api_url'"

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: str,
        access_key_id: str,
        access_key_secret: str,
        token_url: str | None = None,
    ) -> None:
        self._issuer = issuer.rstrip("/")
        self._client = (client_id, client_secret)
        self._form = {"grant_type": "password", "username": access_key_id, "password": access_key_secret}
        self._token_url = token_url
        self._settings = "the setting 'auth_url'" if token_url else "the settings 'issuer' and 'auth_url'"
        self._way: str | None = None
        self.identity = access_key_id
        self.secrets = (client_secret, access_key_secret, access_key_id, _basic(client_id, client_secret))

    @override
    def fetch(self, transport: Transport) -> Token:
        if self._token_url is None:
            answer = self._look_up(transport, "openid-configuration")
            self._token_url = self._address(answer.get("token_endpoint"), "token endpoint")
        if self._way is None:
            return self._fetch_first(transport, self._token_url)
        return self._fetch_by(self._way, transport, self._token_url)

    @override
    def discover(self, transport: Transport, granted: Token) -> str:
        tenant = _claim("tenantId", granted.token, granted.id_token)
        if not tenant:
            msg = "The platform's token names no tenant, so the address of its API cannot be looked up: set 'api_url'."
            raise CxoneError(msg)
        answer = self._look_up(transport, "cxone-configuration", tenantId=tenant)
        found = answer.get("api_endpoint")
        area, domain = answer.get("area"), answer.get("domain")
        if not found and isinstance(area, str) and isinstance(domain, str):
            found = f"https://api-{area}.{domain}"  # as working clients make it
        return self._address(found, "address of the API", base=True).rstrip("/")

    def _fetch_first(self, transport: Transport, url: str) -> Token:
        """Find out which way the platform wants to know the application."""
        try:
            granted = self._fetch_by("basic", transport, url)
        except FatalError as refused:
            if refused.status not in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED}:
                raise
            try:
                granted = self._fetch_by("form", transport, url)
            except FatalError as again:
                # A 401 says that the application was not recognised: then the other answer tells more.
                raise (again if refused.status == HTTPStatus.UNAUTHORIZED else refused) from None
            self._way = "form"
        else:
            self._way = "basic"
        return granted

    def _fetch_by(self, way: str, transport: Transport, url: str) -> Token:
        wrong = "check the settings 'client_id', 'client_secret', 'access_key_id' and 'access_key_secret'"
        call = Call("token", self._settings, _advice(wrong, self.rights, self._settings))
        client_id, client_secret = self._client
        if way == "form":
            form = self._form | {"client_id": client_id, "client_secret": client_secret}
            return transport.ask(call, "POST", url, data=form, read=_granted)
        # Bytes: requests would take Latin-1, and fail on what that does not have.
        auth = HTTPBasicAuth(client_id.encode(), client_secret.encode())
        return transport.ask(call, "POST", url, data=self._form, auth=auth, read=_granted)

    def _look_up(self, transport: Transport, document: str, **params: str) -> dict[str, Any]:
        call = Call("discovery", "the setting 'issuer'")
        url = f"{self._issuer}/.well-known/{document}"
        try:
            return transport.ask(call, "GET", url, params=params, read=_object)
        except UnavailableError as err:
            # A wrong host can answer everything with the page of a web application, or not exist.
            msg = f"{err.message} If that does not change, check the setting 'issuer'."
            raise UnavailableError(msg) from None

    def _address(self, value: object, what: str, *, base: bool = False) -> str:
        """Check an address that secrets are going to be sent to."""
        with contextlib.suppress(ValueError):
            parts = urlsplit(value) if isinstance(value, str) and value.isascii() and value.isprintable() else None
            schemes = {"https", urlsplit(self._issuer).scheme.lower()}  # http only where the issuer is a simulator
            if (
                isinstance(value, str)
                and parts
                and " " not in value
                and parts.scheme.lower() in schemes
                and parts.hostname
                and parts.port != 0
                and "@" not in parts.netloc
                and not (base and (parts.query or parts.fragment))
            ):
                return value
        msg = f"The platform names no usable {what} (an https address is wanted): check the setting 'issuer'."
        raise CxoneError(msg)


def _granted(response: requests.Response) -> Token:
    try:
        answer = response.json()
        token = answer["access_token"]
        # What cannot stand in a header would fail later on, with the token in the message.
        if not (isinstance(token, str) and token and token.isascii() and token.isprintable()):
            raise TypeError
        others = [found if isinstance(found := answer.get(key), str) else "" for key in ("id_token", "refresh_token")]
        return Token(token, float(answer.get("expires_in") or TOKEN_SECONDS), *others)
    except NOT_AS_CONTRACTED:
        reason = f"answered {response.status_code} without a token"
        # Not chained: the parser's error would carry the answer, and the answer may carry a token.
        raise RetriableError(reason) from None


def _object(response: requests.Response) -> dict[str, Any]:
    answer = response.json()
    if not isinstance(answer, dict):
        raise TypeError
    return answer


def _advice(credentials: str, rights: str, where: str) -> Mapping[int, str]:
    settings = where if where.startswith("the ") else f"the settings {where}"
    return {400: credentials, 401: credentials, 403: f"check {rights}", 404: f"check {settings}"}


def _basic(name: str, password: str) -> str:
    """Return what stands in the header of HTTP Basic."""
    return base64.b64encode(f"{name}:{password}".encode()).decode()


def _claim(name: str, *tokens: str) -> str:
    """Return a claim of the first token that has it, or nothing. Whether it is true is for the platform to check."""
    import jwt  # noqa: PLC0415 - few runs need it

    for token in filter(None, tokens):
        with contextlib.suppress(jwt.InvalidTokenError, *NOT_AS_CONTRACTED):
            value = jwt.decode(token, options={"verify_signature": False}).get(name)
            if isinstance(value, str) and value:
                return value
    return ""


def _no_discovery() -> CxoneError:
    return CxoneError("With these credentials the address of the API cannot be looked up: set 'api_url'.")
