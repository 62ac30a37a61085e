"""`Sandbox`: a simulated platform as a context manager, for the tests, the command and the setting `sandbox`.

The server's libraries are an extra, so they are imported when a sandbox starts and not before.
"""

from __future__ import annotations

import ipaddress
import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

from tap_cxone.sandbox.events import EventStream, as_utc
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
from tap_cxone.sandbox.rows import is_bad_row
from tap_cxone.sandbox.variations import is_bad

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from types import TracebackType

    from tap_cxone.sandbox.entities import Row
    from tap_cxone.sandbox.events import Record
    from tap_cxone.sandbox.extractions import Extraction
    from tap_cxone.sandbox.jobs import Job
    from tap_cxone.sandbox.options import Fault
    from tap_cxone.sandbox.server import ServerThread


class SandboxError(RuntimeError):
    """The sandbox cannot start; the text is one sentence that says why."""


class Sandbox:
    """A simulated platform on loopback.

    `with Sandbox(SandboxOptions(events_per_day=50)) as sandbox:` serves it at `sandbox.url` until the block ends. Port
    0 takes a free one. What it holds can be asked for without starting it.
    """

    client_id = CLIENT_ID
    client_secret = CLIENT_SECRET
    access_key_id = ACCESS_KEY_ID
    access_key_secret = ACCESS_KEY_SECRET
    tenant_id = TENANT_ID

    def __init__(self, options: SandboxOptions | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Describe the platform; nothing is opened yet. SandboxError for an address that is not loopback."""
        self.options = options or SandboxOptions()
        self._host = "127.0.0.1" if host == "localhost" else host
        if not _is_loopback(self._host):
            msg = f"The sandbox serves loopback addresses such as 127.0.0.1 only, not {host}."
            raise SandboxError(msg)
        self._port = port
        self._platform = Platform(self.options, self.url)
        self._server: ServerThread | None = None

    def start(self) -> Self:
        """Serve a new platform, without jobs.

        SandboxError when the port is taken or the server's libraries are not installed.
        """
        if self.running:
            msg = "The sandbox runs already."
            raise SandboxError(msg)
        try:
            from tap_cxone.sandbox.server import ServerThread  # noqa: PLC0415 - an extra, see the module's docstring
        except ModuleNotFoundError as err:
            msg = f"The sandbox needs the library {err.name}: pip install tap-cxone[sandbox]"
            raise SandboxError(msg) from err
        listener = self._listen()
        self._port = listener.getsockname()[1]
        self._platform = Platform(self.options, self.url)
        self._server = ServerThread(self._platform, listener)
        return self

    def stop(self) -> None:
        """Stop serving; what was asked and created can still be looked at."""
        if self._server is not None:
            self._server.stop()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    @property
    def running(self) -> bool:
        """Whether it serves."""
        return self._server is not None and self._server.running

    @property
    def url(self) -> str:
        """Base of the API, such as http://127.0.0.1:8099."""
        return f"http://[{self._host}]:{self._port}" if ":" in self._host else f"http://{self._host}:{self._port}"

    @property
    def jobs(self) -> list[Job]:
        """Every export job as it is now, in the order of creation."""
        return self._platform.jobs.all()

    @property
    def requests(self) -> list[Request]:
        """The requests since the start (the last hundred thousand), in the order of their answers."""
        return list(self._platform.requests)

    @property
    def active(self) -> int:
        """How many jobs are queued or running now, foreign ones included."""
        return sum(job.active for job in self.jobs)

    @property
    def max_active(self) -> int:
        """The highest number of our own jobs that were active at once."""
        return self._platform.jobs.max_active

    @property
    def max_active_total(self) -> int:
        """The highest number of jobs that were active at once, foreign ones included."""
        return self._platform.jobs.max_active_total

    @property
    def extractions(self) -> list[Extraction]:
        """Every extraction job as it is now, in the order of creation; those of other integrations included."""
        return self._platform.extractions.all()

    @property
    def refused_creates(self) -> int:
        """How many creates of extraction jobs were refused for a limit or a permission (403; faults not counted)."""
        return self._platform.extractions.refused

    @property
    def max_active_extractions(self) -> int:
        """The highest number of our own extraction jobs that were active at once."""
        return self._platform.extractions.max_active

    @property
    def signed_urls(self) -> list[str]:
        """Every signed address of the storage that was handed out."""
        return list(self._platform.storage.signed)

    @property
    def tokens(self) -> list[str]:
        """Every token that was handed out: of access, identity and refreshing, expired ones too."""
        return list(self._platform.handed_out)

    def set_faults(self, *faults: Fault) -> None:
        """Replace the faults while it runs (none given: no more faults); their counts start anew."""
        self._platform.faults = FaultPlan(faults, self.options.seed)

    def expire_tokens(self) -> None:
        """End every token at once, whatever its expires_in promised."""
        self._platform.expire_tokens()

    def events(self, start: datetime, end: datetime) -> Iterator[Record]:
        """Yield the events that start in [start, end) and not in the future, in that order."""
        now = datetime.now(UTC) + timedelta(milliseconds=1)
        stream = EventStream(self.options.events_per_day, self.options.quiet_days)
        return stream.between(start, min(as_utc(end), now))

    def valid_events(self, start: datetime, end: datetime) -> Iterator[Record]:
        """Yield the events of [start, end) that a correct client ends up with: those that exports hold validly."""
        share = self.options.bad_records
        return (event for event in self.events(start, end) if not is_bad(event, share))

    def extraction_rows(self, entity: str, version: str, start: date, end: date) -> Iterator[Row]:
        """Yield the rows of the days [start, end) that a correct client ends up with, by column name.

        Bad rows and later ones than now are left out; an empty cell is "". KeyError for an unknown entity or version.
        """
        rows = self._platform.rows.between(entity, version, start, end, datetime.now(UTC))
        return (row for row in rows if not is_bad_row(entity, row, self.options.bad_rows))

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # The protocol by name: asyncio switches Nagle's delay (40 ms a request) off for no other.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        # Else the port of a sandbox that has just ended would stay taken for a minute (except on Windows, where this
        # option would let two sandboxes share a port).
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
