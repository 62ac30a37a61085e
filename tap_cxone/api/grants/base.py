"""What all grants have in common: the protocol, and the parsing of a token response."""

from __future__ import annotations

import base64
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar, Protocol

from tap_cxone.api.error_messages import MALFORMED_RESPONSE_ERRORS
from tap_cxone.api.retry import RetriableError
from tap_cxone.api.tokens import Token
from tap_cxone.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_cxone.api.responses import ApiResponse
    from tap_cxone.api.transport import Transport

DEFAULT_TOKEN_SECONDS = 1200.0
"""Lifetime of a token whose response names none (platform contract, section 1). If it is shorter, a 401 reveals it."""

MAX_TOKEN_CHARACTERS = 1 << 15
"""Longest token: headers of requests have a limit, too, and every token is searched for in messages."""
MAX_TOKEN_SECONDS = 86400.0
"""Longest time for which a token is used, whatever lifetime its response names."""


class Grant(Protocol):
    """One authentication method: where to request a token, with which credentials, and which settings those are.

    How long a token is used and when it is renewed is up to ``TokenCache``.

    Attributes:
        identity: who authenticates; part of the digests by which runs recognise their own jobs.
        secrets: what must not appear in messages.
        permissions: what to check after a 403 ("the client's scopes").
        same_tenant: which settings must belong to the same tenant ("'auth_url' belongs to 'api_url'").
        api_settings: the settings that determine the API's address ("the setting 'api_url'").
    """

    identity: str
    secrets: tuple[str, ...]
    permissions: ClassVar[str]
    same_tenant: ClassVar[str]
    api_settings: ClassVar[str]

    def fetch(self, transport: Transport) -> Token:
        """Request a new token. ``TokenCache`` never lets two threads call this at once.

        Raises:
            FatalError: the token endpoint refused; the message names the settings to check.
            UnavailableError: the retries are used up.
        """

    def discover(self, transport: Transport, token: Token) -> str:  # noqa: ARG002 - for grants that can look it up
        """Look up the base URL of the API and return it without a trailing slash.

        Raises:
            SettingsError: this grant cannot look it up, or the platform does not name it; the message names the setting
                to change.
            UnavailableError: the retries are used up.
        """
        msg = "With these credentials the address of the API cannot be looked up: set 'api_url'."
        raise SettingsError(msg)


def read_token(response: ApiResponse) -> Token:
    """Parse the response of a token endpoint.

    Raises:
        RetriableError: it contains no usable token.
    """
    try:
        body = response.json()
        access_token = body["access_token"]
        # A token that is not valid in a header would fail later, with the token in the message.
        if not (isinstance(access_token, str) and access_token.isascii() and access_token.isprintable()):
            raise TypeError
        others = [found if isinstance(found := body.get(key), str) else "" for key in ("id_token", "refresh_token")]
        if not access_token or max(map(len, (access_token, *others))) > MAX_TOKEN_CHARACTERS:
            raise ValueError
        return Token(
            access_token, min(float(body.get("expires_in") or DEFAULT_TOKEN_SECONDS), MAX_TOKEN_SECONDS), *others
        )
    except MALFORMED_RESPONSE_ERRORS:
        reason = f"the response ({response.status_code}) contains no usable token"
        advice = (
            "check the settings of the address ('auth_url', 'api_url', 'region', 'issuer'), and whether a proxy "
            "answers in the platform's place"
        )
        # Not chained: the parser's error would contain the response, which may contain a token.
        raise RetriableError(reason, advice=advice) from None


def token_hints(credentials: str, permissions: str, addresses: str) -> Mapping[int, str]:
    """Return what to check, by the status with which a token endpoint refuses.

    Args:
        credentials: the settings that are the credentials, quoted and listed.
        permissions: what to check after a 403.
        addresses: the settings that determine the endpoint's address, introduced by "the setting(s)".
    """
    wrong_credentials = f"check the settings {credentials}"
    return {
        HTTPStatus.BAD_REQUEST: wrong_credentials,
        HTTPStatus.UNAUTHORIZED: wrong_credentials,
        HTTPStatus.FORBIDDEN: f"check {permissions}",
        HTTPStatus.NOT_FOUND: f"check {addresses}",
    }


def basic_credentials(name: str, password: str) -> str:
    """Return the value of an HTTP Basic header, without the word Basic."""
    return base64.b64encode(f"{name}:{password}".encode()).decode()
