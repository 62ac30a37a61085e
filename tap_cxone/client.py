"""HTTP to the platform: sessions, tokens, retries, and refusals put into words that name the setting to fix.

The only module that sends requests. It knows nothing of jobs or records: a caller says which call it makes
(``token``, ``list``, ``create``, ``status``, ``download``) and how to read the answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import threading
from http import HTTPStatus
from importlib import metadata
from typing import IO, TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import quote, quote_plus, urlsplit

import requests
from urllib3.exceptions import HTTPError, LocationValueError, NewConnectionError

from tap_cxone.auth import BearerAuth, NoAuth, TokenSource
from tap_cxone.errors import AnswerLostError, CxoneError, RefusedError
from tap_cxone.retrying import (
    RETRY_AFTER_DEFAULT_SECONDS,
    RETRY_BUDGET_SECONDS,
    PassingError,
    retry_after_seconds,
    until_it_passes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# It writes addresses and tracebacks; what happens is told here, in words of ours.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
"""Longest silence in the middle of an answer."""
DOWNLOAD_CHUNK_BYTES = 1 << 18
DOWNLOAD_ATTEMPTS = 3
"""Made whatever the budget says: a large export can take longer than it to break off for the first time."""
TOKEN_SECONDS = 1200.0
"""How long a token counts as valid that does not say it (platform contract, section 1); a 401 corrects it."""
_QUOTE_CHARACTERS = 300
_SCOPES = "the client's scopes (analytics:export:read, analytics:export:write) and role"

_NOT_AS_CONTRACTED = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What reading an answer fails with that is something else than the contract says, a proxy's page, say."""

_T = TypeVar("_T")

_ADVICE: dict[tuple[str, int], str] = {
    ("token", 400): "check the settings 'client_id' and 'client_secret'",
    ("token", 401): "check the settings 'client_id' and 'client_secret'",
    ("token", 403): f"check {_SCOPES}",
    ("token", 404): "check the settings 'auth_url' and 'api_url'",
    ("create", 400): "check the settings 'export_filter', 'export_format' and 'window_days'",
    ("create", 404): "check the setting 'api_url'",
    ("list", 404): "check the setting 'api_url'",
}
_ADVICE_BY_STATUS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: (
        f"a fresh token was refused as well; check {_SCOPES}, and that 'auth_url' belongs to 'api_url'"
    ),
    HTTPStatus.FORBIDDEN: f"check {_SCOPES}",
}


