"""The identity of a platform: the host of its API, and the tenant that a token names."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

# ruff: noqa: PLC0415 - imported when it is used, so that --version and --about start quickly

_TENANT_CLAIM = "tenantId"
_MAX_TENANT_CHARACTERS = 200


@dataclass(frozen=True)
class PlatformIdentity:
    """Which platform, and which tenant of it. Credentials are not part of it: they rotate.

    Attributes:
        host: name of the API's host, lower case and without port; ``sandbox`` for the sandbox in this process.
        tenant: ID of the tenant; None where no token names it.
    """

    host: str
    tenant: str | None = None

    def __str__(self) -> str:
        """Return the form for messages."""
        return f"host '{self.host}'" + (f", tenant '{self.tenant}'" if self.tenant else "")

    def contradicts(self, other: PlatformIdentity) -> bool:
        """Return whether the two cannot be the same; a tenant that one of them does not name proves nothing."""
        return self.host != other.host or bool(self.tenant and other.tenant and self.tenant != other.tenant)

    def is_confirmed_by(self, other: PlatformIdentity | None) -> bool:
        """Return whether the other names the same host, and the same tenant if this one names any."""
        return other is not None and self.host == other.host and self.tenant in {None, other.tenant}

    def to_dict(self) -> dict[str, str]:
        """Return the form in which the state holds it."""
        return {"host": self.host} | ({"tenant": self.tenant} if self.tenant else {})

    @classmethod
    def from_dict(cls, value: Any) -> PlatformIdentity | None:  # noqa: ANN401 - from a file
        """Read the form that ``to_dict`` returns; return None for anything else."""
        host, tenant = (value.get("host"), value.get("tenant")) if isinstance(value, dict) else (None, None)
        if not isinstance(host, str) or not host:
            return None
        return cls(host, tenant if isinstance(tenant, str) and tenant else None)


def host_name(url: str) -> str:
    """Return the host of a URL in lower case, without port."""
    return urlsplit(url).hostname or ""


def tenant_id(*tokens: str) -> str | None:
    """Return the tenant that the first token with that claim names. The platform, not the tap, verifies tokens.

    Args:
        tokens: access and ID token; one that is empty, or not a JWT, is ignored.
    """
    import jwt

    from tap_cxone.api.error_messages import MALFORMED_RESPONSE_ERRORS

    for token in filter(None, tokens):
        with contextlib.suppress(jwt.InvalidTokenError, *MALFORMED_RESPONSE_ERRORS):
            value = jwt.decode(token, options={"verify_signature": False}).get(_TENANT_CLAIM)
            if isinstance(value, str) and 0 < len(value) <= _MAX_TENANT_CHARACTERS and value.isprintable():
                return value
    return None
