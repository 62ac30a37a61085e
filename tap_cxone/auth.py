"""OAuth 2.0: where access tokens come from and how long they are used.

One ``TokenSource`` belongs to one tap (never to a class: two configurations must not share a token), is safe to use
from several threads, and keeps what it knows in memory only.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from requests.auth import AuthBase
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest

LEEWAY_SECONDS = 60.0
"""A token is renewed this long before it runs out, so that it does not die on the way."""
_REMEMBERED = 8
"""Former tokens that are still recognised as secrets: answers to their requests may be on the way."""


class TokenSource:
    """Hands out an access token and renews it in time.

    Args:
        fetch: asks the token endpoint; returns the token and its life in seconds.
        clock: seconds of a clock that never goes back.
    """

    def __init__(self, fetch: Callable[[], tuple[str, float]], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = 0.0
        self._handed_out: tuple[str, ...] = ()

    def token(self) -> str:
        """Return a token with life left in it."""
        with self._lock:
            if not self._token or self._clock() >= self._renew_at:
                asked_at = self._clock()
                self._token, life = self._fetch()
                self._handed_out = (*self._handed_out, self._token)[-_REMEMBERED:]
                # A token that lives shorter than the leeway is used for half its life, not fetched for every call.
                self._renew_at = asked_at + max(life - LEEWAY_SECONDS, life / 2)
            return self._token

    def forget(self, token: str) -> None:
        """Drop a token that the platform refused, unless another thread has replaced it already."""
        with self._lock:
            if token == self._token:
                self._token = ""

    def secrets(self) -> list[str]:
        """Return what must not be quoted anywhere."""
        return list(self._handed_out)


class BearerAuth(AuthBase):
    """Puts one token on one request; a bare header would give way to a ``.netrc`` entry of the host."""

    def __init__(self, token: str) -> None:
        self._token = token

    @override
    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        r.headers["Authorization"] = f"Bearer {self._token}"
        return r


class NoAuth(AuthBase):
    """Leaves a request without authorization, a ``.netrc`` entry of the host notwithstanding."""

    @override
    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        return r
