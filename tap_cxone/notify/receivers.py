"""Webhook receivers: reads their addresses from the settings, and names them for the audit log.

An address may contain a token, so only its host is ever shown.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from tap_cxone.errors import SettingsError
from tap_cxone.observability.list_settings import split_list

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAMED = re.compile(r"([A-Za-z0-9._-]{1,64})=(.*)", re.DOTALL)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_DIGEST_LENGTH = 16
_PREFIX = "whsec_"


@dataclass(frozen=True)
class Receiver:
    """One receiver.

    Attributes:
        name: identifies it in the audit log: the configured name, or a digest of the URL without query and user info.
        host: host of the URL, the only part that may be shown.
        url: the URL, with its secrets.
    """

    name: str
    host: str
    url: str = field(repr=False)

    def __str__(self) -> str:
        """Return the receiver for use in messages."""
        return f"Receiver {self.name} ({self.host})"


def split_setting(text: str) -> list[str]:
    """Split the setting ``webhook_url``: one address, several separated by white space, or a JSON array.

    Raises:
        SettingsError: it begins like a JSON array, but is not one of strings.
    """
    return split_list(text, "webhook_url")


def read_receivers(texts: Iterable[str], *, allow_http: bool) -> list[Receiver]:
    """Return the receivers for some addresses, without duplicates.

    Args:
        texts: the addresses, each ``URL`` or ``name=URL``.
        allow_http: whether plain http is allowed to other machines.

    Raises:
        SettingsError: an address is not usable, or two different ones have the same name.
    """
    receivers: list[Receiver] = []
    for number, text in enumerate(texts, 1):
        receiver = _receiver(text, f"Setting 'webhook_url': address {number}", allow_http=allow_http)
        if receiver in receivers:
            continue
        if any(receiver.name == other.name for other in receivers):
            msg = (
                f"Setting 'webhook_url': address {number} has the same name as an earlier one ({receiver}); "
                "give them different names, as in name=https://..."
            )
            raise SettingsError(msg)
        receivers.append(receiver)
    return receivers


def check_secret(secret: str) -> str:
    """Return a signing secret in the form of Standard Webhooks.

    Args:
        secret: base64, with or without the prefix ``whsec_``.

    Raises:
        SettingsError: it is not valid base64.
    """
    encoded = secret.strip().removeprefix(_PREFIX).rstrip("=")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        msg = "Setting 'webhook_secret': it must be 'whsec_' followed by base64 (Standard Webhooks)."
        raise SettingsError(msg)
    return _PREFIX + encoded


def _receiver(text: str, where: str, *, allow_http: bool) -> Receiver:
    named = _NAMED.fullmatch(text.strip())
    url = named[2] if named else text.strip()
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = SplitResult("", "", "", "", ""), "", None
    if (
        parts.scheme not in _DEFAULT_PORTS
        or not host
        or any(not character.isprintable() or character.isspace() for character in url)
    ):
        msg = f"{where} is not an http or https URL (as in https://bi.example.com/hook, or name=https://...)."
        raise SettingsError(msg)
    if parts.scheme == "http" and not allow_http and not _is_this_machine(host):
        msg = f"{where} is plain http to {host}: use https, or set 'allow_http' if you trust the network."
        raise SettingsError(msg)
    return Receiver(named[1] if named else _digest(parts, host, port), host, url)


def _digest(parts: SplitResult, host: str, port: int | None) -> str:
    address = f"{parts.scheme}://{host}:{port or _DEFAULT_PORTS[parts.scheme]}{parts.path or '/'}"
    return hashlib.sha256(address.encode()).hexdigest()[:_DIGEST_LENGTH]


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