class PlatformClient:
    """Calls to one platform on behalf of one OAuth client.

    Args:
        api_url: base of the API, without a slash at its end.
        auth_url: token endpoint.
        client_id: OAuth client.
        client_secret: its secret; never quoted.
        sleep: pauses for so many seconds.
        retry_budget: seconds that one call may go on failing in ways that pass.
    """

    def __init__(  # noqa: PLR0913 - what a client is made of
        self,
        *,
        api_url: str,
        auth_url: str,
        client_id: str,
        client_secret: str,
        sleep: Callable[[float], None],
        retry_budget: float = RETRY_BUDGET_SECONDS,
    ) -> None:
        self._api_url = api_url
        self._auth_url = auth_url
        self._client_id = client_id
        self._client_secret = client_secret
        self._sleep = sleep
        self._retry_budget = retry_budget
        self._tokens = TokenSource(self._fetch_token)
        self._local = threading.local()

    def call(  # noqa: PLR0913 - the parts of one request
        self,
        call: str,
        method: str,
        path: str,
        *,
        read: Callable[[requests.Response], _T],
        body: object = None,
        params: dict[str, str] | None = None,
        repeatable: bool = True,
    ) -> _T:
        """Make a call and read its answer, again and again while it fails in ways that pass.

        Args:
            call: name of the call, for messages.
            method: HTTP method.
            path: path below ``api_url``.
            read: takes the value out of a 2xx answer; a ValueError, LookupError, TypeError or AttributeError from it
                means that the answer is not what the contract says (a proxy's page, say).
            body: JSON body.
            params: query parameters.
            repeatable: False where a second request could do something twice.

        Raises:
            RefusedError: the platform refused for good.
            UnavailableError: it did not pass within the budget.
            AnswerLostError: the request is not repeatable and whether it was carried out is not known.
        """

        def attempt() -> _T:
            with self._exchange(call, method, path, body=body, params=params, repeatable=repeatable) as response:
                try:
                    return read(response)
                except _NOT_AS_CONTRACTED:
                    kind = self.redact(response.headers.get("Content-Type", "no content type"))
                    reason = f"answered {response.status_code} with something else than the contract says ({kind})"
                    # Not chained: the parser's error would carry the answer.
                    raise self._passing_or_lost(reason, repeatable=repeatable) from None

        return self._until_it_passes(call, attempt)

    def download(self, path: str, file: IO[bytes]) -> int:
        """Write the body of an export, as sent, into a file; from its beginning again when it is cut off.

        Returns:
            Number of bytes. Where the answer named its length, that many have arrived.

        Raises:
            RefusedError: the platform refused for good.
            UnavailableError: it did not pass within the budget.
            CxoneError: the file cannot be written.
        """

        def attempt() -> int:
            file.seek(0)
            file.truncate()
            with self._exchange("download", "GET", path, stream=True) as response:
                for chunk in _chunks(response):
                    try:
                        file.write(chunk)
                    except OSError as err:
                        msg = f"The temporary file of a download cannot be written ({err.strerror})."
                        raise CxoneError(msg) from err
                if not file.tell() and response.headers.get("Content-Length") != "0":
                    # Nothing at all counts as an empty export only where the platform says that it is one.
                    raise PassingError("an empty answer")  # noqa: EM101, TRY003
            return file.tell()

        return self._until_it_passes("download", attempt, least_attempts=DOWNLOAD_ATTEMPTS)

    def digest(self, *parts: object) -> str:
        """Return a digest of some values together with this client's address and id, to recognise its own work by."""
        whole = json.dumps([self._api_url, self._client_id, *parts], sort_keys=True)
        return hashlib.blake2b(whole.encode(), digest_size=16).hexdigest()

    def redact(self, text: str) -> str:
        """Make a text of the platform fit for a message: one line, not long, without a secret in it."""
        for secret in filter(None, [self._client_secret, *self._tokens.secrets()]):
            # In the forms, too, in which a platform that quotes our request would have it.
            for form in (secret, quote_plus(secret), quote(secret, safe=""), json.dumps(secret)[1:-1]):
                text = text.replace(form, "***")
        text = " ".join(text.split())
        return text if len(text) <= _QUOTE_CHARACTERS else text[:_QUOTE_CHARACTERS] + "…"

    def _until_it_passes(self, call: str, attempt: Callable[[], _T], *, least_attempts: int = 1) -> _T:
        return until_it_passes(
            attempt,
            what=f"Platform call '{call}'",
            sleep=self._sleep,
            budget=self._retry_budget,
            least_attempts=least_attempts,
        )

    def _fetch_token(self) -> tuple[str, float]:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._client_secret,
        }

        def attempt() -> tuple[str, float]:
            with self._send("token", "POST", self._auth_url, auth=NoAuth(), data=form) as response:
                self._raise_for_status("token", response)
                try:
                    answer = response.json()
                    token = answer["access_token"]
                    # What cannot stand in a header would fail later on, with the token in the message.
                    if not (isinstance(token, str) and token and token.isascii() and token.isprintable()):
                        raise TypeError
                    return token, float(answer.get("expires_in") or TOKEN_SECONDS)
                except _NOT_AS_CONTRACTED:
                    reason = f"answered {response.status_code} without a token"
                    # Not chained: the parser's error would carry the answer, and the answer may carry a token.
                    raise PassingError(reason) from None

        return self._until_it_passes("token", attempt)

    @contextlib.contextmanager
    def _exchange(
        self,
        call: str,
        method: str,
        path: str,
        *,
        repeatable: bool = True,
        **options: Any,  # noqa: ANN401 - handed on to requests
    ) -> Iterator[requests.Response]:
        """Send one request with a token and yield its 2xx answer; on a 401 renew the token once and repeat."""
        url = self._api_url + path
        token = self._tokens.token()
        response = self._send(call, method, url, auth=BearerAuth(token), repeatable=repeatable, **options)
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            response.close()
            self._tokens.forget(token)
            auth = BearerAuth(self._tokens.token())
            response = self._send(call, method, url, auth=auth, repeatable=repeatable, **options)
        with response:
            self._raise_for_status(call, response, repeatable=repeatable)
            yield response

    def _send(  # noqa: PLR0913 - the parts of one request
        self,
        call: str,
        method: str,
        url: str,
        *,
        auth: BearerAuth | NoAuth,
        repeatable: bool = True,
        body: object = None,
        **options: Any,  # noqa: ANN401 - handed on to requests
    ) -> requests.Response:
        try:
            return self._session().request(
                method,
                url,
                auth=auth,
                json=body,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                # An API that answers with a redirect is the wrong address; only files may lie elsewhere.
                allow_redirects=call == "download",
                **options,
            )
        except (requests.exceptions.InvalidURL, LocationValueError):
            msg = f"Platform call '{call}': the address is not usable; check the setting {_address_setting(call)}."
            raise RefusedError(msg, 0) from None
        except requests.RequestException as err:
            reason = _connection_reason(err, url)
            raise self._passing_or_lost(reason, repeatable=repeatable or _never_sent(err)) from None

    def _session(self) -> requests.Session:
        # One a thread: requests does not promise that a session may be shared.
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            # What a library on this machine could decode besides (deflate, zstd) an export could not be told to be.
            self._local.session.headers["Accept-Encoding"] = "gzip"
            self._local.session.headers["User-Agent"] = f"tap-cxone/{metadata.version('tap-cxone')}"
        session: requests.Session = self._local.session
        return session

    def _raise_for_status(self, call: str, response: requests.Response, *, repeatable: bool = True) -> None:
        status = response.status_code
        if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
            # Neither was carried out, so even what is not repeatable may be repeated.
            asked = retry_after_seconds(response.headers.get("Retry-After"))
            if asked is None and status == HTTPStatus.TOO_MANY_REQUESTS:
                asked = RETRY_AFTER_DEFAULT_SECONDS
            raise PassingError(_status_text(status), asked)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
            raise self._passing_or_lost(_status_text(status), repeatable=repeatable)
        if not response.ok or response.is_redirect:
            self._refuse(call, response)

    def _refuse(self, call: str, response: requests.Response) -> NoReturn:
        status = response.status_code
        advice = _ADVICE.get((call, status)) or _ADVICE_BY_STATUS.get(
            status, f"check the setting {_address_setting(call)}"
        )
        said = self.redact(_platform_reason(response))
        reason = f" ({said})" if said else ""
        msg = f"The platform refused the call '{call}' with {_status_text(status)}{reason}: {advice}."
        raise RefusedError(msg, status)

    @staticmethod
    def _passing_or_lost(reason: str, *, repeatable: bool) -> PassingError | AnswerLostError:
        return PassingError(reason) if repeatable else AnswerLostError(reason)


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """Yield the body as sent: the bytes decide what they are, not Content-Encoding, so nothing is decoded here."""
    arrived = 0
    try:
        for chunk in response.raw.stream(DOWNLOAD_CHUNK_BYTES, decode_content=False):
            yield chunk
            arrived += len(chunk)
    except (HTTPError, OSError) as err:
        reason = f"cut off after {arrived} bytes ({type(err).__name__})"
        raise PassingError(reason) from err


