"""Tokens: how long each is used, and that many threads fetch one only once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

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


def test_threads_share_one_fetch() -> None:
    together = threading.Barrier(8)
    fetched = []

    def fetch() -> Token:
        fetched.append(1)
        time.sleep(0.05)
        return Token(f"token-{len(fetched)}", 1200)

    tokens = TokenCache(fetch)

    def use(_: int) -> str:
        together.wait()
        return tokens.get().access_token

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(use, range(8))) == {"token-1"}
        assert len(fetched) == 1

        def refused(_: int) -> str:
            together.wait()
            tokens.forget("token-1")
            together.wait()
            return tokens.get().access_token

        assert set(threads.map(refused, range(8))) == {"token-2"}
    assert len(fetched) == 2


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
    answers = iter([OSError("no"), None])

    def fetch() -> Token:
        if (error := next(answers)) is not None:
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
    answers = iter([Token("first", 10, "id-1", "refresh-1"), Token("second", 10), Token("third", 10, "id-3")])
    tokens = TokenCache(lambda: next(answers))
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
