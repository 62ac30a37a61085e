"""Access to the platform: its addresses, and the credentials to call it with.

The simulated platform is one more address. This is the only module of production code that reads the setting
``sandbox`` or imports ``tap_cxone.sandbox``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from typing_extensions import override

from tap_cxone.config import values
from tap_cxone.errors import CxoneError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

ANALYTICS_API_URL = "https://api.nicecxone.com"
ACCESS_KEY_PATH = "/authentication/v1/token/access-key"
_REQUIRED = {
    "client_credentials": ("client_id", "client_secret"),
    "access_key": ("access_key_id", "access_key_secret"),
    "password": ("client_id", "client_secret", "access_key_id", "access_key_secret"),
}
"""The credentials that each method requires."""
_REGION = re.compile(r"[a-z]{2,8}(-[a-z]{2,8})?[0-9]{1,2}")
"""Letters and a number: na1, au1, eu1, uk1. The regions of a cloud provider, such as us-east-1, are others."""


@dataclass(frozen=True)
class Access:
    """Address of the platform and credentials; a credential that was not given is empty.

    Attributes:
        method: client_credentials, access_key or password.
        client_id: OAuth client ID.
        client_secret: OAuth client secret.
        access_key_id: ID of a user's access key.
        access_key_secret: secret of the access key.
        issuer: base URL of the issuer, used for discovery.
        api_url: base URL of the API; None if it has to be discovered.
        auth_url: token endpoint; None if it has to be discovered.
        has_analytics: whether the credentials are meant for the analytics exports.
        has_data_extraction: whether the credentials are meant for the Data Extraction API.
        names_tenant: whether a setting says where the tenant is, which the Data Extraction API needs.
    """

    method: str
    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    access_key_id: str = field(repr=False)
    access_key_secret: str = field(repr=False)
    issuer: str
    api_url: str | None
    auth_url: str | None
    has_analytics: bool
    has_data_extraction: bool
    names_tenant: bool

    @property
    def host(self) -> str | None:
        """Name of the API's host without port; None if it has to be discovered."""
        return urlsplit(self.api_url).hostname if self.api_url else None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Access:
        """Check the settings for the platform's addresses and the credentials.

        Args:
            config: settings with the defaults filled in and without empty values.

        Returns:
            The access. With the setting ``sandbox`` it needs neither credentials nor an address.

        Raises:
            SettingsError: a setting is invalid, or one that the method requires is missing.
        """
        method = values.choice(config, "auth_method")
        use_sandbox = values.boolean(config, "sandbox")
        credentials = _credentials(config, () if use_sandbox else _REQUIRED[method], method)
        issuer = values.url(config, "issuer")
        api_url = values.optional_url(config, "api_url")
        auth_url = values.optional_url(config, "auth_url")
        region = _region(config) if "region" in config else None
        if use_sandbox:
            return _SandboxAccess(
                method=method,
                **credentials,
                issuer=issuer,
                api_url=None,
                auth_url=None,
                has_analytics=True,
                has_data_extraction=True,
                names_tenant=True,
                submit_seconds=values.whole_number(config, "submit_interval"),
            )
        has_analytics = method == "client_credentials"
        names_tenant = any((api_url, auth_url, region)) or method == "password"
        if has_analytics:
            api_url = api_url or ANALYTICS_API_URL
            auth_url = auth_url or f"{api_url}/oauth/token"
        elif method == "access_key":
            api_url, auth_url = _access_key_urls(api_url, auth_url, region)
        return cls(
            method=method,
            **credentials,
            issuer=issuer,
            api_url=api_url,
            auth_url=auth_url,
            has_analytics=has_analytics,
            has_data_extraction=not has_analytics,
            names_tenant=names_tenant,
        )

    def connect(self) -> Access:
        """Return the access with addresses that can be called: itself, except for the sandbox.

        The sandbox is started in a thread of this process by the first call, and ends with the process.

        Raises:
            CxoneError: the sandbox cannot start.
        """
        return self


@dataclass(frozen=True)
class _SandboxAccess(Access):
    """The simulated platform, which has an address only once it is started.

    Attributes:
        submit_seconds: minimum seconds between two Data Extraction creates that the sandbox enforces.
    """

    submit_seconds: float

    @property
    @override
    def host(self) -> str:
        return "sandbox"

    @override
    def connect(self) -> Access:
        return self._started

    @cached_property
    def _started(self) -> Access:
        from tap_cxone.sandbox import Sandbox, SandboxError, SandboxOptions  # noqa: PLC0415 - start-up time

        try:
            sandbox = Sandbox(SandboxOptions(submit_seconds=self.submit_seconds)).start()
        except SandboxError as err:
            raise CxoneError(str(err)) from err
        return Access(
            method="client_credentials",
            client_id=sandbox.client_id,
            client_secret=sandbox.client_secret,
            access_key_id="",
            access_key_secret="",
            issuer=self.issuer,
            api_url=sandbox.url,
            auth_url=f"{sandbox.url}/oauth/token",
            has_analytics=True,
            has_data_extraction=True,
            names_tenant=True,
        )


def _credentials(config: Mapping[str, Any], required: tuple[str, ...], method: str) -> dict[str, str]:
    """Return all credentials; one that is neither given nor required is empty."""
    for name in required:
        if name not in config:
            what = "the OAuth client's credentials" if name.startswith("client") else "the access key's ID and secret"
            condition = "" if method == "client_credentials" else f" (auth_method {method})"
            otherwise = "set 'sandbox' to true"
            if method == "client_credentials" and "access_key_id" in config:
                otherwise = "set 'auth_method' to access_key for an access key alone"
            msg = f"Setting '{name}' is missing{condition}: give {what}, or {otherwise}."
            raise SettingsError(msg)
    return {
        name: values.text(config, name) if name in config else ""
        for name in ("client_id", "client_secret", "access_key_id", "access_key_secret")
    }


def _region(config: Mapping[str, Any]) -> str:
    region = values.text(config, "region").strip().lower()
    if not _REGION.fullmatch(region):
        msg = "Setting 'region' must be a region of the platform, such as na1, au1, eu1 or uk1."
        raise SettingsError(msg)
    return region


def _access_key_urls(api_url: str | None, auth_url: str | None, region: str | None) -> tuple[str, str]:
    """Return API URL and token endpoint for the method access_key.

    Such a key is used at the host that issues its token. An address that is given takes precedence over the region.
    """
    host = api_url or (f"https://{region}.nice-incontact.com" if region else None)
    if auth_url is None and host is None:
        msg = "Setting 'region' is missing: give the tenant's region, such as na1, or 'auth_url'."
        raise SettingsError(msg)
    auth_url = auth_url or f"{host}{ACCESS_KEY_PATH}"
    return host or "{0.scheme}://{0.netloc}".format(urlsplit(auth_url)), auth_url
