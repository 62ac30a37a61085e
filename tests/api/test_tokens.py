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


def test_a_token_is_kept_until_a_minute_before_it_runs_out() -> None:
    endpoint = Endpoint(1200)
    assert endpoint.tokens.token() == "token-1"
    endpoint.now += 1139.9
    assert endpoint.tokens.token() == "token-1"
    endpoint.now += 0.1
    assert endpoint.tokens.token() == "token-2"
    endpoint.now += 1139.9
    assert endpoint.tokens.token() == "token-2"


def test_the_life_of_a_token_begins_when_it_is_asked_for() -> None:
    endpoint = Endpoint(1200)

    def slow() -> Token:
        endpoint.now += 100
        return endpoint.fetch()

    tokens = TokenCache(slow, clock=lambda: endpoint.now)
    tokens.token()
    endpoint.now += 1039
    assert tokens.token() == "token-1"
    endpoint.now += 1
    assert tokens.token() == "token-2"


@pytest.mark.parametrize("life", [10, 60, 90])
def test_a_short_lived_token_is_used_for_half_its_life(life: float) -> None:
    endpoint = Endpoint(life)
    endpoint.tokens.token()
    endpoint.now += life / 2 - 0.1
    assert endpoint.tokens.token() == "token-1"
    endpoint.now += 0.2
    assert endpoint.tokens.token() == "token-2"


@pytest.mark.parametrize("life", [0, -5])
def test_a_token_without_a_life_is_used_once(life: float) -> None:
    endpoint = Endpoint(life)
    assert [endpoint.tokens.token() for _ in range(2)] == ["token-1", "token-2"]


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
        return tokens.token()

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(use, range(8))) == {"token-1"}
        assert len(fetched) == 1

        def refused(_: int) -> str:
            together.wait()
            tokens.forget("token-1")
            together.wait()
            return tokens.token()

        assert set(threads.map(refused, range(8))) == {"token-2"}
    assert len(fetched) == 2


def test_a_token_that_was_replaced_already_is_not_forgotten_again() -> None:
    endpoint = Endpoint()
    first = endpoint.tokens.token()
    endpoint.tokens.forget(first)
    second = endpoint.tokens.token()
    endpoint.tokens.forget(first)
    assert endpoint.tokens.token() == second
    assert endpoint.fetched == 2


def test_a_fetch_that_fails_leaves_nothing_behind() -> None:
    endpoint = Endpoint()
    answers = iter([OSError("no"), None])

    def fetch() -> Token:
        if (error := next(answers)) is not None:
            raise error
        return endpoint.fetch()

    tokens = TokenCache(fetch)
    with pytest.raises(OSError, match="no"):
        tokens.token()
    assert tokens.secrets() == []
    assert tokens.token() == "token-1"


def test_former_tokens_stay_secrets() -> None:
    endpoint = Endpoint()
    first = endpoint.tokens.token()
    endpoint.tokens.forget(first)
    second = endpoint.tokens.token()
    assert {first, second} <= set(endpoint.tokens.secrets())


def test_what_came_with_a_token_is_a_secret_and_stays_one() -> None:
    answers = iter([Token("first", 10, "id-1", "refresh-1"), Token("second", 10), Token("third", 10, "id-3")])
    tokens = TokenCache(lambda: next(answers))
    assert tokens.granted().id_token == "id-1"
    for token in ("first", "second"):
        tokens.forget(token)
        tokens.token()
    assert tokens.secrets() == ["first", "id-1", "refresh-1", "second", "third", "id-3"]


def test_two_sources_share_no_token() -> None:
    one, other = Endpoint(), Endpoint()
    one.tokens.token()
    one.tokens.token()
    other.tokens.token()
    assert (one.fetched, other.fetched) == (1, 1)
    assert one.tokens.secrets() is not other.tokens.secrets()
