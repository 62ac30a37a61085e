"""Downloads from pre-signed storage URLs: no credentials are sent or revealed, each attempt uses a fresh URL."""

from __future__ import annotations

import errno
import io
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.api.calls import ApiCall
from tap_cxone.errors import CxoneError, FatalError, StorageRefusedError, UnavailableError
from tests.scripted_platform import chain, get, ok, refusal, with_netrc

if TYPE_CHECKING:
    from pathlib import Path

    from tap_cxone.api.client import PlatformClient
    from tests.http_server import Response
    from tests.scripted_platform import Platform, Serve

FILE = "/bucket/t0psecret.csv"
SIGNATURE = "X-Amz-Signature=f00d&X-Amz-Credential=AKIA"
WHOLE: Response = (200, {}, b"whole")
EXPIRED: Response = (
    403,
    {"Content-Type": "application/xml", "icStatusDescription": "f00d"},
    b"<Error><Message>Request has expired</Message><SignatureProvided>f00d</SignatureProvided></Error>",
)


class Addresses:
    """Signs a fresh address for every attempt: the number of the attempt is part of the query."""

    def __init__(self, storage: Platform) -> None:
        self.storage = storage
        self.given = 0

    def __call__(self) -> str:
        self.given += 1
        return f"{self.storage.url}{FILE}?n={self.given}&{SIGNATURE}"


def fetched(storage: Platform, client: PlatformClient | None = None, **changes: Any) -> bytes:
    file = io.BytesIO(b"from before, longer than nothing")
    size = (client or storage.client(**changes)).download_signed(Addresses(storage), file)
    assert size == len(file.getvalue())
    return file.getvalue()


def shown(caught: pytest.ExceptionInfo[BaseException], caplog: pytest.LogCaptureFixture) -> str:
    """Return all that an error and the log show."""
    return "\n".join([caplog.text, *(f"{error!r} {error}" for error in chain(caught.value))])


def assert_reveals_nothing(text: str) -> None:
    for secret in ("f00d", "AKIA", "X-Amz", "t0psecret", "bucket", "expired"):
        assert secret not in text


