"""Streams of the Data Extraction API, one for each entity."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from tap_cxone.config.entities import SETTING
from tap_cxone.config.selection import is_named
from tap_cxone.errors import CxoneError, SettingsError
from tap_cxone.jobs.data_extraction import DataExtraction
from tap_cxone.records.columns import ColumnModel
from tap_cxone.records.model import is_misfit
from tap_cxone.streams.base import ExportStream

if TYPE_CHECKING:
    from singer_sdk.singerlib import Catalog

    from tap_cxone.config.entities import Entity
    from tap_cxone.records.verify import VerifiedFile
    from tap_cxone.tap import TapCXone
    from tap_cxone.windows import Window


class DataExtractionStream(ExportStream):
    """The rows of one entity of the Data Extraction API.

    Columns that the schema does not have are taken up as text where the stream has no fixed schema: they count as
    selected, and SCHEMA goes out again before the first record that has them.
    """

    selected_by_default = False
    keeps_samples = False  # names, telephone numbers

    def __init__(self, tap: TapCXone, entity: Entity) -> None:
        self.entity = entity
        self._missing: frozenset[str] = frozenset()
        super().__init__(tap=tap, name=entity.stream, schema=entity.schema)
        self.primary_keys = entity.primary_keys
        self.replication_key = entity.replication_key

    @override
    def check_settings(self) -> None:
        settings = self._tap.settings
        if not (settings.access.is_given or settings.sandbox):
            msg = (
                f"Stream '{self.name}' needs to know where the tenant is: set 'auth_method' to access_key with "
                "'region', 'access_key_id' and 'access_key_secret', or to password, or give 'api_url'."
            )
            raise SettingsError(msg)

    @property
    @override
    def is_available(self) -> bool:
        settings = self._tap.settings
        return settings.sandbox or settings.access.method != "client_credentials"

    @override
    def export_surface(self) -> DataExtraction:
        return DataExtraction(
            self._tap.client, entity=self.entity.entity, version=self.entity.version, create_throttle=self._tap.spacing
        )

    @override
    def record_model(self) -> ColumnModel:
        return ColumnModel(
            self.schema,
            self.entity.primary_keys,
            allow_new_columns=self.entity.allow_new_columns,
            date_field=self.date_field,
            aliases=self.entity.aliases,
            hint=f": check 'primary_keys', 'entity' and 'version' of the stream in '{SETTING}'",
        )

    @property
    @override
    def window_length(self) -> timedelta:
        days = self.entity.window_days
        return timedelta(days=days) if days else self._tap.settings.extraction_window

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        """Take over what the catalog says; columns that only it knows are columns of the stream."""
        super().apply_catalog(catalog)
        if self.selected and not is_named(self.name, os.environ):
            self._mask = None
            self.metadata.root.selected = False
            self.logger.info("Stream '%s' is left out: Meltano's 'select' does not name it", self.name)
        if self._input_schema and self.entity.allow_new_columns:
            columns = {name: spec for name, spec in self._input_schema["properties"].items() if "type" in spec}
            self._schema = _with(self.schema, columns)

    @override
    def prepare(self, found: VerifiedFile, window: Window) -> None:
        self._check_types(found, window)
        super().prepare(found, window)
        missing = frozenset(self.schema["properties"]) - set(found.fields) if found.fields else self._missing
        if missing - self._missing:
            names = ", ".join(sorted(missing - self._missing))
            self.logger.warning("Window %s: columns that the file does not have: %s", window, names)
        self._missing = missing
        new = {name: spec for name, spec in found.model.properties.items() if name not in self.schema["properties"]}
        if new:
            self.logger.warning("Window %s: new columns are taken up, as text: %s", window, ", ".join(sorted(new)))
            self._take_up(new)

    def _check_types(self, found: VerifiedFile, window: Window) -> None:
        """Refuse to go on where not a single row fits the types of the stream.

        Raises:
            CxoneError: that is so. Nothing of the window has been written.
        """
        misfits = {reason: count for reason, count in found.reasons.items() if is_misfit(reason)}
        if not found.valid and 0 < found.refused == sum(misfits.values()):
            msg = (
                f"Window {window} of {self.name}: none of its {found.refused} rows has the types of this stream "
                f"({next(iter(misfits))}): give it a 'schema' that fits, in '{SETTING}'."
            )
            raise CxoneError(msg)

    def _take_up(self, columns: dict[str, Any]) -> None:
        """Make columns part of the stream, and tell the target."""
        self._schema = _with(self.schema, columns)
        if self._input_schema is not None:
            self._input_schema = _with(self._input_schema, columns)
        self.renew_stream_maps()
        self._write_schema_message()


def _with(schema: dict[str, Any], columns: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with further columns behind its own."""
    known = schema["properties"]
    return {**schema, "properties": known | {name: spec for name, spec in columns.items() if name not in known}}
