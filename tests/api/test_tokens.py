"""The token cache: how long a token is used, what is secret, and many threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from tap_cxone.api.tokens import Token, TokenCache


class Endpoint:
    """A token endpoint and a clock."""

    def __init__(self, life: float = 1200.0) -> None:
        self.life = life
        self.fetched = 0
        self.now = 1000.0
        self.tokens = TokenCache(self.fetch, clock=lambda: self.now)

    def fetch(self) -> Token:
        self.fetched += 1
        return Token(f"token-{self.fetched}", self.life)


def test_a_token_is_used_until_a_minute_before_it_expires() -> None:
    endpoint = Endpoint(1200)
    assert endpoint.tokens.get().access_token == "token-1"
    endpoint.now += 1139.9
    assert endpoint.tokens.get().access_token == "token-1"
    endpoint.now += 0.1
    assert endpoint.tokens.get().access_token == "token-2"
    endpoint.now += 1139.9
    assert endpoint.tokens.get().access_token == "token-2"


def test_the_lifetime_of_a_token_begins_with_its_request() -> None:
    endpoint = Endpoint(1200)

    def slow() -> Token:
        endpoint.now += 100
        return endpoint.fetch()

    tokens = TokenCache(slow, clock=lambda: endpoint.now)
    tokens.get()
    endpoint.now += 1039
    assert tokens.get().access_token == "token-1"
    endpoint.now += 1
    assert tokens.get().access_token == "token-2"


@pytest.mark.parametrize("life", [10, 60, 90])
def test_a_short_lived_token_is_used_for_half_its_lifetime(life: float) -> None:
    endpoint = Endpoint(life)
    endpoint.tokens.get()
    endpoint.now += life / 2 - 0.1
    assert endpoint.tokens.get().access_token == "token-1"
    endpoint.now += 0.2
    assert endpoint.tokens.get().access_token == "token-2"


@pytest.mark.parametrize("life", [0, -5])
def test_a_token_without_a_lifetime_is_used_once(life: float) -> None:
    endpoint = Endpoint(life)
    assert [endpoint.tokens.get().access_token for _ in range(2)] == ["token-1", "token-2"]


class BlockingEndpoint:
    """A token endpoint that responds only when the test lets it."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.release = threading.Event()
        self.fetched = 0
        self.secrets: list[list[str]] = []
        self.tokens = TokenCache(self.fetch)

    def fetch(self) -> Token:
        self.secrets.append(self.tokens.secrets())
        self.fetched += 1
        number = self.fetched
        self.started.set()
        assert self.release.wait(30)
        return Token(f"token-{number}", 1200)


def test_threads_share_one_fetch() -> None:
    endpoint = BlockingEndpoint()
    together = threading.Barrier(8)

    def use(_: int) -> str:
        if together.wait() == 0:
            endpoint.release.set()
        return endpoint.tokens.get().access_token

    def renew(_: int) -> str:
        together.wait()
        endpoint.tokens.forget("token-1")
        together.wait()
        return endpoint.tokens.get().access_token

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(use, range(8))) == {"token-1"}
        assert endpoint.fetched == 1
        assert set(threads.map(renew, range(8))) == {"token-2"}
    assert endpoint.fetched == 2


def test_secrets_are_available_during_a_fetch() -> None:
    """A fetch that fails has its error redacted in the same thread, and other threads have errors of their own."""
    endpoint = BlockingEndpoint()
    endpoint.release.set()
    endpoint.tokens.get()
    endpoint.tokens.forget("token-1")
    endpoint.started.clear()
    endpoint.release.clear()
    with ThreadPoolExecutor(16) as threads:
        waiting = [threads.submit(endpoint.tokens.get) for _ in range(8)]
        assert endpoint.started.wait(30)
        try:
            redacting = [threads.submit(endpoint.tokens.secrets) for _ in range(8)]
            assert [future.result(30) for future in redacting] == [["token-1"]] * 8
            assert not any(future.done() for future in waiting)
        finally:
            endpoint.release.set()
        assert {future.result(30).access_token for future in waiting} == {"token-2"}
    assert endpoint.secrets == [[], ["token-1"]], "as the fetching thread saw them"


def test_many_threads_see_every_token_as_a_secret_and_never_fetch_at_once() -> None:
    fetching = threading.Lock()
    numbers = count(1)
    renewals = iter(range(6))  # fewer than the cache remembers

    def fetch() -> Token:
        assert fetching.acquire(blocking=False), "two threads fetch at once"
        try:
            return Token(f"token-{next(numbers)}", 1200)
        finally:
            fetching.release()

    tokens = TokenCache(fetch)

    def use(_: int) -> str:
        token = tokens.get().access_token
        assert token in tokens.secrets()
        if next(renewals, None) is not None:
            tokens.forget(token)
        return token

    with ThreadPoolExecutor(16) as threads:
        used = set(threads.map(use, range(400)))
    assert used == set(tokens.secrets())
    assert 1 < len(used) <= 7


def test_forgetting_a_replaced_token_keeps_the_new_one() -> None:
    endpoint = Endpoint()
    first = endpoint.tokens.get().access_token
    endpoint.tokens.forget(first)
    second = endpoint.tokens.get().access_token
    endpoint.tokens.forget(first)
    assert endpoint.tokens.get().access_token == second
    assert endpoint.fetched == 2


def test_a_failed_fetch_leaves_the_cache_empty() -> None:
    endpoint = Endpoint()
    responses = iter([OSError("no"), None])

    def fetch() -> Token:
        if (error := next(responses)) is not None:
            raise error
        return endpoint.fetch()

    tokens = TokenCache(fetch)
    with pytest.raises(OSError, match="no"):
        tokens.get()
    assert tokens.secrets() == []
    assert tokens.get().access_token == "token-1"


def test_earlier_tokens_stay_secret() -> None:
    endpoint = Endpoint()
    first = endpoint.tokens.get().access_token
    endpoint.tokens.forget(first)
    second = endpoint.tokens.get().access_token
    assert {first, second} <= set(endpoint.tokens.secrets())


def test_id_and_refresh_tokens_are_and_stay_secret() -> None:
    responses = iter([Token("first", 10, "id-1", "refresh-1"), Token("second", 10), Token("third", 10, "id-3")])
    tokens = TokenCache(lambda: next(responses))
    assert tokens.get().id_token == "id-1"
    for token in ("first", "second"):
        tokens.forget(token)
        tokens.get()
    assert tokens.secrets() == ["first", "id-1", "refresh-1", "second", "third", "id-3"]


def test_two_caches_share_no_token() -> None:
    one, other = Endpoint(), Endpoint()
    one.tokens.get()
    one.tokens.get()
    other.tokens.get()
    assert (one.fetched, other.fetched) == (1, 1)
    assert one.tokens.secrets() is not other.tokens.secrets()
