"""Who is told: addresses from the settings, checked, and the name under which the audit log knows each of them.

An address may carry a token: nothing of it but the host ever leaves this room, except to the one who sends.
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

import msgspec

from tap_cxone.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAMED = re.compile(r"([A-Za-z0-9._-]{1,64})=(.*)", re.DOTALL)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_DIGEST_LENGTH = 16
_MARK = "whsec_"


@dataclass(frozen=True)
class Receiver:
    """One receiver.

    Attributes:
        name: what the audit log calls it: a given name, or a digest of the address without query and user info.
        host: all of the address that may be shown.
        url: the address.
    """

    name: str
    host: str
    url: str = field(repr=False)

    def __str__(self) -> str:
        """Return the receiver as it is named in messages."""
        return f"Receiver {self.name} ({self.host})"


def split_setting(text: str) -> list[str]:
    """Take the setting ``webhook_url`` apart: one address, several between white space, or a JSON array.

    Raises:
        SettingsError: it begins like a JSON array and is none of texts.
    """
    if text.lstrip().startswith("["):
        try:
            return msgspec.json.decode(text.encode(), type=list[str])
        except (msgspec.DecodeError, UnicodeEncodeError):
            msg = "Setting 'webhook_url': it begins like a JSON array, and is no JSON array of texts."
            raise SettingsError(msg) from None
    return text.split()


def read_receivers(texts: Iterable[str], *, allow_http: bool) -> list[Receiver]:
    """Check the addresses, each ``URL`` or ``name=URL``.

    Args:
        texts: the addresses.
        allow_http: whether http may go elsewhere than to this machine.

    Raises:
        SettingsError: one of them is no usable address, or two cannot be told apart.
    """
    receivers: list[Receiver] = []
    for number, text in enumerate(texts, 1):
        receiver = _receiver(text, f"Setting 'webhook_url': address {number}", allow_http=allow_http)
        if receiver in receivers:
            continue
        if any(receiver.name == other.name for other in receivers):
            msg = (
                f"Setting 'webhook_url': address {number} is known by the same name as one before it ({receiver}); "
                "tell them apart by names, as in name=https://..."
            )
            raise SettingsError(msg)
        receivers.append(receiver)
    return receivers


def check_secret(secret: str) -> str:
    """Return a secret that messages can be signed with.

    Raises:
        SettingsError: it is no base64, with or without ``whsec_`` before it.
    """
    encoded = secret.strip().removeprefix(_MARK).rstrip("=")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        msg = "Setting 'webhook_secret': it has to be 'whsec_' with base64 behind it (Standard Webhooks)."
        raise SettingsError(msg)
    return _MARK + encoded


def _receiver(text: str, where: str, *, allow_http: bool) -> Receiver:
    named = _NAMED.fullmatch(text.strip())
    url = named[2] if named else text.strip()
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = SplitResult("", "", "", "", ""), "", None
    if parts.scheme not in _DEFAULT_PORTS or not host or any(not sign.isprintable() or sign.isspace() for sign in url):
        msg = f"{where} is no http or https URL (as in https://bi.example.com/hook, or name=https://...)."
        raise SettingsError(msg)
    if parts.scheme == "http" and not allow_http and not _is_this_machine(host):
        msg = f"{where} is plain http to {host}: use https, or set 'allow_http' where the network is yours."
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
