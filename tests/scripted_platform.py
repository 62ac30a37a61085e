"""A platform that answers with scripted responses over real HTTP, and a sleep that does not wait."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tap_cxone.api.calls import ApiCall
from tap_cxone.api.client import PlatformClient
from tap_cxone.api.grants import ClientCredentials
from tests.http_server import HttpServer, Request, json_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest

    from tap_cxone.api.responses import ApiResponse
    from tap_cxone.sandbox import Sandbox
    from tests.http_server import Response

    Serve = Callable[..., "Platform"]

EXPORTS = "/api/v2/analytics/exports"
CREATE = ApiCall("create", "POST", "/x", json={"q": 1}, repeatable=False)
SECRET = 's3cr3t "+/&%ü'


class Pauses(list[float]):
    """Records pauses instead of making them."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)
        assert len(self) < 100, "an endless loop"


def as_json(response: ApiResponse) -> Any:
    return response.json()


def get(client: PlatformClient, name: str = "list", **options: Any) -> Any:
    """Make a GET call and return the JSON of its response."""
    return client.call(ApiCall(name, "GET", "/x", **options), as_json)


def create(client: PlatformClient, **options: Any) -> Any:
    """Make a POST call that must not be sent twice, and return the JSON of its response."""
    return client.call(replace(CREATE, **options), as_json)


class Platform:
    """Answers the requests of each path with one response after the other, and repeats the last one.

    Without a response of its own, the token endpoint returns token-1, token-2 and so on.
    """

    def __init__(self, responses: dict[str, list[Response]]) -> None:
        self.responses = responses
        self.pauses = Pauses()
        self.server = HttpServer(self._respond)
        self.url = self.server.url
        self._lock = threading.Lock()
        self._tokens = 0

    @property
    def requests(self) -> list[Request]:
        return self.server.requests

    def calls(self, path: str = "/x") -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def client(self, **changes: Any) -> PlatformClient:
        token_url = changes.pop("auth_url", f"{self.url}/oauth/token")
        grant = ClientCredentials(token_url, "client", changes.pop("client_secret", SECRET))
        settings: dict[str, Any] = {"api_url": self.url, "grant": grant, "sleep": self.pauses}
        return PlatformClient(**settings | changes)

    def _respond(self, request: Request) -> Response:
        with self._lock:
            if left := self.responses.get(request.path):
                return left.pop(0) if len(left) > 1 else left[0]
            self._tokens += 1
            token = f"token-{self._tokens}"
        return ok({"access_token": token, "token_type": "Bearer", "expires_in": 1200})


def sandbox_client(sandbox: Sandbox, **changes: Any) -> tuple[PlatformClient, Pauses]:
    """Return a client of a sandbox, and the pauses that it would have made."""
    pauses = Pauses()
    secret = changes.pop("client_secret", sandbox.client_secret)
    grant = ClientCredentials(f"{sandbox.url}/oauth/token", sandbox.client_id, secret)
    settings: dict[str, Any] = {"api_url": sandbox.url, "grant": grant, "sleep": pauses}
    return PlatformClient(**settings | changes), pauses


def listed(client: PlatformClient) -> Any:
    """List the active exports of a sandbox."""
    return client.call(ApiCall("list", "GET", EXPORTS, params={"status": "queued,running"}), as_json)


def ok(value: object) -> Response:
    return json_response(value)


def refusal(status: int, body: object = None, **headers: str) -> Response:
    return json_response(body or {"message": "no"}, status, **headers)


@contextmanager
def scripted_platforms() -> Iterator[Serve]:
    """Yield a function that starts platforms; they stop at the end."""
    with ExitStack() as stack:

        def start(responses: dict[str, list[Response]] | None = None, *, x: list[Response] | None = None) -> Platform:
            platform = Platform({"/x": x or [ok("done")]} | (responses or {}))
            stack.callback(platform.server.stop)
            return platform

        yield start


def with_netrc(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up a ``.netrc`` with an entry for every platform of a test."""
    netrc = folder / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\nmachine localhost login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and every other one that its traceback would show."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
