"""Redaction: what errors and logs show of the platform's text, of secrets and of URLs. No test waits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pytest

from tap_cxone.api.redaction import PUBLIC_SECRET, redact
from tap_cxone.errors import FatalError, UnavailableError
from tap_cxone.sandbox import Sandbox
from tests.scripted_platform import SECRET, chain, get, ok, refusal

if TYPE_CHECKING:
    from tests.scripted_platform import Serve


@pytest.mark.parametrize(
    "echo", [SECRET, quote_plus(SECRET), f"client_secret={quote_plus(SECRET)}&x", json.dumps(SECRET)]
)
@pytest.mark.parametrize("path", ["/oauth/token", "/x"])
def test_a_secret_that_the_platform_quotes_is_redacted(serve: Serve, path: str, echo: str) -> None:
    platform = serve({path: [refusal(400, {"message": f"bad request: {echo} was sent"})]})
    with pytest.raises(FatalError) as caught:
        get(platform.client())
    assert "bad request" in caught.value.message
    assert "***" in caught.value.message
    for form in (SECRET, quote_plus(SECRET), json.dumps(SECRET)[1:-1]):
        assert form not in caught.value.message


@pytest.mark.parametrize("number", [1, 2])
def test_tokens_that_the_platform_quotes_are_redacted(serve: Serve, number: int) -> None:
    platform = serve(x=[refusal(401), refusal(403, {"message": f"Bearer token-{number} may not"})])
    with pytest.raises(FatalError, match=r"Bearer \*\*\* may not"):
        get(platform.client())


def test_the_log_and_the_causes_of_an_error_contain_no_secret(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    echo = (200, {"Content-Type": f"text/token-1; {SECRET.encode().hex()}"}, f"token-1 {SECRET}".encode())
    platform = serve(x=[echo])
    with pytest.raises(UnavailableError) as caught:
        get(platform.client(retry_budget=0))
    for error in chain(caught.value):
        assert "token-1" not in str(error)
        assert SECRET not in str(error)
    assert "token-1" not in caplog.text
    assert SECRET not in caplog.text


def test_the_explanation_of_the_platform_becomes_one_short_line(serve: Serve) -> None:
    platform = serve(x=[refusal(400, {"message": "first\r\nsecond | ERROR\t" + "x" * 10_000})])
    with pytest.raises(FatalError, match=r"first second \| ERROR x+…") as caught:
        get(platform.client())
    assert len(caught.value.message) < 600


@pytest.mark.parametrize(
    ("body", "headers", "said"),
    [
        ({"error": "e", "error_description": "described"}, {}, "described"),
        ({"error": {"message": "nested"}}, {}, ""),
        (["list"], {}, ""),
        ({"message": 7, "errorMessage": "said so"}, {}, "said so"),
        ({}, {"icStatusDescription": "in a header"}, "in a header"),
    ],
    ids=str,
)
def test_the_explanation_is_taken_from_several_keys_or_a_header(
    serve: Serve, body: Any, headers: dict[str, str], said: str
) -> None:
    platform = serve(x=[(400, headers, json.dumps(body).encode() if body else b"")])
    with pytest.raises(FatalError) as caught:
        get(platform.client())
    assert f"400 Bad Request ({said}): " in caught.value.message if said else "Bad Request: " in caught.value.message


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "see https://store.example/b/k?X-Amz-Signature=abc123&x=1, please",
            "see https://store.example/*** please",
        ),
        (r'{"url": "https:\/\/store.example\/k?sig=abc123"}', r'{"url": "https:\/\/store.example/***"}'),
        ("HTTPS://store.example#abc123", "HTTPS://store.example/***"),
        ("go=https%3A%2F%2Fstore.example%2Fk%3Fsig%3Dabc123", "go=https%3A%2F%2Fstore.example/***"),
        ("<Url>https://store.example/k?a=abc123&amp;b</Url>", "<Url>https://store.example/***</Url>"),
        ("/k?X-Amz-Credential=abc123&a=1", "/k?X-Amz-Credential=***&a=1"),
        ("http://store.example/k and what? abc", "http://store.example/k and what? abc"),
    ],
)
def test_the_queries_of_urls_are_redacted(serve: Serve, said: str, shown: str) -> None:
    assert serve().client().redact(said) == shown


def test_a_secret_that_is_the_prefix_of_another_is_redacted_completely(serve: Serve) -> None:
    platform = serve({"/oauth/token": [ok({"access_token": "abcd-token", "refresh_token": "abcd"})]})
    client = platform.client(client_secret="abcd-token-and-more")
    get(client)
    assert client.redact("abcd, ABCD-token, abcd-token-and-more") == "***, ***, ***"


@pytest.mark.parametrize("secret", ["a", "xyz", "1234567"])
def test_a_short_secret_is_redacted(secret: str) -> None:
    assert redact(f"wrong: {secret}!", [secret]) == "wrong: ***!"


def test_the_public_secret_of_the_sandbox_is_not_redacted() -> None:
    assert Sandbox.client_secret == PUBLIC_SECRET
    assert redact("the sandbox is busy", ["sandbox"]) == "the sandbox is busy"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("one\r\nERROR two\x07", "one ERROR two\\x07"),
        ("half a pair: \ud800", "half a pair: \\ud800"),
        ("right to left: \u202e", "right to left: \\u202e"),
        ("Grüße, 東京", "Grüße, 東京"),
    ],
)
def test_characters_that_could_mislead_a_terminal_are_escaped(text: str, shown: str) -> None:
    assert redact(text, []) == shown
