"""OAuth 2.0 grants: the three authentication methods of the platform."""

from tap_cxone.api.grants.access_key import AccessKey
from tap_cxone.api.grants.base import Grant
from tap_cxone.api.grants.client_credentials import ClientCredentials
from tap_cxone.api.grants.password import Password

__all__ = ["AccessKey", "ClientCredentials", "Grant", "Password"]
