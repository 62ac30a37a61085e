"""Descriptions of failed requests."""

from __future__ import annotations

import errno
from unittest import mock

import pytest
import requests

from tap_cxone.api.error_messages import connection_reason, never_sent


def test_a_lack_of_connections_is_not_blamed_on_the_host() -> None:
    full = OSError(errno.EMFILE, "Too many open files")
    with mock.patch("socket.socket", side_effect=full), pytest.raises(requests.ConnectionError) as caught:
        requests.get("http://127.0.0.1:9/", timeout=1)
    assert connection_reason(caught.value, "http://127.0.0.1:9/") == (
        "no more connections can be opened (Too many open files)"
    )
    assert never_sent(caught.value)
