"""OAuth 2.0 access tokens: a cache that renews them in time, and the authentication of one request.

The package ``grants`` fetches tokens. They are held in memory only.
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
"""A token is renewed this long before it expires, so that it does not expire on its way to the platform."""
_REMEMBERED_TOKENS = 8
"""Earlier tokens that are still redacted: responses to requests that carried them may still arrive."""


class Token(NamedTuple):
    """The response of a token endpoint.

    Attributes:
        access_token: the access token.
        expires_in: its lifetime in seconds, counted from the request.
        id_token: ID token of the same response, or empty.
        refresh_token: refresh token of the same response, or empty. It is redacted but never used: a new token is
            fetched with the credentials.
    """

    access_token: str
    expires_in: float
    id_token: str = ""
    refresh_token: str = ""


class TokenCache:
    """Holds one access token and renews it in time. Thread-safe.

    Each tap has its own instance: two configurations must not share a token.

    Two locks are used. ``_lock`` guards the fields and is held only while they are read or written, so ``secrets``
    never waits for the network and can be called during a fetch, even by ``fetch`` itself. ``_fetch_lock`` lets one
    thread at a time call ``fetch``; threads that need the new token wait for it. No thread acquires ``_fetch_lock``
    while it holds ``_lock``.

    Args:
        fetch: requests a token; never called by two threads at once.
        clock: returns the seconds of a monotonic clock.
    """

    def __init__(self, fetch: Callable[[], Token], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._fetch_lock = threading.Lock()
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._renew_at = 0.0
        self._recent: tuple[Token, ...] = ()

    def get(self) -> Token:
        """Return a token that has not expired; fetch one if there is none.

        Raises:
            CxoneError: whatever ``fetch`` raises; the next call fetches again.
        """
        if token := self._valid_token():
            return token
        with self._fetch_lock:
            if token := self._valid_token():  # fetched by another thread in the meantime
                return token
            requested_at = self._clock()
            token = self._fetch()
            self._store(token, requested_at)
            return token

    def forget(self, access_token: str) -> None:
        """Drop a token that the platform rejected, unless it has been replaced already."""
        with self._lock:
            if self._token is not None and access_token == self._token.access_token:
                self._token = None

    def secrets(self) -> list[str]:
        """Return what must not appear in errors and logs: recent tokens and what came with them."""
        with self._lock:
            recent = self._recent
        secrets = (secret for token in recent for secret in (token.access_token, token.id_token, token.refresh_token))
        return [secret for secret in secrets if secret]

    def _valid_token(self) -> Token | None:
        with self._lock:
            return self._token if self._clock() < self._renew_at else None

    def _store(self, token: Token, requested_at: float) -> None:
        # A token with a lifetime below the leeway is used for half of it, so that not every call fetches one.
        usable_seconds = max(token.expires_in - LEEWAY_SECONDS, token.expires_in / 2)
        with self._lock:
            self._token = token
            self._renew_at = requested_at + usable_seconds
            self._recent = (*self._recent, token)[-_REMEMBERED_TOKENS:]


class BearerAuth(AuthBase):
    """Adds a bearer token to a request. A plain header would be replaced by a ``.netrc`` entry of the host."""

    def __init__(self, access_token: str) -> None:
        self._access_token = access_token

    @override
    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        r.headers["Authorization"] = f"Bearer {self._access_token}"
        return r


class NoAuth(AuthBase):
    """Sends a request without authorization, even if ``.netrc`` has an entry for the host."""

    @override
    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        return r