# --- Requests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("netrc", [True, False])
def test_the_storage_gets_neither_authorization_nor_cookies(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, netrc: bool
) -> None:
    if netrc:
        with_netrc(tmp_path, monkeypatch)
    platform = serve(x=[(200, {"Set-Cookie": "session=api; Path=/"}, b"1")])
    client = platform.client()
    for _ in range(2):
        get(client)
    assert platform.calls()[1].headers["cookie"] == "session=api"
    store = serve({FILE: [(200, {"Set-Cookie": "session=store; Path=/"}, b"whole")]})
    for _ in range(2):
        assert fetched(store, client) == b"whole"
    for request in store.calls(FILE):
        assert request.authorization is None
        assert "cookie" not in request.headers
        assert request.headers["accept-encoding"] == "gzip"
        assert request.headers["user-agent"].startswith("tap-cxone/")
    get(client)
    assert platform.calls()[2].headers["cookie"] == "session=api"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_target_of_a_storage_redirect_gets_no_authorization(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    with_netrc(tmp_path, monkeypatch)
    store = serve({FILE: [WHOLE]})
    for host in ("127.0.0.1", "localhost"):
        elsewhere = f"{store.url.replace('127.0.0.1', host)}{FILE}?{SIGNATURE}"
        first = serve({FILE: [refusal(status, Location=elsewhere)]})
        assert fetched(first) == b"whole"
        assert first.calls(FILE)[0].authorization is None
        assert store.calls(FILE)[-1].authorization is None
        assert store.calls(FILE)[-1].query == SIGNATURE


@pytest.mark.parametrize("is_redirected", [False, True])
def test_no_request_is_sent_to_an_address_with_a_user(serve: Serve, *, is_redirected: bool) -> None:
    store = serve({FILE: [WHOLE]})
    url = f"{store.url.replace('//', '//user:password@')}{FILE}"
    first = serve({FILE: [refusal(302, Location=url)]})
    with pytest.raises(UnavailableError, match="valid"):
        first.client(retry_budget=0).download_signed(lambda: first.url + FILE if is_redirected else url, io.BytesIO())
    assert store.requests == []


def test_a_redirected_api_download_sends_nothing_from_netrc(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_netrc(tmp_path, monkeypatch)
    store = serve({FILE: [WHOLE]})
    platform = serve(x=[refusal(302, Location=f"{store.url.replace('127.0.0.1', 'localhost')}{FILE}?{SIGNATURE}")])
    assert platform.client().download("/x", io.BytesIO()) == 5
    assert store.calls(FILE)[0].authorization is None


def test_a_file_is_written_as_sent(serve: Serve) -> None:
    body = bytes(range(256)) * 4000
    for headers in ({}, {"Content-Encoding": "gzip"}, {"Content-Type": "application/gzip"}):
        assert fetched(serve({FILE: [(200, headers, body)]})) == body


# --- Retries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "broken",
    ["cut", "reset", "no length", EXPIRED, *[refusal(status) for status in (400, 404, 408, 410, 429, 500, 503)]],
    ids=str,
)
def test_each_attempt_uses_a_fresh_url(serve: Serve, broken: Response, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    store = serve({FILE: [broken, broken, WHOLE]})
    assert fetched(store) == b"whole"
    assert [request.query for request in store.calls(FILE)] == [f"n={n}&{SIGNATURE}" for n in (1, 2, 3)]
    assert len(store.pauses) == 2
    assert "Platform call 'download': " in caplog.text
    assert_reveals_nothing(caplog.text)


def test_a_pause_that_the_storage_requests_is_made(serve: Serve) -> None:
    store = serve({FILE: [refusal(503, Retry_After="9"), refusal(429, Retry_After="8"), refusal(429), WHOLE]})
    assert fetched(store) == b"whole"
    assert store.pauses == [9, 8, 5]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_four_refusals_are_final(serve: Serve, status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    store = serve({FILE: [(status, *EXPIRED[1:])]})
    with pytest.raises(StorageRefusedError, match=rf"storage at 127\.0\.0\.1 refused .* with {status} ") as caught:
        fetched(store)
    assert caught.value.status == status
    assert isinstance(caught.value, FatalError)
    assert len(store.calls(FILE)) == 4
    assert_reveals_nothing(shown(caught, caplog))


@pytest.mark.parametrize("broken", ["cut", "reset", "no length", refusal(503)], ids=str)
def test_interruptions_do_not_count_as_refusals(serve: Serve, broken: Response) -> None:
    store = serve({FILE: [EXPIRED, broken, EXPIRED, broken, EXPIRED, WHOLE]})
    assert fetched(store) == b"whole"


def test_a_refusal_is_reported_as_such_when_the_budget_is_used_up(serve: Serve) -> None:
    store = serve({FILE: [EXPIRED]})
    with pytest.raises(StorageRefusedError):
        fetched(store, retry_budget=0)
    assert len(store.calls(FILE)) == 3


@pytest.mark.parametrize("broken", ["cut", "reset", "no length", refusal(503), refusal(429)], ids=str)
def test_a_lasting_failure_is_unavailable_and_reveals_nothing(
    serve: Serve, broken: Response, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    store = serve({FILE: [broken]})
    with pytest.raises(UnavailableError, match=r"^Platform call 'download': .*gave up after 3 attempts") as caught:
        fetched(store, retry_budget=0)
    assert_reveals_nothing(shown(caught, caplog))


@pytest.mark.parametrize(
    "url",
    [
        None,
        7,
        "",
        "t0psecret",
        "ftp://host/t0psecret?f00d",
        "file:///t0psecret",
        "https://",
        "http://[t0psecret?f00d",
        "http://a..b/t0psecret?f00d",
        "http://*/t0psecret?f00d",
        "http://host:port/t0psecret?f00d",
        "http://127.0.0.1:99999/t0psecret?f00d",
        f"http://{'x' * 300}/t0psecret?f00d",
        "http://\ud800/t0psecret?f00d",
    ],
    ids=lambda url: ascii(url)[:30],
)
def test_an_invalid_url_is_requested_again(serve: Serve, url: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    store = serve({FILE: [WHOLE]})
    good, given = Addresses(store), [url]
    assert store.client().download_signed(lambda: given.pop() if given else good(), io.BytesIO()) == 5
    with pytest.raises(UnavailableError) as caught:
        store.client(retry_budget=0).download_signed(lambda: url, io.BytesIO())
    assert_reveals_nothing(shown(caught, caplog))


@pytest.mark.parametrize("location", [f"http://a..b{FILE}?f00d", f"ftp://host{FILE}?f00d", "http://\xff/?f00d", FILE])
def test_a_redirect_to_an_invalid_url_reveals_nothing(
    serve: Serve, location: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    store = serve({FILE: [refusal(302, Location=location)]})
    with pytest.raises(CxoneError) as caught:
        fetched(store, retry_budget=0)
    assert_reveals_nothing(shown(caught, caplog))


@pytest.mark.parametrize("location", ["http://a..b/", "ftp://host/", "http://\xff/", "/x"])
def test_a_call_redirected_to_an_invalid_url_is_refused(serve: Serve, location: str) -> None:
    platform = serve(x=[refusal(302, Location=location)])
    with pytest.raises(FatalError, match="check the setting 'api_url'"):
        get(platform.client())


def test_a_failed_connection_names_only_the_host(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    client = serve().client(retry_budget=0)
    with pytest.raises(UnavailableError, match=r"the connection to 127\.0\.0\.1 failed") as caught:
        client.download_signed(lambda: f"http://127.0.0.1:9{FILE}?{SIGNATURE}", io.BytesIO())
    assert_reveals_nothing(shown(caught, caplog))


@pytest.mark.parametrize("error", [KeyError("gone"), FatalError("status refused", 403), UnavailableError("later")])
def test_exceptions_of_the_url_function_pass_through(serve: Serve, error: Exception) -> None:
    def failing() -> str:
        raise error

    client = serve().client()
    with pytest.raises(type(error)) as caught:
        client.download_signed(failing, io.BytesIO())
    assert caught.value is error


def test_a_url_may_be_requested_with_the_same_client(serve: Serve) -> None:
    store = serve({FILE: ["cut", WHOLE]})
    platform = serve(x=[ok({"url": f"{store.url}{FILE}?{SIGNATURE}"})])
    client = platform.client()

    def fresh_url() -> str:
        url: str = client.call(ApiCall("status", "GET", "/x"), lambda response: response.json()["url"])
        return url

    assert client.download_signed(fresh_url, io.BytesIO()) == 5
    assert len(platform.calls()) == 2


def test_an_empty_file_is_accepted_if_its_length_is_announced(serve: Serve) -> None:
    assert fetched(serve({FILE: [(200, {"Content-Length": "0"}, b"")]})) == b""


def test_a_full_disk_is_not_taken_for_an_interrupted_download(serve: Serve) -> None:
    class FullDisk(io.BytesIO):
        name = "/full/export-0"

        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    store = serve({FILE: [WHOLE]})
    with pytest.raises(CxoneError, match=r"folder /full .*No space left on device.*'work_dir'") as caught:
        store.client().download_signed(Addresses(store), FullDisk())
    assert not isinstance(caught.value, UnavailableError)
    assert len(store.calls(FILE)) == 1


@pytest.mark.parametrize("status", [202, 204, 205, 206, 300, 302, 304])
def test_only_a_200_is_a_file(serve: Serve, status: int) -> None:
    """Another status has no body, or a part of the file; either could be taken for the whole export."""
    odd: Response = (status, {}, b"" if status in {204, 205, 304} else b"part")
    assert fetched(serve({FILE: [odd, WHOLE]})) == b"whole"
    with pytest.raises(StorageRefusedError):
        fetched(serve({FILE: [odd]}))


@pytest.mark.parametrize("status", [202, 204, 206, 300])
def test_only_a_200_is_a_file_of_an_api_download(serve: Serve, status: int) -> None:
    platform = serve(x=[(status, {}, b"" if status == 204 else b"part"), WHOLE])
    file = io.BytesIO()
    if status >= 300:
        with pytest.raises(FatalError):
            platform.client().download("/x", file)
    else:
        assert platform.client().download("/x", file) == len(b"whole")
