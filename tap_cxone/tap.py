"""TapCXone: the settings and which streams there are, and what all streams of a run share.

What only a run needs is imported where it is needed: ``--version`` and ``--about`` answer without it.
"""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import signal
import threading
import uuid
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from dotenv import find_dotenv, load_dotenv
from singer_sdk import Tap
from singer_sdk.exceptions import AbortedSyncExceptionBase, MaxRecordsLimitException
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.singerlib import StateMessage
from typing_extensions import override

from tap_cxone.cancellation import CancellationToken
from tap_cxone.config.schema import JSONSCHEMA
from tap_cxone.config.settings import Settings, check_environment, check_sdk_environment, normalise
from tap_cxone.errors import CxoneError, RunCancelledError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import FrameType

    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.streams import Stream

    from tap_cxone.api.client import PlatformClient
    from tap_cxone.api.grants import Grant
    from tap_cxone.jobs.polling import CreateThrottle
    from tap_cxone.observability.audit_log import AuditLog, Quarantine
    from tap_cxone.observability.progress import Progress
    from tap_cxone.observability.reporter import Reporter
    from tap_cxone.sandbox import Sandbox
    from tap_cxone.streams.writer import MessageWriter

# ruff: noqa: PLC0415 - see above

LAST_WORDS_SECONDS = 0.3
LONGEST_END_SECONDS = 1.4
"""How long a run that was asked to end may take to come to a clean point."""


