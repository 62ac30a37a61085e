"""The password grant: a back-end application signs in with a user's access key and looks up the addresses."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from requests.auth import HTTPBasicAuth
from typing_extensions import override

from tap_cxone.api.calls import ApiCall
from tap_cxone.api.grants.base import Grant, basic_credentials, read_token, token_hints
from tap_cxone.api.identity import tenant_id
from tap_cxone.errors import FatalError, SettingsError

if TYPE_CHECKING:
    from tap_cxone.api.responses import ApiResponse
    from tap_cxone.api.tokens import Token
    from tap_cxone.api.transport import Transport


class Password(Grant):
    """A back-end application that signs in with an access key (platform contract, section 2).

    The application's id and secret are sent as HTTP Basic. If that is refused, they are sent once more as part of the
    form, and the method that worked is used from then on.

    ``fetch`` remembers the endpoint and the method without a lock, since ``TokenCache`` lets only one thread at a time
    fetch. ``discover`` only reads what the constructor set.

    Args:
        issuer: base URL at which the token endpoint and the API are looked up.
        client_id: the application.
        client_secret: its secret.
        access_key_id: the key; a secret, too.
        access_key_secret: its secret.
        token_url: token endpoint; None to use the one that the issuer names.
    """

    permissions = "the permissions of the access key's user and of the application"
    same_tenant = "'issuer' and 'api_url' belong to the tenant of the access key"
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
        self._token_url = token_url
        self._sends_basic: bool | None = None  # None until one of the methods has worked
        # Bytes: requests would encode text as Latin-1, and fail on other characters.
        self._basic_auth = HTTPBasicAuth(client_id.encode(), client_secret.encode())
        self._application = {"client_id": client_id, "client_secret": client_secret}
        self._form = {"grant_type": "password", "username": access_key_id, "password": access_key_secret}
        self._address_settings = "the setting 'auth_url'" if token_url else "the settings 'issuer' and 'auth_url'"
        self.identity = access_key_id
        self.secrets = (
            client_secret,
            access_key_secret,
            access_key_id,
            basic_credentials(client_id, client_secret),
        )

    @override
    def fetch(self, transport: Transport) -> Token:
        if self._token_url is None:
            document = self._look_up(transport, "openid-configuration")
            self._token_url = self._checked_url(document.get("token_endpoint"), "token endpoint")
        if self._sends_basic is None:
            return self._fetch_first(transport, self._token_url)
        return self._request(transport, self._token_url, basic=self._sends_basic)

    @override
    def discover(self, transport: Transport, token: Token) -> str:
        tenant = tenant_id(token.access_token, token.id_token)
        if not tenant:
            msg = "The platform's token names no tenant, so the address of its API cannot be looked up: set 'api_url'."
            raise SettingsError(msg)
        document = self._look_up(transport, "cxone-configuration", tenantId=tenant)
        url = document.get("api_endpoint")
        area, domain = document.get("area"), document.get("domain")
        if not url and isinstance(area, str) and isinstance(domain, str):
            url = f"https://api-{area}.{domain}"  # how existing clients derive it
        return self._checked_url(url, "address of the API", is_base=True).rstrip("/")

    def _fetch_first(self, transport: Transport, url: str) -> Token:
        """Find out how the platform accepts the application's credentials."""
        try:
            token = self._request(transport, url, basic=True)
        except FatalError as basic_error:
            if basic_error.status not in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED}:
                raise
            try:
                token = self._request(transport, url, basic=False)
            except FatalError as form_error:
                # A 401 means that the application was not recognised: then the other error says more.
                raise (form_error if basic_error.status == HTTPStatus.UNAUTHORIZED else basic_error) from None
            self._sends_basic = False
        else:
            self._sends_basic = True
        return token

    def _request(self, transport: Transport, url: str, *, basic: bool) -> Token:
        credentials = "'client_id', 'client_secret', 'access_key_id' and 'access_key_secret'"
        call = ApiCall(
            "token",
            "POST",
            url,
            form=self._form,
            hints=token_hints(credentials, self.permissions, self._address_settings),
            address_settings=self._address_settings,
        )
        if basic:
            return transport.request(call, read=read_token, auth=self._basic_auth)
        return transport.request(replace(call, form=self._form | self._application), read=read_token)

    def _look_up(self, transport: Transport, document: str, **params: str) -> dict[str, Any]:
        """Return one of the issuer's documents."""
        call = ApiCall(
            "discovery",
            "GET",
            f"{self._issuer}/.well-known/{document}",
            params=params,
            address_settings="the setting 'issuer'",
            # A wrong host may not exist, or answer every request with the page of a web application.
            later="try again later; if this persists, check the setting 'issuer'",
        )
        return transport.request(call, read=_json_object)

    def _checked_url(self, url: object, what: str, *, is_base: bool = False) -> str:
        """Return a URL that secrets are about to be sent to, if it is valid.

        Raises:
            SettingsError: it is not; ``what`` names it in the message.
        """
        with contextlib.suppress(ValueError):
            if isinstance(url, str) and self._is_usable(url, is_base=is_base):
                return url
        msg = f"The platform names no valid {what} (it must be an https URL): check the setting 'issuer'."
        raise SettingsError(msg)

    def _is_usable(self, url: str, *, is_base: bool) -> bool:
        if not url.isascii() or not url.isprintable() or " " in url:
            return False
        parts = urlsplit(url)
        schemes = {"https", urlsplit(self._issuer).scheme.lower()}  # http only if the issuer is a simulator
        return bool(
            parts.scheme.lower() in schemes
            and parts.hostname
            and parts.port != 0
            and "@" not in parts.netloc
            and not (is_base and (parts.query or parts.fragment))
        )


def _json_object(response: ApiResponse) -> dict[str, Any]:
    body = response.json()
    if not isinstance(body, dict):
        raise TypeError
    return body
