"""TapCXone: the settings and which streams there are, and what all streams of a run share."""

from __future__ import annotations

import os
import sys
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Tap
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from typing_extensions import override

from tap_cxone.audit import AuditLog, Quarantine
from tap_cxone.client import PlatformClient
from tap_cxone.errors import CxoneError
from tap_cxone.settings import JSONSCHEMA, Settings, check_environment, normalise
from tap_cxone.streams import BotConversationsStream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.streams import Stream

    from tap_cxone.sandbox import Sandbox


class TapCXone(Tap):
    """Singer tap for NICE CXone: contact-centre data through the platform's asynchronous export jobs."""

    name = "tap-cxone"
    package_name = "tap-cxone"
    config_jsonschema: ClassVar[dict[str, Any]] = JSONSCHEMA
    message_writer_class = MsgSpecWriter
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

    def __init__(self, *, parse_env_config: bool = False, **options: Any) -> None:
        if parse_env_config:
            check_environment(os.environ, self._env_var_prefix)
        super().__init__(parse_env_config=parse_env_config, **options)

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
        return [BotConversationsStream(tap=self)]

    # --- What the streams of a run share ------------------------------------------------------------------------------

    @cached_property
    def audit(self) -> AuditLog:
        """The audit log."""
        return AuditLog(self.settings.audit_log_path)

    @cached_property
    def quarantine(self) -> Quarantine:
        """Where refused records are kept."""
        return Quarantine(self.settings.quarantine_path)

    @cached_property
    def client(self) -> PlatformClient:
        """HTTP to the platform, or to the simulated one."""
        settings, sandbox = self.settings, self._sandbox
        return PlatformClient(
            api_url=sandbox.url if sandbox else settings.api_url,
            auth_url=f"{sandbox.url}/oauth/token" if sandbox else settings.auth_url,
            client_id=sandbox.client_id if sandbox else settings.client_id,
            client_secret=sandbox.client_secret if sandbox else settings.client_secret,
            sleep=self.sleep,
        )

    @cached_property
    def _sandbox(self) -> Sandbox | None:
        """The simulated platform, in a thread of this process; it ends with it."""
        if not self.settings.sandbox:
            return None
        from tap_cxone.sandbox import Sandbox, SandboxError  # noqa: PLC0415 - a real platform does not need it

        try:
            return Sandbox().start()
        except SandboxError as err:
            raise CxoneError(str(err)) from err

    def sleep(self, seconds: float) -> None:
        """Pause; every wait of a run goes through here."""
        time.sleep(seconds)

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """End with the state so far and with the exit code of the signal: 0 would look like a finished run."""
        self.logger.warning("Ending early because of signal %d", signum)
        try:
            self.state_writer.write_state(self.state)
        finally:
            sys.exit(128 + signum)
