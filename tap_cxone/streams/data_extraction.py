"""Streams of the Data Extraction API, one for each entity."""

from __future__ import annotations

import logging
import os
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from typing_extensions import override

from tap_cxone.config.entities import SETTING
from tap_cxone.config.selection import is_named
from tap_cxone.errors import SettingsError
from tap_cxone.jobs.data_extraction import DataExtraction
from tap_cxone.streams.base import ExportStream
from tap_cxone.streams.column_model import ColumnModel
from tap_cxone.streams.new_columns import NewColumns, add_new_columns, keys_of, make_selectable, with_types
from tap_cxone.streams.sdk_compat import with_columns

if TYPE_CHECKING:
    from singer_sdk import Tap
    from singer_sdk.singerlib import Catalog, CatalogEntry

    from tap_cxone.config.entities import Entity
    from tap_cxone.context import RunContext
    from tap_cxone.records.verify import VerifiedFile
    from tap_cxone.windows import Window


class DataExtractionStream(ExportStream):
    """The rows of one entity of the Data Extraction API.

    Selected columns that the schema does not have are added as text, unless the stream has a fixed schema: SCHEMA is
    written when the columns of the first file are known, and again before the first record that has further ones.

    Args:
        tap: the tap.
        context: what the streams of the run share.
        entity: the entity.
    """

    selected_by_default = False
    types_hint = f"give the stream a 'schema' that fits, in '{SETTING}'"
    keeps_samples = False  # rows may hold personal data, such as names and telephone numbers

    def __init__(self, tap: Tap, context: RunContext, entity: Entity) -> None:
        self.entity = entity
        self._missing: frozenset[str] = frozenset()
        self._left_out: frozenset[str] = frozenset()
        self._has_columns = False  # whether a file of this run has shown the columns
        self._entry: CatalogEntry | None = None
        super().__init__(tap, context, name=entity.stream, schema=entity.schema)
        self.primary_keys = entity.primary_keys
        self.replication_key = entity.replication_key

    @property
    @override
    def waits_for_columns(self) -> bool:
        return self.entity.allow_new_columns

    @override
    def check_settings(self) -> None:
        if not self.run_context.settings.access.names_tenant:
            msg = (
                f"Stream '{self.name}' needs to know where the tenant is: set 'auth_method' to access_key with "
                "'region', 'access_key_id' and 'access_key_secret', or to password, or set 'api_url'."
            )
            raise SettingsError(msg)

    @property
    @override
    def is_available(self) -> bool:
        return self.run_context.settings.access.has_data_extraction

    @override
    def job_api(self) -> DataExtraction:
        context = self.run_context
        return DataExtraction(
            context.client,
            entity=self.entity.entity,
            version=self.entity.version,
            permission=self.entity.permission,
            create_throttle=context.create_throttle,
        )

    @override
    def record_model(self) -> ColumnModel:
        return ColumnModel(
            self.schema,
            self.entity.primary_keys,
            date_field=self.date_field,
            aliases=self.entity.aliases,
            hint=f": check 'primary_keys', 'entity' and 'version' of the stream in '{SETTING}'",
            adds=self._new_columns.is_selected if self.entity.allow_new_columns else None,
            selected=self.selected_fields,
        )

    @property
    @override
    def window_length(self) -> timedelta:
        days = self.entity.window_days
        return timedelta(days=days) if days else self.run_context.settings.extraction_window

    @property
    @override
    def former_replication_keys(self) -> tuple[str, ...]:
        # A key of the catalog's own has no earlier names.
        return self.entity.former_replication_keys if self.replication_key == self.entity.replication_key else ()

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        """Apply the catalog, which may be that of an older version.

        The columns that it lacks are added to it. Those that only it has become columns of the stream, and text columns
        get its types.
        """
        self._entry = catalog.get_stream(self.name)
        is_changed = self._entry is not None and self._complete(self._entry)
        super().apply_catalog(catalog)
        if self.replication_key in self.entity.former_replication_keys:
            self.replication_key = self.entity.replication_key
        if self.selected and not is_named(self.name, os.environ):
            self.deselect()
            self.logger.info("Stream '%s' is skipped: Meltano's 'select' does not name it", self.name)
        if self.catalog_schema and self.entity.allow_new_columns:
            columns = {name: spec for name, spec in self.catalog_schema["properties"].items() if "type" in spec}
            self.set_schema(with_columns(with_types(self.schema, columns), columns))
        if is_changed and self.selected:  # the SDK has made them from the catalog as it was given
            self.renew_stream_maps()

    def _complete(self, entry: CatalogEntry) -> bool:
        """Add the columns of the stream that its catalog entry lacks; return whether the entry has changed."""
        keys = {*self.entity.primary_keys, self.entity.replication_key, *keys_of(entry)}
        has_automatic = make_selectable(entry, keys)
        has_new = add_new_columns(entry, self.schema["properties"], keys, self._new_columns)
        return has_automatic or has_new

    @cached_property
    def _new_columns(self) -> NewColumns:
        """The rule for columns that the catalog, as it was given, does not have."""
        if self.run_context.settings.new_columns == "ignore":
            return NewColumns.ignored()
        return NewColumns.of_entry(self._entry, os.environ) if self._entry else NewColumns()

    @property
    @override
    def leaves_out_fields(self) -> bool:
        return super().leaves_out_fields or self._new_columns.leaves_out

    @override
    def prepare(self, verified: VerifiedFile, window: Window) -> None:
        self.check_types(verified, window)
        self.warn_of_patterns(verified)
        self._log_left_out(verified, window)
        self._log_missing_columns(verified, window)
        known = self.schema["properties"]
        new = {name: spec for name, spec in verified.model.properties.items() if name not in known}
        if new:
            # The schema never lists all columns of a tenant, but those of a later window have changed during the run.
            level = logging.WARNING if self._has_columns else logging.INFO
            self.logger.log(level, "Window %s: new columns are added as text: %s", window, ", ".join(sorted(new)))
            self.add_columns(new)
        if verified.fields.columns:
            self._has_columns = True
            self.flush_schema()

    def _log_left_out(self, verified: VerifiedFile, window: Window) -> None:
        if self.run_context.settings.new_columns == "ignore" or not self.entity.allow_new_columns:
            super().prepare(verified, window)
        elif verified.fields.unknown - self._left_out:
            names = ", ".join(sorted(map(repr, verified.fields.unknown)))
            self.logger.info("Window %s: columns that are not selected: %s", window, names)
            self._left_out |= verified.fields.unknown

    def _log_missing_columns(self, verified: VerifiedFile, window: Window) -> None:
        if not verified.fields.columns:
            return
        missing = frozenset(self.schema["properties"]) - set(verified.fields.columns)
        if missing - self._missing:
            names = ", ".join(sorted(missing - self._missing))
            self.logger.warning("Window %s: columns that the file does not have: %s", window, names)
        self._missing = missing
