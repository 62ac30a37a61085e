"""Downloads from the API into a file. No test waits."""

from __future__ import annotations

import errno
import io
from typing import TYPE_CHECKING

import pytest

from tap_cxone.errors import CxoneError, UnavailableError
from tests.scripted_platform import refusal

if TYPE_CHECKING:
    from tests.http_server import Response
    from tests.scripted_platform import Serve


def test_a_download_is_written_as_sent(serve: Serve) -> None:
    body = bytes(range(256)) * 4000
    for headers in ({}, {"Content-Encoding": "gzip"}, {"Content-Type": "application/gzip"}):
        file = io.BytesIO(b"from before, longer than nothing")
        assert serve(x=[(200, headers, body)]).client().download("/x", file) == len(body)
        assert file.getvalue() == body


@pytest.mark.parametrize("broken", ["cut", "reset", "no length", refusal(503), refusal(429), refusal(401)], ids=str)
def test_an_interrupted_download_starts_again(serve: Serve, broken: Response) -> None:
    platform = serve(x=[broken, (200, {}, b"whole")])
    file = io.BytesIO()
    assert platform.client().download("/x", file) == 5
    assert file.getvalue() == b"whole"


def test_a_download_is_attempted_three_times_whatever_the_budget(serve: Serve) -> None:
    platform = serve(x=["cut", "cut", (200, {}, b"whole")])
    assert platform.client(retry_budget=0).download("/x", io.BytesIO()) == 5
    platform = serve(x=["cut"])
    with pytest.raises(UnavailableError, match="cut off after 9 bytes"):
        platform.client(retry_budget=0).download("/x", io.BytesIO())
    assert len(platform.calls()) == 3


def test_an_empty_download_is_accepted_if_its_length_is_announced(serve: Serve) -> None:
    assert serve(x=[(200, {"Content-Length": "0"}, b"")]).client().download("/x", io.BytesIO()) == 0


def test_a_full_disk_is_not_taken_for_an_interrupted_download(serve: Serve) -> None:
    class FullDisk(io.BytesIO):
        name = "/full/export-0"

        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    platform = serve(x=[(200, {}, b"whole")])
    with pytest.raises(CxoneError, match=r"folder /full .*No space left on device.*'work_dir'") as caught:
        platform.client().download("/x", FullDisk())
    assert not isinstance(caught.value, UnavailableError)
    assert len(platform.calls()) == 1


def test_a_download_follows_redirects_without_the_token(serve: Serve) -> None:
    storage = serve(x=[(200, {}, b"whole")])
    platform = serve(x=[refusal(302, Location=f"{storage.url}/x?signature=secret")])
    file = io.BytesIO()
    assert platform.client().download("/x", file) == 5
    assert storage.calls()[0].authorization is None
    assert platform.calls()[0].authorization == "Bearer token-1"