def _address_setting(call: str) -> str:
    return "'auth_url', or 'api_url' where that is not set" if call == "token" else "'api_url'"


def _status_text(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _connection_reason(err: requests.RequestException, url: str) -> str:
    """Name a connection error by its kind and host: its text would hold the whole URL."""
    host = urlsplit(url).hostname
    if isinstance(err, requests.exceptions.SSLError):
        return f"the TLS connection to {host} failed"
    if isinstance(err, requests.Timeout):
        return f"no answer from {host} in time"
    return f"the connection to {host} failed ({type(err).__name__})"


def _never_sent(err: requests.RequestException) -> bool:
    if isinstance(err, requests.exceptions.ConnectTimeout):
        return True
    cause = err.args[0] if err.args else None
    return isinstance(getattr(cause, "reason", cause), NewConnectionError)


def _platform_reason(response: requests.Response) -> str:
    """Find what the platform says of a refusal: in a JSON body, or in the header that has it where there is no body."""
    said = response.headers.get("icStatusDescription", "")
    with contextlib.suppress(*_NOT_AS_CONTRACTED, requests.RequestException):
        answer = response.json()
        for key in ("message", "errorMessage", "error_description", "errorDescription", "error"):
            if isinstance(answer.get(key), str):
                return str(answer[key])
    return said
