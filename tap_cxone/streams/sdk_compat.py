"""The only module that uses private names of the SDK. Checked with singer-sdk 0.54.9.

``tests/streams/test_sdk_compat.py`` fails when a release changes one of them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from singer_sdk import Stream, Tap
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._batch import BaseBatchFileEncoding, SDKBatchMessage
from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.plugin_base import JSONSchemaValidator, _ConfigInput
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_cxone.errors import SettingsError
from tap_cxone.streams.stream_map_errors import stream_map_errors

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from types import FrameType

    from singer_sdk.helpers._batch import BatchConfig
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.singerlib import RecordMessage

CHECKED_VERSION = "0.54.9"

ConfigInput = _ConfigInput
"""The value of the option ``--config``: settings of all files, and whether the environment is read."""


class CompatTap(Tap):
    """A tap that checks its settings before the SDK does, and handles signals itself."""

    def check_config(self, config: dict[str, Any]) -> None:
        """Check and normalise the configuration in place; raises SettingsError."""

    def on_signal(self, signum: int) -> None:
        """Handle SIGTERM or SIGINT."""

    @classmethod
    def env_prefix(cls) -> str:
        """Return the prefix of environment variables that hold settings."""
        return str(cls._env_var_prefix)

    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805 - a property of the class
        """Settings from environment variables, without a .env file.

        The SDK looks for one above the folder in which it is installed, and lets it replace variables that are set.
        """
        cls.append_builtin_config(cls.config_jsonschema)
        return parse_environment_config(cls.config_jsonschema, cls.env_prefix(), dotenv_path=os.devnull)

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Run our checks first: the SDK's messages quote values, and a value may be a secret."""
        self._config = dict(self._config)
        if raise_errors:
            self.check_config(self._config)
        try:
            return super()._validate_config(raise_errors=raise_errors)
        except ConfigValidationError as err:
            raise SettingsError(_invalid_setting(self._config, err.schema)) from None

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Call ``on_signal``. The SDK would exit with 0 at once, in the middle of a line."""
        self.on_signal(signum)


class CompatStream(Stream):
    """A stream that moves its own bookmarks and may write its records in blocks."""

    # --- Writing in blocks --------------------------------------------------------------------------------------------

    def writes_blocks(self) -> bool:
        """Return whether ``write_blocks`` writes the same records as the SDK's own path would."""
        return False

    def write_blocks(self) -> Iterator[int]:
        """Write all records of the stream in blocks; yield the number of records of each."""
        raise NotImplementedError

    def abort(self, error: Exception) -> None:
        """End the reading of the stream, because a record could not be processed or written."""

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        if not self.selected:
            return
        try:
            if write_messages and self.writes_blocks():
                self._sync_blocks()
            else:
                yield from super()._sync_records(context, write_messages=write_messages)
        except Exception as err:
            self.abort(err)
            raise

    def _sync_blocks(self) -> None:
        with self.get_record_counter() as counter, self.get_sync_timer() as timer:
            for meter in (counter, timer):
                meter.with_context({})
            for count in self.write_blocks():
                counter.increment(count)
            self._write_state_message()

    @property
    def writes_batches(self) -> bool:
        """Whether BATCH messages take the place of RECORD messages."""
        return False

    def write_batches(self) -> Iterator[int]:
        """Write all records of the stream to batch files; yield the number of files that a message names."""
        raise NotImplementedError

    @override
    def get_batch_config(self, config: Mapping[str, Any]) -> BatchConfig | None:
        # --test limits the number of records, which only RECORD messages heed.
        is_used = self.writes_batches and self.selected and self.ABORT_AT_RECORD_COUNT is None
        return super().get_batch_config(config) if is_used else None

    @override
    def _sync_batches(self, batch_config: BatchConfig, context: Context | None = None) -> None:
        """Write batches; the SDK's own way bypasses selection and stream maps, and moves bookmarks too early."""
        try:
            with self.get_batch_counter() as counter:
                for count in self.write_batches():
                    counter.increment(count)
            self._write_state_message()
        except Exception as err:
            self.abort(err)
            raise

    def write_batch(self, stream: str, urls: list[str]) -> None:
        """Write a BATCH message that names files of gzip-compressed JSON Lines."""
        encoding = BaseBatchFileEncoding(format="jsonl", compression="gzip")
        self._tap.write_message(SDKBatchMessage(stream, encoding, urls))

    # --- SCHEMA -------------------------------------------------------------------------------------------------------

    _has_unwritten_schema = False

    @property
    def waits_for_columns(self) -> bool:
        """Whether SCHEMA is to be written when the columns of the first file are known, not at the start."""
        return False

    @override
    def _write_schema_message(self) -> None:
        self._has_unwritten_schema = True
        if not self.waits_for_columns:
            self.flush_schema()

    @property
    @override
    def emit_activate_version_messages(self) -> bool:
        """No: targets would delete what another run has loaded, such as one for an earlier range."""
        return False

    def flush_schema(self) -> None:
        """Write the SCHEMA message, if it has not been written yet."""
        if self._has_unwritten_schema:
            self._has_unwritten_schema = False
            super()._write_schema_message()

    # --- Bookmarks: finished windows move them, not record values as in the SDK ---------------------------------------

    @property
    def is_incremental(self) -> bool:
        """Whether the stream is read from its bookmark on."""
        return self.replication_method == REPLICATION_INCREMENTAL

    def write_state(self) -> None:
        """Write the state of the tap as a STATE message."""
        self._tap.state_writer.write_state(self.tap_state)

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        return None

    @override
    def _write_starting_replication_value(self, context: Context | None) -> None:
        """Leave the state unchanged: the start of a run is computed from the bookmark itself."""

    @override
    def _increment_stream_state(self, latest_record: Record, *, context: Context | None = None) -> None:
        """Leave the bookmark unchanged: only a finished window moves it."""

    # --- Schema and selection -----------------------------------------------------------------------------------------

    @property
    def catalog_schema(self) -> dict[str, Any] | None:
        """The schema in the catalog that the tap was given, or None."""
        return self._input_schema

    def set_selected(self, *, selected: bool) -> None:
        """Select the stream, or deselect it."""
        self.metadata.root.selected = selected
        self._mask = self.metadata.resolve_selection()
        self.renew_stream_maps()

    def deselect(self) -> None:
        """Deselect the stream before the stream maps exist."""
        self.metadata.root.selected = False
        self._mask = None

    def set_schema(self, schema: dict[str, Any]) -> None:
        """Replace the schema of the stream; the catalog's schema gets the columns that it does not have."""
        self._schema = schema
        if self._input_schema is not None:
            self._input_schema = with_columns(self._input_schema, schema["properties"])

    def add_columns(self, columns: dict[str, Any]) -> None:
        """Add columns to the schema; ``flush_schema`` then writes it."""
        self._schema = with_columns(self.schema, columns)
        if self._input_schema is not None:
            self._input_schema = with_columns(self._input_schema, columns)
        self.renew_stream_maps()
        self._has_unwritten_schema = True

    def renew_stream_maps(self) -> None:
        """Have the stream maps rebuilt from the current schema and selection."""
        selected = get_selected_schema(self.name, self.effective_schema, self.mask)
        self._tap.mapper.register_raw_stream_schema(self.name, selected, self.primary_keys)
        self._stream_maps = None

    @override
    def _generate_record_messages(self, record: Record) -> Iterator[RecordMessage]:  # type: ignore[override]
        with stream_map_errors():
            yield from super()._generate_record_messages(record)

    def mapped(self, record: Record) -> Iterator[tuple[str, Record]]:
        """Yield a record as the target gets it, with the name of each stream: after selection and stream maps."""
        for message in self._generate_record_messages(dict(record)):
            yield message.stream, message.record

    def as_emitted(self, record: Record) -> Record:
        """Return a record as the target gets it: after selection and stream maps; empty if they drop it."""
        return next((mapped for _, mapped in self.mapped(record)), {})


def _invalid_setting(config: dict[str, Any], schema: dict[str, Any] | None) -> str:
    """Name the first setting that does not fit the schema, without its value."""
    error = next(JSONSchemaValidator(schema or {}).iter_errors(config))
    setting, *rest = error.absolute_path
    place = f", at {' / '.join(map(repr, rest))}," if rest else ""
    types = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
    form = f"be {' or '.join(map(str, types))}" if error.validator == "type" else "have the form that the SDK describes"
    return f"Setting '{setting}'{place} must {form}."


def with_columns(schema: dict[str, Any], columns: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with further columns after its own."""
    known = schema["properties"]
    return {**schema, "properties": known | {name: spec for name, spec in columns.items() if name not in known}}
