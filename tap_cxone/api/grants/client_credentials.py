"""The client credentials grant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from tap_cxone.api.calls import ApiCall
from tap_cxone.api.grants.base import Grant, basic_credentials, read_token, token_hints

if TYPE_CHECKING:
    from tap_cxone.api.tokens import Token
    from tap_cxone.api.transport import Transport


class ClientCredentials(Grant):
    """OAuth client credentials, sent as a form (platform contract, section 1).

    Args:
        token_url: token endpoint.
        client_id: the OAuth client.
        client_secret: its secret.
    """

    permissions = "the client's scopes (analytics:export:read, analytics:export:write) and role"
    same_tenant = "'auth_url' belongs to 'api_url'"
    api_settings = "the setting 'api_url'"

    def __init__(self, token_url: str, client_id: str, client_secret: str) -> None:
        self._call = ApiCall(
            "token",
            "POST",
            token_url,
            form={"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret},
            hints=token_hints(
                "'client_id' and 'client_secret'", self.permissions, "the settings 'auth_url' and 'api_url'"
            ),
            address_settings="the setting 'auth_url', or 'api_url' if that is not set",
        )
        self.identity = client_id
        self.secrets = (client_secret, basic_credentials(client_id, client_secret))

    @override
    def fetch(self, transport: Transport) -> Token:
        return transport.request(self._call, read=read_token)
