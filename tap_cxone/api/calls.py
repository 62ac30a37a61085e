"""ApiCall describes one request: what is sent, whether it may be repeated, and what its errors advise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_RESPONSE_BYTES = 1 << 20
"""Longest body of a response to a call: documented ones have a few hundred bytes."""
MAX_LIST_BYTES = 2 << 20
"""Longest body of a list: room for some thousand entries."""


@dataclass(frozen=True)
class ApiCall:
    """One call, without authentication.

    Attributes:
        name: name of the call in logs and errors (``list``, ``create``, ``token``, ...).
        method: HTTP method.
        url: absolute URL; in calls made with a ``PlatformClient``, a path that is appended to the API's base URL.
        json: JSON body.
        form: body as an HTML form.
        params: query parameters.
        repeatable: False if a second request could have a second effect. Such a call is repeated only after a response
            that proves that the request was not carried out.
        throttled: statuses that mean either "throttled" or "forbidden"; the platform does not say which.
        hints: what to check, by status. A status without a hint is explained with ``address_settings``.
        address_settings: the settings that determine the address, for errors ("the setting 'api_url'"). A
            ``PlatformClient`` fills it in.
        later: what to do if the platform stays unavailable; the end of a sentence.
        min_pause: shortest pause between two attempts, in seconds.
        follow_redirects: whether to follow redirects. A redirect from an API means that its address is wrong.
        max_bytes: longest body of a response that is read, decompressed. Whoever stores a file limits it.
    """

    name: str
    method: str
    url: str
    json: object = None
    form: Mapping[str, str] | None = None
    params: Mapping[str, str] | None = None
    repeatable: bool = True
    throttled: frozenset[int] = frozenset()
    hints: Mapping[int, str] = field(default_factory=dict)
    address_settings: str = ""
    later: str = "try again later"
    min_pause: float = 0.0
    follow_redirects: bool = False
    max_bytes: int = MAX_RESPONSE_BYTES

    def hint(self, status: int) -> str:
        """Return what to check after a response with this status."""
        return self.hints.get(status) or f"check {self.address_settings}"
