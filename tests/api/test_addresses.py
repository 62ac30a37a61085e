"""Addresses of downloads: which of those that a platform sends are requested."""

from __future__ import annotations

import pytest

from tap_cxone.api.addresses import is_download_address

API = "https://api-na1.niceincontact.com"
PATH = "/file.csv?X-Amz-Signature=s"


@pytest.mark.parametrize(
    "host",
    ["storage.example", "storage.internal:8443", "52.216.1.1", "[2600:1f18::1]", "localhost.example", "10.example"],
)
def test_a_public_host_and_any_name_are_requested(host: str) -> None:
    assert is_download_address(f"https://{host}{PATH}", API)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f.1", "0", "0.0.0.0", "localhost", "LOCALHOST", "localhost."),
        *("a.localhost", "169.254.169.254", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1"),
        *("[::1]", "[::]", "[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]"),
        *("[64:ff9b::7f00:1]", "[2002:7f00:1::]"),
    ],
)
def test_an_internal_host_is_requested_only_if_that_of_the_api_is_internal(host: str) -> None:
    assert not is_download_address(f"https://{host}{PATH}", API)
    assert is_download_address(f"https://{host}{PATH}", "https://127.0.0.1:8080")
    assert is_download_address(f"https://{host}{PATH}", "https://10.1.2.3")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "ftp://storage.example/x",
            "file:///etc/passwd",
            "storage.example/x",
            "//storage.example/x",
            "https:///x",
            "",
        ),
        *("https://user@storage.example/x", "https://u:p@storage.example/x", "https://@storage.example/x"),
        *(
            "https://storage.example:99999/x",
            "https://storage.example:0/x",
            "https://[::1/x",
            "https://storage.example:x/",
        ),
        *(
            "https://\x1b[31mstorage.example/x",
            "https://storage.example/a b",
            "https://störage.example/x",
            "https://a\n.b/",
        ),
        "https://169.254.169.254\\.storage.example/x",  # a host for urllib3 that it is not for urlsplit
        None,
        7,
        {},
    ],
)
def test_anything_else_is_not_requested(url: object) -> None:
    assert not is_download_address(url, API)


def test_http_is_accepted_where_the_api_itself_is_reached_by_http() -> None:
    assert not is_download_address(f"http://storage.example{PATH}", API)
    assert is_download_address(f"http://storage.example{PATH}", "http://simulator.example")
    assert is_download_address(f"https://storage.example{PATH}", "http://simulator.example")
