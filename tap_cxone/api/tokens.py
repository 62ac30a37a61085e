"""OAuth 2.0: how long access tokens are used, and how they get onto a request (``grants``: where they come from).

One ``TokenCache`` belongs to one tap (never to a class: two configurations must not share a token), is safe to use
from several threads, and keeps what it knows in memory only.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from requests.auth import AuthBase
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest

LEEWAY_SECONDS = 60.0
"""A token is renewed this long before it runs out, so that it does not die on the way."""
_REMEMBERED = 8
"""Former tokens that are still recognised as secrets: answers to their requests may be on the way."""


class Token(NamedTuple):
    """What a token endpoint answered.

    Attributes:
        token: the access token.
        seconds: how long it lives, from the request on.
        id_token: came with it, or empty.
        refresh_token: came with it, or empty; not used, since a new token is simply asked for.
    """

    token: str
    seconds: float
    id_token: str = ""
    refresh_token: str = ""


class TokenCache:
    """Hands out an access token and renews it in time.

    Args:
        fetch: asks the token endpoint.
        clock: seconds of a clock that never goes back.
    """

    def __init__(self, fetch: Callable[[], Token], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._granted: Token | None = None
        self._renew_at = 0.0
        self._former: tuple[Token, ...] = ()

    def granted(self) -> Token:
        """Return a token with life left in it, and what came with it."""
        with self._lock:
            if self._granted is None or self._clock() >= self._renew_at:
                asked_at = self._clock()
                self._granted = self._fetch()
                self._former = (*self._former, self._granted)[-_REMEMBERED:]
                life = self._granted.seconds
                # A token that lives shorter than the leeway is used for half its life, not fetched for every call.
                self._renew_at = asked_at + max(life - LEEWAY_SECONDS, life / 2)
            return self._granted

    def token(self) -> str:
        """Return a token with life left in it."""
        return self.granted().token

    def forget(self, token: str) -> None:
        """Drop a token that the platform refused, unless another thread has replaced it already."""
        with self._lock:
            if self._granted is not None and token == self._granted.token:
                self._granted = None

    def secrets(self) -> list[str]:
        """Return what must not be quoted anywhere."""
        found = [secret for each in self._former for secret in (each.token, each.id_token, each.refresh_token)]
        return [secret for secret in found if secret]


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
