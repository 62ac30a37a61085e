"""Addresses that the platform names for a download: which of them are requested."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import SplitResult, urlsplit

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_download_address(url: object, api_url: str) -> bool:
    """Return whether the file of an export may be requested from an address that the platform has sent.

    It must be an https URL without user information; http is accepted if the API itself is reached by http. Its host
    must not be written as an address of this machine or of a private network, unless that of the API is. A name may
    resolve to a private address, since storage behind a private endpoint is legitimate.

    Args:
        url: the address, as sent.
        api_url: URL of the API that sent it.
    """
    parts, api = _split(url), _split(api_url)
    if parts is None or api is None:
        return False
    return (
        parts.scheme in {"https", api.scheme}
        and "@" not in parts.netloc
        and (not _is_internal(parts.hostname or "") or _is_internal(api.hostname or ""))
    )


def _split(url: object) -> SplitResult | None:
    """Return the parts of a URL that can be requested, else None."""
    # A backslash ends the host for urllib3, but not for urlsplit.
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or set(url) & {" ", "\\"}:
        return None
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if is_usable else None


def _is_internal(host: str) -> bool:
    """Return whether a host is written as an address that is not public, or as a name of this machine."""
    host = host.rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(host)
    except ValueError:
        try:
            # The operating system also accepts 127.1, 0x7f000001 and 2130706433.
            address = ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return False
    if isinstance(address, ipaddress.IPv6Address):
        translated = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
        address = address.ipv4_mapped or address.sixtofour or translated or address
    return not address.is_global