class TapCXone(Tap):
    """Singer tap for NICE CXone: contact-centre data through the platform's asynchronous export jobs."""

    name = "tap-cxone"
    package_name = "tap-cxone"
    config_jsonschema: ClassVar[dict[str, Any]] = copy.deepcopy(JSONSCHEMA)  # the SDK adds its own to it
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        TapCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
        # No BATCH: the SDK's own way of writing it goes round selection and stream maps.
    ]

    settings: Settings

    def __init__(self, *, parse_env_config: bool = False, **options: Any) -> None:  # noqa: ANN401 - the SDK's
        self._folders: list[Path] = []
        if parse_env_config:
            # The SDK reads a file .env by itself, later and from the same place.
            load_dotenv(find_dotenv())
            check_environment(os.environ, self._env_var_prefix)
            self.append_builtin_config(self.config_jsonschema)
            check_sdk_environment(os.environ, self._env_var_prefix, self.config_jsonschema["properties"])
        super().__init__(parse_env_config=parse_env_config, **options)

    @property
    def message_writer_class(self) -> type[MessageWriter]:  # type: ignore[override]
        """The writer of Singer messages."""
        from tap_cxone.streams.writer import MessageWriter

        return MessageWriter

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings before the SDK does: its messages quote values, and a value may be a secret."""
        self._config = dict(self._config)
        if raise_errors:
            normalise(self._config)
            self.settings = Settings.from_config(self._config)
        return super()._validate_config(raise_errors=raise_errors)

    @override
    def discover_streams(self) -> Sequence[Stream]:
        from tap_cxone.config.entities import SETTING, entities
        from tap_cxone.streams.bot_conversations import BotConversationsStream
        from tap_cxone.streams.data_extraction import DataExtractionStream

        return [
            BotConversationsStream(tap=self),
            *(DataExtractionStream(self, entity) for entity in entities(self.config.get(SETTING))),
        ]

    # --- What the streams of a run share ------------------------------------------------------------------------------

    @cached_property
    def run_id(self) -> str:
        """What this run is called in the audit log: within Meltano the same for all steps of one ``meltano run``."""
        return os.environ.get("MELTANO_PARENT_CONTEXT_UUID") or uuid.uuid4().hex

    @cached_property
    def audit(self) -> AuditLog:
        """The audit log."""
        from tap_cxone.observability.audit_log import AuditLog

        return AuditLog(self.settings.audit_log_path)

    @cached_property
    def quarantine(self) -> Quarantine:
        """Where refused records are kept."""
        from tap_cxone.observability.audit_log import Quarantine

        return Quarantine(self.settings.quarantine_path)

    @cached_property
    def client(self) -> PlatformClient:
        """HTTP to the platform, or to the simulated one."""
        from tap_cxone.api.client import PlatformClient

        access, sandbox = self.settings.access, self._sandbox
        return PlatformClient(
            api_url=sandbox.url if sandbox else access.api_url,
            grant=self._grant(),
            address=access.issuer,
            sleep=self.stop.sleep,
            listener=self,
        )

    def _grant(self) -> Grant:
        """Return the way to get a token that ``auth_method`` names."""
        from tap_cxone.api.grants import AccessKey, ClientCredentials, Password

        access, sandbox = self.settings.access, self._sandbox
        if sandbox:
            return ClientCredentials(f"{sandbox.url}/oauth/token", sandbox.client_id, sandbox.client_secret)
        if access.method == "password":
            return Password(
                access.issuer,
                access.client_id,
                access.client_secret,
                access.access_key_id,
                access.access_key_secret,
                token_url=access.auth_url,
            )
        auth_url = str(access.auth_url)
        if access.method == "access_key":
            return AccessKey(auth_url, access.access_key_id, access.access_key_secret)
        return ClientCredentials(auth_url, access.client_id, access.client_secret)

    @cached_property
    def spacing(self) -> CreateThrottle:
        """Keeps the creates of Data Extraction jobs apart, across all streams."""
        from tap_cxone.jobs.polling import CreateThrottle

        return CreateThrottle(self.settings.submit_interval)

    @cached_property
    def _sandbox(self) -> Sandbox | None:
        """The simulated platform, in a thread of this process; it ends with it."""
        if not self.settings.sandbox:
            return None
        from tap_cxone.sandbox import Sandbox, SandboxError, SandboxOptions

        try:
            return Sandbox(SandboxOptions(submit_seconds=self.settings.submit_interval)).start()
        except SandboxError as err:
            raise CxoneError(str(err)) from err

    def check_streams(self) -> None:
        """Look whether each selected stream has the settings that only it needs, before the first one begins.

        Raises:
            SettingsError: one has not.
        """
        from tap_cxone.streams.base import ExportStream

        for stream in self.streams.values():
            if stream.selected and isinstance(stream, ExportStream):
                stream.check_settings()

    # --- Telling people -----------------------------------------------------------------------------------------------

    @cached_property
    def progress(self) -> Progress:
        """What the run is doing."""
        from tap_cxone.observability.progress import Progress

        return Progress()

    @cached_property
    def _reporter(self) -> Reporter:
        from tap_cxone.observability.reporter import Reporter

        return Reporter(self.progress)

    @contextlib.contextmanager
    def watched(self, stream: Stream) -> Iterator[None]:
        """Have people see what happens while a stream is read, and a summary behind the last one."""
        self._reporter.begin()
        goes_on = False
        try:
            yield
            goes_on = True
        except (GeneratorExit, AbortedSyncExceptionBase, MaxRecordsLimitException):
            goes_on = True  # --test has seen enough of this stream
            raise
        finally:
            last = [other for other in self.streams.values() if other.selected][-1]
            if not goes_on or stream is last:
                self._reporter.close()

    def requested(self) -> None:
        """From any thread: a request is sent."""
        self.progress.requested()

    def retrying(self, call: str, reason: str, seconds: float, rate_limited: bool) -> None:  # noqa: FBT001 - a callback
        """From any thread: a request is going to be sent again, after so many seconds."""
        self.progress.retrying(call, reason, seconds, rate_limited)
        self.audit.event(
            "request_retried",
            log=False,  # whoever pauses says so
            run_id=self.run_id,
            call=call,
            reason=reason,
            wait_seconds=round(seconds, 3),
        )

    # --- Ending early -------------------------------------------------------------------------------------------------

    @cached_property
    def stop(self) -> CancellationToken:
        """The flag that ends every wait of this run."""
        return CancellationToken()

    def check(self) -> None:
        """Raise where the run shall not go on: a signal came, or nobody reads its output any more."""
        from tap_cxone.streams.writer import check_output

        self.stop.check()
        check_output()

    def write_last_state(self) -> None:
        """Say once more how far the run has come, as the last word of one that ends early."""
        from tap_cxone.streams.writer import OutputClosedError

        with contextlib.suppress(OutputClosedError):
            self.write_message(StateMessage(value=self.state))
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)  # the clean point is reached

    @contextlib.contextmanager
    def removed_at_once(self, folder: Path) -> Iterator[None]:
        """Have a folder removed even if the process has to end without coming back to its owner."""
        self._folders.append(folder)
        yield
        self._folders.remove(folder)

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Ask the run to end; what is being written is written to its end. The exit code is the signal's.

        The SDK would exit here and now with 0: in the middle of a line, and as if the run had finished.
        """
        self.stop.cancel(RunCancelledError(f"Ended early by {signal.Signals(signum).name}.", 128 + signum))
        if hasattr(signal, "setitimer"):
            # A write to a target that does not read comes to no end: then the run ends without a last word.
            signal.signal(signal.SIGALRM, lambda *_: self._end_now(128 + signum))
            signal.setitimer(signal.ITIMER_REAL, LONGEST_END_SECONDS)

    def _end_now(self, code: int) -> NoReturn:
        # In a thread: what was interrupted here may hold a lock that the last words need.
        farewell = threading.Thread(target=self._last_words, daemon=True)
        farewell.start()
        farewell.join(LAST_WORDS_SECONDS)
        self._reporter.abandon()
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)
        os._exit(code)

    def _last_words(self) -> None:
        """Say how the run ended, where nobody comes back to say so."""
        from tap_cxone.streams.base import ExportStream

        error = self.stop.cause
        begun = {stream.name for stream in self.progress.streams() if stream.ended is None}
        for stream in self.streams.values():
            if isinstance(stream, ExportStream) and stream.name in begun:
                stream.finish("stopped", error.message if error else None)
        self._reporter.close()
