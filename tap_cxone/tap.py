"""TapCXone: settings, discovery and signal handling."""

from __future__ import annotations

import contextlib
import copy
import json
import os
from typing import IO, TYPE_CHECKING, Any, ClassVar

from dotenv import find_dotenv, load_dotenv
from singer_sdk.exceptions import AbortedSyncFailedException, AbortedSyncPausedException
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.singerlib import StateMessage
from typing_extensions import override

from tap_cxone.cancellation import CancellationToken
from tap_cxone.config.environment import check_environment, check_sdk_environment
from tap_cxone.config.schema import JSONSCHEMA
from tap_cxone.config.selection import unmatched_patterns
from tap_cxone.config.settings import check_flattening, normalise
from tap_cxone.context import RunContext
from tap_cxone.errors import OutputError, UsageError, open_files_errors
from tap_cxone.meltano import is_config_test, is_meltano
from tap_cxone.misspelled import unknown_mappings, unknown_settings, unknown_streams
from tap_cxone.shutdown import Shutdown
from tap_cxone.streams.catalog import check_catalog
from tap_cxone.streams.sdk_compat import CompatTap, ConfigInput
from tap_cxone.streams.stream_map_errors import stream_map_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.streams import Stream

    from tap_cxone.streams.writer import MessageWriter

# ruff: noqa: PLC0415 - imported when it is used, so that --version and --about start quickly


class TapCXone(CompatTap):
    """Singer tap for NICE CXone: contact-centre data through the platform's asynchronous export jobs."""

    name = "tap-cxone"
    package_name = "tap-cxone"
    config_jsonschema: ClassVar[dict[str, Any]] = copy.deepcopy(JSONSCHEMA)  # the SDK adds its own settings to it
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
        PluginCapabilities.BATCH,
    ]

    def __init__(self, *, parse_env_config: bool = False, **options: Any) -> None:  # noqa: ANN401 - the SDK's
        self._cancellation = CancellationToken()
        self._shutdown = Shutdown(self._cancellation, self._write_last_state)
        self._context: RunContext | None = None
        self._variables = self.env_prefix() if parse_env_config or is_meltano(os.environ) else None
        self.append_builtin_config(self.config_jsonschema)
        if parse_env_config:
            load_dotenv(find_dotenv(usecwd=True))  # variables that are set already are kept
            check_environment(os.environ, self.env_prefix())
            check_sdk_environment(os.environ, self.env_prefix(), self.config_jsonschema["properties"])
        if isinstance(catalog := options.get("catalog"), dict):
            check_catalog(catalog)
        super().__init__(parse_env_config=parse_env_config, **options)

    @property
    def message_writer_class(self) -> type[MessageWriter]:  # type: ignore[override]
        """The writer of Singer messages."""
        from tap_cxone.streams.writer import MessageWriter

        return MessageWriter

    @property
    def run_context(self) -> RunContext:
        """What the streams share."""
        if self._context is None:
            self._context = self._create_context(dict(self.config))
        return self._context

    @override
    def check_config(self, config: dict[str, Any]) -> None:
        for warning in unknown_settings(config, os.environ, self._variables, self.config_jsonschema["properties"]):
            self.logger.warning("%s", warning)
        normalise(config)
        check_flattening(config)
        self._context = self._create_context(config)
        _ = self._context.settings  # raises SettingsError

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        from tap_cxone.streams.state import check_form

        check_form(state)
        super().load_state(state)

    @override
    def discover_streams(self) -> Sequence[Stream]:
        from tap_cxone.config.entities import SETTING, entities
        from tap_cxone.streams.bot_conversations import BotConversationsStream
        from tap_cxone.streams.data_extraction import DataExtractionStream

        return [
            BotConversationsStream(self, self.run_context),
            *(DataExtractionStream(self, self.run_context, entity) for entity in entities(self.config.get(SETTING))),
        ]

    @classmethod
    @override
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: ConfigInput | None = None,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
    ) -> None:
        """Carry out the command without ``--discover`` and ``--test``: the SDK's steps, and a record of the end."""
        from tap_cxone.run_end import RunEnd

        if about:
            super().invoke(about=about, about_format=about_format)
            return
        cls.print_version(print_fn=cls.logger.info)
        given = config or ConfigInput()
        is_test = is_config_test(os.environ)
        end = RunEnd(given.config, cls.env_prefix() if given.parse_env else None)
        with contextlib.nullcontext() if is_test else end.recorded(), open_files_errors(), stream_map_errors():
            tap = cls(
                config=given.config,
                state=json.load(state) if state else None,
                catalog=json.load(catalog) if catalog else None,
                parse_env_config=given.parse_env,
                validate_config=True,
            )
            end.watch(tap.run_context)
            tap.check_selection()
            if is_test:
                tap.emit_one_record()
                return
            with tap.run_context.shutdown.flush_on_exit(end.flush):
                tap.sync_all()

    def emit_one_record(self) -> None:
        """Emit one record of the first selected stream that has any. A job is created only if its file is read."""
        for stream in self.streams.values():
            if stream.selected:
                stream.ABORT_AT_RECORD_COUNT = 1
                try:
                    stream.sync()
                except (AbortedSyncFailedException, AbortedSyncPausedException):
                    return  # there is a second record, so the first one is written

    def check_selection(self) -> None:
        """Log what is selected but does not exist.

        Raises:
            UsageError: no stream is selected.
        """
        for warning in (*self.unknown_selections(), *self.unknown_mappings()):
            self.logger.warning("%s", warning)
        if not any(stream.selected for stream in self.streams.values()):
            msg = (
                "No stream is selected: select at least one in the catalog, or in Meltano's 'select' "
                f"({', '.join(self.streams)})."
            )
            raise UsageError(msg)

    def unknown_selections(self) -> Iterator[str]:
        """Yield a sentence for each stream that is selected but does not exist."""
        wanted = unmatched_patterns(self.streams, os.environ)
        if self.input_catalog:
            wanted += [entry.tap_stream_id for entry in self.input_catalog.streams if entry.metadata.root.selected]
        return unknown_streams(wanted, self.streams)

    def unknown_mappings(self) -> Iterator[str]:
        """Yield a sentence for each stream and each removed column of ``stream_maps`` that does not exist."""
        columns = {name: stream.schema["properties"] for name, stream in self.streams.items()}
        return unknown_mappings(self.config.get("stream_maps") or {}, columns)

    @override
    def on_signal(self, signum: int) -> None:
        self._shutdown.on_signal(signum)

    def _create_context(self, config: dict[str, Any]) -> RunContext:
        return RunContext(config, self._cancellation, self._shutdown)

    def _write_last_state(self) -> None:
        from tap_cxone.streams.writer import OutputClosedError

        with contextlib.suppress(OutputClosedError, OutputError):
            self.write_message(StateMessage(value=self.state))
