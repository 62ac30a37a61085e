"""`Sandbox`: the simulated platform as a context manager.

The server libraries are an optional extra, so they are only imported when a sandbox starts.
"""

from __future__ import annotations

import ipaddress
import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

from tap_cxone.sandbox.entities import ENTITIES
from tap_cxone.sandbox.events import as_utc
from tap_cxone.sandbox.options import SandboxOptions
from tap_cxone.sandbox.platform import (
    ACCESS_KEY_ID,
    ACCESS_KEY_SECRET,
    CLIENT_ID,
    CLIENT_SECRET,
    TENANT_ID,
    FaultPlan,
    Platform,
    Request,
)
from tap_cxone.sandbox.variations import Lateness, is_bad

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from tap_cxone.sandbox.create_requests import ExportRequest, ExtractionRequest
    from tap_cxone.sandbox.events import Record
    from tap_cxone.sandbox.jobs import Job
    from tap_cxone.sandbox.options import Fault
    from tap_cxone.sandbox.rows import Row
    from tap_cxone.sandbox.server import ServerThread


class SandboxError(RuntimeError):
    """The sandbox cannot start. The message is one sentence that says why."""


class Sandbox:
    """A simulated platform on loopback.

    `with Sandbox(SandboxOptions(events_per_day=50)) as sandbox:` serves it at `sandbox.url` until the block ends. Port
    0 picks a free port. With a certificate (path of a PEM file that also holds its key) it serves HTTPS. The data it
    holds (`events`, `extraction_rows`) can be read without starting it.
    """

    client_id = CLIENT_ID
    client_secret = CLIENT_SECRET
    access_key_id = ACCESS_KEY_ID
    access_key_secret = ACCESS_KEY_SECRET
    tenant_id = TENANT_ID

    def __init__(
        self,
        options: SandboxOptions | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        certificate: str | None = None,
    ) -> None:
        """Configure the platform without opening a socket.

        Raises:
            SandboxError: `host` is not a loopback address.
        """
        self.options = options or SandboxOptions()
        self._host = "127.0.0.1" if host == "localhost" else host
        if not _is_loopback(self._host):
            msg = f"The sandbox only listens on loopback addresses such as 127.0.0.1, not on {host}."
            raise SandboxError(msg)
        self._port = port
        self._certificate = certificate
        self._platform = Platform(self.options, self.url)
        self._server: ServerThread | None = None

    def start(self) -> Self:
        """Start serving a new platform that has no jobs of ours yet.

        Raises:
            SandboxError: the sandbox is already running, the port is in use, the certificate cannot be used or the
                server libraries are not installed.
        """
        if self.running:
            msg = "The sandbox is already running."
            raise SandboxError(msg)
        try:
            from tap_cxone.sandbox.server import ServerThread  # noqa: PLC0415 - an extra, see the module docstring
        except ModuleNotFoundError as err:
            msg = f"The sandbox needs the library {err.name}: install the extra 'sandbox' of tap-cxone"
            raise SandboxError(msg) from err
        listener = self._listen()
        self._port = listener.getsockname()[1]
        self._platform = Platform(self.options, self.url)
        try:
            self._server = ServerThread(self._platform, listener, self._certificate)
        except OSError as err:
            listener.close()
            msg = f"The sandbox cannot use the certificate {self._certificate}: {err.strerror or err}."
            raise SandboxError(msg) from err
        return self

    def stop(self) -> None:
        """Stop serving. Recorded requests and jobs can still be read."""
        if self._server is not None:
            self._server.stop()

    def __enter__(self) -> Self:
        """Start the sandbox."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop the sandbox."""
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the sandbox is serving."""
        return self._server is not None and self._server.running

    @property
    def url(self) -> str:
        """Base URL of the API, such as http://127.0.0.1:8099."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._certificate else 'http'}://{host}:{self._port}"

    @property
    def jobs(self) -> list[Job[ExportRequest]]:
        """A snapshot of every export job, in order of creation."""
        return self._platform.exports.all()

    @property
    def extractions(self) -> list[Job[ExtractionRequest]]:
        """A snapshot of every extraction job, in order of creation, including those of other integrations."""
        return self._platform.extractions.all()

    @property
    def requests(self) -> list[Request]:
        """The last 100,000 requests since the start, in the order in which they were answered."""
        return list(self._platform.requests)

    @property
    def active(self) -> int:
        """How many export jobs are queued or running now, including those of other integrations."""
        return sum(job.active for job in self.jobs)

    @property
    def max_active(self) -> int:
        """The highest number of our own export jobs that were active at the same time."""
        return self._platform.exports.max_active

    @property
    def max_active_total(self) -> int:
        """The highest number of export jobs active at the same time, including those of other integrations."""
        return self._platform.exports.max_active_total

    @property
    def max_active_extractions(self) -> int:
        """The highest number of our own extraction jobs that were active at the same time."""
        return self._platform.extractions.max_active

    @property
    def refused_creates(self) -> int:
        """How many extraction job creates got a 403 because of a limit or a missing permission (faults not counted)."""
        return self._platform.extractions.refused_creates

    @property
    def signed_urls(self) -> list[str]:
        """Every signed storage URL issued so far."""
        return list(self._platform.storage.signed)

    @property
    def tokens(self) -> list[str]:
        """Every access, id and refresh token issued so far, including expired ones."""
        return list(self._platform.issued_tokens)

    def set_faults(self, *faults: Fault) -> None:
        """Replace the faults of a running sandbox and reset their counters. Without arguments, remove all faults."""
        self._platform.faults = FaultPlan(faults, self.options.seed)

    def expire_tokens(self) -> None:
        """Expire every token immediately, regardless of its `expires_in`."""
        self._platform.expire_tokens()

    def events(self, start: datetime, end: datetime) -> Iterator[Record]:
        """Yield the events of [start, end) that exports hold now, ordered by start."""
        now = datetime.now(UTC)
        events = self._platform.events.between(start, min(as_utc(end), now + timedelta(milliseconds=1)))
        return Lateness(self.options).events(events, now)

    def valid_events(self, start: datetime, end: datetime) -> Iterator[Record]:
        """Yield the events of [start, end) that a correct client receives: those that exports hold in a valid form."""
        share = self.options.bad_records
        return (event for event in self.events(start, end) if not is_bad(event, share))

    def extraction_rows(self, entity: str, version: str, start: date, end: date) -> Iterator[Row]:
        """Yield the rows of the days [start, end) that a correct client receives now, as dicts by column name.

        Bad rows and rows in the future are left out. An empty cell is "".

        Raises:
            KeyError: the entity or version is unknown.
        """
        rows = self._platform.rows.between(entity, version, start, end, datetime.now(UTC))
        return (row for row in rows if not ENTITIES[entity].is_bad(row, self.options.bad_rows))

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # Name the protocol: only then does asyncio disable Nagle's algorithm, which costs 40 ms per request.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        # Without this, the port of a sandbox that has just stopped stays in use for about a minute. On Windows the same
        # option would let two sandboxes share a port.
        if not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self._host, self._port))
            listener.listen(128)
        except OSError as err:
            listener.close()
            msg = f"The sandbox cannot listen on {self._host} port {self._port}: {err.strerror or err}."
            raise SandboxError(msg) from err
        return listener


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
