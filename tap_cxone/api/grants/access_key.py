"""The grant of a user's access key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from tap_cxone.api.calls import ApiCall
from tap_cxone.api.grants.base import Grant, read_token, token_hints

if TYPE_CHECKING:
    from tap_cxone.api.tokens import Token
    from tap_cxone.api.transport import Transport


class AccessKey(Grant):
    """A user's access key, sent as JSON (platform contract, section 2). Refresh tokens are not used.

    Args:
        token_url: token endpoint.
        access_key_id: the key; a secret, too.
        access_key_secret: its secret.
    """

    permissions = "the permissions of the access key's user"
    same_tenant = "'region' (or 'auth_url') and 'api_url' belong to the tenant of the access key"
    api_settings = "the settings 'region' and 'api_url'"

    def __init__(self, token_url: str, access_key_id: str, access_key_secret: str) -> None:
        addresses = "the settings 'region' and 'auth_url'"
        self._call = ApiCall(
            "token",
            "POST",
            token_url,
            json={"accessKeyId": access_key_id, "accessKeySecret": access_key_secret},
            hints=token_hints("'access_key_id' and 'access_key_secret'", self.permissions, addresses),
            address_settings=addresses,
        )
        self.identity = access_key_id
        self.secrets = (access_key_secret, access_key_id)

    @override
    def fetch(self, transport: Transport) -> Token:
        return transport.request(self._call, read=read_token)
