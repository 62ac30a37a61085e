"""Errors of the three grants: the settings that they name, and the secrets that they do not. No test waits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

import pytest

from tap_cxone.errors import FatalError, UnavailableError
from tests.api.issuers import (
    APP_SECRET,
    BASIC,
    KEY,
    KEY_SECRET,
    METHODS,
    TOKEN,
    client_of,
    grant_of,
    issuer,
    tokens,
)
from tests.scripted_platform import chain, get, refusal

if TYPE_CHECKING:
    from tests.scripted_platform import Serve

# --- Errors -----------------------------------------------------------------------------------------------------------


KEY_SETTINGS = ("'access_key_id'", "'access_key_secret'")
APP_SETTINGS = ("'client_id'", "'client_secret'")


@pytest.mark.parametrize(
    ("method", "status", "hints"),
    [
        ("client_credentials", 401, APP_SETTINGS),
        ("client_credentials", 404, ("'auth_url'", "'api_url'")),
        ("access_key", 400, KEY_SETTINGS),
        ("access_key", 401, KEY_SETTINGS),
        ("access_key", 403, ("permissions of the access key's user",)),
        ("access_key", 404, ("'region'", "'auth_url'")),
        ("access_key", 405, ("'region'", "'auth_url'")),
        ("password", 400, KEY_SETTINGS + APP_SETTINGS),
        ("password", 401, KEY_SETTINGS + APP_SETTINGS),
        ("password", 403, ("permissions of the access key's user", "application")),
        ("password", 404, ("'issuer'", "'auth_url'")),
    ],
)
@pytest.mark.parametrize("name", ["errorDescription", "error_description"])
def test_a_refused_token_request_names_the_settings(
    serve: Serve, method: str, status: int, hints: tuple[str, ...], name: str
) -> None:
    platform = issuer(serve, {TOKEN: [refusal(status, {"error": "invalid", name: "what the platform says"})]})
    with pytest.raises(FatalError, match=rf"call 'token' with {status} \w.*\(what the platform says\)") as caught:
        get(client_of(platform, grant_of(method, platform)))
    assert all(word in caught.value.message for word in hints)
    others = set(KEY_SETTINGS + APP_SETTINGS) - set(hints)
    assert not any(word in caught.value.message for word in others)
    assert caught.value.message.count(".") == 1, "one sentence"
    assert platform.pauses == []


@pytest.mark.parametrize(
    ("method", "status", "hints"),
    [
        ("access_key", 401, "'region'"),
        ("access_key", 403, "permissions of the access key's user"),
        ("access_key", 404, "'region' and 'api_url'"),
        ("password", 401, "'issuer'"),
        ("password", 403, "the application"),
        ("password", 404, "'issuer' and 'api_url'"),
    ],
)
def test_a_refused_call_names_the_settings_of_its_grant(serve: Serve, method: str, status: int, hints: str) -> None:
    platform = issuer(serve, {"/x": [refusal(status)]})
    with pytest.raises(FatalError) as caught:
        get(client_of(platform, grant_of(method, platform)))
    assert hints in caught.value.message
    assert "scopes" not in caught.value.message


@pytest.mark.parametrize("method", METHODS)
def test_an_invalid_token_address_names_its_setting(serve: Serve, method: str) -> None:
    platform = serve()
    platform.url = "http://a..b"
    with pytest.raises(FatalError, match=r"'(auth_url|issuer)'"):
        get(client_of(platform, grant_of(method, platform), retry_budget=0))


# --- Secrets ----------------------------------------------------------------------------------------------------------


TOKENS = {"access_token": "tok.en-1", "id_token": "id.tok-1", "refresh_token": "re/fresh+1"}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("where", [TOKEN, "/x"])
def test_no_credential_or_token_of_a_grant_is_quoted(
    serve: Serve, method: str, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    secrets = {
        "client_credentials": [APP_SECRET, BASIC],
        "access_key": [KEY, KEY_SECRET],
        "password": [KEY, KEY_SECRET, APP_SECRET, BASIC],
    }[method]
    good = tokens(TOKENS)
    secrets += TOKENS.values() if where == "/x" else []
    forms = {
        form
        for secret in secrets
        for form in (secret, quote_plus(secret), json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    }
    for form_of_it in forms:
        refused = refusal(403, {"message": f"bad request: {form_of_it} was sent"})
        platform = issuer(serve, {TOKEN: good if where == "/x" else [refused], "/x": [refusal(503), refused]})
        with pytest.raises(FatalError, match=r"\(bad request: \*\*\* was sent\)") as caught:
            get(client_of(platform, grant_of(method, platform)))
        texts = [str(error) for error in chain(caught.value)]
        assert not any(form_of_it in text for text in [*texts, caplog.text])


@pytest.mark.parametrize("method", METHODS)
def test_a_response_of_the_token_endpoint_is_never_quoted(
    serve: Serve, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    platform = issuer(serve, {TOKEN: tokens(TOKENS | {"expires_in": "soon", "access_token": "tok.en-1"})})
    with pytest.raises(UnavailableError, match=r"the response \(200\) contains no usable token") as caught:
        get(client_of(platform, grant_of(method, platform), retry_budget=0))
    texts = [caplog.text, *(str(error) for error in chain(caught.value))]
    assert not any(secret in text for secret in TOKENS.values() for text in texts)
