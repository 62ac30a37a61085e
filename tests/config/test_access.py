"""Access: addresses per authentication method, required credentials, and the sandbox as one more address."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import requests

from tap_cxone.config import access
from tap_cxone.errors import CxoneError, SettingsError
from tap_cxone.sandbox import Sandbox
from tests.config.configurations import ACCESS_KEY, SECRET, make_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT = {"client_id": "c", "client_secret": "s"}
NO_CREDENTIALS = dict.fromkeys(("client_id", "client_secret"), ...)


def test_access_of_an_oauth_client_by_default() -> None:
    found = make_settings().access
    assert found.method == "client_credentials"
    assert found.api_url == "https://api.nicecxone.com"
    assert found.auth_url == "https://api.nicecxone.com/oauth/token"


def test_separate_token_url_and_trailing_slashes() -> None:
    found = make_settings(api_url="https://api.example/base/ ", auth_url="http://[::1]:8080/token/").access
    assert (found.api_url, found.auth_url) == ("https://api.example/base", "http://[::1]:8080/token")
    assert make_settings(api_url="https://api.example/").access.auth_url == "https://api.example/oauth/token"


def test_access_key_uses_the_host_of_its_region() -> None:
    found = make_settings(auth_method="access_key", region=" EU1 ", **ACCESS_KEY).access
    assert found.api_url == "https://eu1.nice-incontact.com"
    assert found.auth_url == "https://eu1.nice-incontact.com/authentication/v1/token/access-key"


def test_access_key_uses_the_host_of_its_token_endpoint() -> None:
    found = make_settings(auth_method="access_key", auth_url="https://keys.example:8443/token", **ACCESS_KEY).access
    assert (found.api_url, found.auth_url) == ("https://keys.example:8443", "https://keys.example:8443/token")


def test_api_url_takes_precedence_over_region() -> None:
    found = make_settings(auth_method="access_key", region="na1", api_url="https://a.example", **ACCESS_KEY).access
    assert found.api_url == "https://a.example"
    assert found.auth_url == "https://a.example/authentication/v1/token/access-key"


def test_password_needs_only_credentials() -> None:
    found = make_settings(auth_method="password", **ACCESS_KEY | CLIENT).access
    assert (found.api_url, found.auth_url) == (None, None)
    assert found.issuer == "https://cxone.niceincontact.com"


@pytest.mark.parametrize(
    ("method", "missing"),
    [
        ("access_key", "access_key_id"),
        ("access_key", "access_key_secret"),
        ("access_key", "region"),
        ("password", "client_id"),
        ("password", "client_secret"),
        ("password", "access_key_id"),
        ("password", "access_key_secret"),
    ],
)
def test_missing_setting_of_a_method_is_named(method: str, missing: str) -> None:
    given = {"region": "na1", **ACCESS_KEY} | (CLIENT if method == "password" else {})
    with pytest.raises(SettingsError, match=f"Setting '{missing}' is missing"):
        make_settings(auth_method=method, **{**given, missing: ...})


@pytest.mark.parametrize("region", ["na1.evil.example", "na1/", "", "-", "na 1"])
def test_region_is_a_single_word(region: str) -> None:
    with pytest.raises(SettingsError, match="'region'"):
        make_settings(auth_method="access_key", region=region, **ACCESS_KEY)


def test_method_decides_which_api_the_credentials_are_for() -> None:
    client = make_settings().access
    key = make_settings(auth_method="access_key", region="na1", **ACCESS_KEY).access
    both = make_settings(auth_method="password", **ACCESS_KEY | CLIENT).access
    assert [(found.has_analytics, found.has_data_extraction) for found in (client, key, both)] == [
        (True, False),
        (False, True),
        (False, True),
    ]


def test_tenant_is_named_by_an_address_a_region_or_discovery() -> None:
    assert not make_settings().access.names_tenant
    assert make_settings(region="na1").access.names_tenant
    assert make_settings(api_url="https://a.example").access.names_tenant
    assert make_settings(auth_url="https://a.example/token").access.names_tenant
    assert make_settings(auth_method="password", **ACCESS_KEY | CLIENT).access.names_tenant


def test_representation_shows_no_secret() -> None:
    found = make_settings(access_key_secret="secret-of-the-key")
    assert SECRET not in repr(found)
    assert "secret-of-the-key" not in repr(found)


def test_access_to_the_platform_is_connected_as_it_is() -> None:
    found = make_settings().access
    assert found.connect() is found


# --- The sandbox ------------------------------------------------------------------------------------------------------


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Sandbox]]:
    """Collect the sandboxes that are started, and stop them afterwards."""
    sandboxes: list[Sandbox] = []
    start = Sandbox.start

    def collect(self: Sandbox) -> Sandbox:
        sandboxes.append(self)
        return start(self)

    monkeypatch.setattr(Sandbox, "start", collect)
    yield sandboxes
    for sandbox in sandboxes:
        sandbox.stop()


@pytest.mark.parametrize("method", ["client_credentials", "access_key", "password"])
def test_sandbox_needs_neither_credentials_nor_an_address(method: str) -> None:
    found = make_settings(sandbox=True, auth_method=method, **NO_CREDENTIALS).access
    assert (found.has_analytics, found.has_data_extraction, found.names_tenant) == (True, True, True)


def test_sandbox_is_started_once_by_the_first_connect(started: list[Sandbox]) -> None:
    found = make_settings(sandbox=True, submit_interval=7, **NO_CREDENTIALS).access
    assert started == []
    connected = found.connect()
    assert found.connect() is connected
    [sandbox] = started
    assert sandbox.running
    assert sandbox.options.submit_seconds == 7
    assert connected.connect() is connected


def test_sandbox_access_gets_a_token(started: list[Sandbox]) -> None:
    found = make_settings(sandbox=True, **NO_CREDENTIALS).access.connect()
    assert found.method == "client_credentials"
    assert (found.has_analytics, found.has_data_extraction, found.names_tenant) == (True, True, True)
    assert found.api_url == started[0].url
    assert found.auth_url == f"{started[0].url}/oauth/token"
    form = {"grant_type": found.method, "client_id": found.client_id, "client_secret": found.client_secret}
    response = requests.post(found.auth_url, data=form, timeout=10)
    assert response.json()["access_token"] == started[0].tokens[0]


def test_given_credentials_and_addresses_never_reach_the_sandbox(started: list[Sandbox]) -> None:
    found = make_settings(sandbox=True, api_url="https://a.example", auth_method="password", **ACCESS_KEY | CLIENT)
    connected = found.access.connect()
    assert connected.api_url == started[0].url
    assert connected.client_id == connected.client_secret == "sandbox"
    assert (connected.access_key_id, connected.access_key_secret) == ("", "")


def test_invalid_setting_is_reported_with_the_sandbox_too() -> None:
    with pytest.raises(SettingsError, match="Setting 'api_url'"):
        make_settings(sandbox=True, api_url="a.example")


def test_missing_libraries_of_the_sandbox_end_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "tap_cxone.sandbox.server", raising=False)
    with pytest.raises(CxoneError) as caught:
        make_settings(sandbox=True).access.connect()
    assert caught.value.message == "The sandbox needs the library uvicorn: install the extra 'sandbox' of tap-cxone"


@pytest.mark.slow
def test_sandbox_is_not_imported_before_it_is_needed() -> None:
    code = f"import sys, {access.__name__}; print('tap_cxone.sandbox' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False\n"
