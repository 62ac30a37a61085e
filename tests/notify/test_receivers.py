"""Receivers and secrets from the settings."""

from __future__ import annotations

import pytest

from tap_cxone.errors import SettingsError
from tap_cxone.notify.receivers import Receiver, check_secret, read_receivers, split_setting


def one(text: str, *, allow_http: bool = False) -> Receiver:
    [receiver] = read_receivers([text], allow_http=allow_http)
    return receiver


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("https://a", ["https://a"]),
        ("  https://a\n\tb=https://b ", ["https://a", "b=https://b"]),
        ('["https://a", "b=https://b?x=[1]"]', ["https://a", "b=https://b?x=[1]"]),
        (" []", []),
    ],
)
def test_setting_has_one_address_or_several(text: str, parts: list[str]) -> None:
    assert split_setting(text) == parts


@pytest.mark.parametrize("text", ['["https://a"', "[1]", "[https://token@a]"])
def test_invalid_json_array_is_rejected_without_quoting_it(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        split_setting(text)
    assert "token" not in caught.value.message


@pytest.mark.parametrize(
    "same",
    [
        "https://bi.example.com/hook?token=2",
        "https://user:secret@bi.example.com/hook",
        "https://BI.example.com:443/hook#part",
        "HTTPS://bi.example.com/hook",
    ],
)
def test_digest_depends_on_scheme_host_port_and_path(same: str) -> None:
    assert one(same).name == one("https://bi.example.com/hook").name


@pytest.mark.parametrize(
    "other",
    [
        "https://bi.example.com/other",
        "https://bi.example.com",
        "https://bi.example.com:8443/hook",
        "x=https://bi.example.com/hook",
    ],
)
def test_other_addresses_have_other_names(other: str) -> None:
    assert one(other).name != one("https://bi.example.com/hook").name


def test_receiver_has_its_configured_name() -> None:
    receiver = one("bi=https://token@bi.example.com/a=b?token=c")
    assert (receiver.name, receiver.host) == ("bi", "bi.example.com")
    assert receiver.url == "https://token@bi.example.com/a=b?token=c"
    assert "token" not in repr(receiver)
    assert "token" not in str(receiver)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bi.example.com/token",
        "ftp://bi.example.com/token",
        "https://",
        "https:///token",
        "https://[token",
        "https://bi.example.com:token/",
        "https://bi.example.com/to ken",
        "https://bi.example.com/\ntoken",
        "https://bi.example.com/token\x00",
        "bad name=https://bi.example.com/token",
        "=https://bi.example.com/token",
    ],
)
def test_invalid_url_is_rejected_without_quoting_it(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        one(text)
    assert caught.value.message.startswith("Setting 'webhook_url': address 1")
    assert "token" not in caught.value.message


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"])
def test_plain_http_to_this_machine_is_allowed(host: str) -> None:
    assert one(f"http://{host}:8080/").url == f"http://{host}:8080/"


@pytest.mark.parametrize(
    "host", ["bi.example.com", "10.0.0.1", "localhost.example.com", "127.0.0.1.example.com", "0.0.0.0"]
)
def test_plain_http_to_other_machines_needs_allow_http(host: str) -> None:
    with pytest.raises(SettingsError, match="allow_http"):
        one(f"http://{host}/")
    assert one(f"http://{host}/", allow_http=True).host == host


def test_equal_receivers_are_one_and_equal_names_are_rejected() -> None:
    assert len(read_receivers(["https://a/x?t=1", "https://a/x?t=1"], allow_http=False)) == 1
    for pair in (["https://a/x?t=1", "https://a/x?t=2"], ["n=https://a", "n=https://b"]):
        with pytest.raises(SettingsError, match="address 2 has the same name"):
            read_receivers(pair, allow_http=False)
    assert len(read_receivers(["https://a/x?t=1", "two=https://a/x?t=2"], allow_http=False)) == 2


@pytest.mark.parametrize(
    "secret", ["whsec_c2VjcmV0", " whsec_c2VjcmV0\n", "c2VjcmV0", "whsec_c2VjcmV0cw==", "whsec_c2VjcmV0cw"]
)
def test_secrets_are_base64(secret: str) -> None:
    assert check_secret(secret).startswith("whsec_c2VjcmV0")


@pytest.mark.parametrize(
    "secret", ["whsec_", "whsec_!!", "my secret", "whsec_whsec_c2Vj", "gehe-im", "größe", "abcde", "==="]
)
def test_invalid_secret_is_rejected_without_quoting_it(secret: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_secret(secret)
    assert caught.value.message.startswith("Setting 'webhook_secret':")
    assert secret.removeprefix("whsec_") not in caught.value.message or secret == "whsec_"
