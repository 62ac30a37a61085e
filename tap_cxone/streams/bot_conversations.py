"""Bot conversation events, from the analytics export API."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from singer_sdk import SchemaDirectory, StreamSchema
from typing_extensions import override

from tap_cxone.config import schemas
from tap_cxone.errors import SettingsError
from tap_cxone.jobs.analytics import AnalyticsExports
from tap_cxone.records.model import RecordModel, type_names
from tap_cxone.streams.base import ExportStream

if TYPE_CHECKING:
    from datetime import timedelta


class BotConversationsStream(ExportStream):
    """Bot conversation events."""

    name = "bot_conversations"
    primary_keys: ClassVar = ("id",)
    replication_key = "dateFrom"
    absence_hint = "check the setting 'export_filter'"
    unavailable_hint = (
        "Stream 'bot_conversations' is read through the analytics exports, for which access keys are not made: if that "
        "is not what you want, select streams of the Data Extraction API by name (qm_workflows, for example)"
    )
    schema: ClassVar[StreamSchema] = StreamSchema(SchemaDirectory(schemas))

    @property
    @override
    def is_available(self) -> bool:
        return self.run_context.settings.access.has_analytics

    @override
    def check_settings(self) -> None:
        self._check_catalog_types()
        if not self.is_available:
            self.logger.warning("%s", self.unavailable_hint)

    def _check_catalog_types(self) -> None:
        """Raise SettingsError if the catalog promises the target other types than those of the records."""
        own = self.schema["properties"]
        for name, spec in (self.catalog_schema or {}).get("properties", {}).items():
            if name in own and "type" in spec and not {*type_names(own[name])} <= {*type_names(spec)}:
                types = " or ".join(type_names(own[name]))
                msg = (
                    f"Stream '{self.name}': the catalog, or Meltano's 'schema', gives the column '{name}' another type "
                    f"than {types}, which its values are: leave the type as it is, and convert in the target."
                )
                raise SettingsError(msg)

    @override
    def job_api(self) -> AnalyticsExports:
        settings = self.run_context.settings
        return AnalyticsExports(
            self.run_context.client,
            export_filter=settings.export_filter,
            export_format=settings.export_format,
            compression=None if settings.export_compression == "none" else settings.export_compression,
        )

    @override
    def record_model(self) -> RecordModel:
        # Not self.primary_keys: a catalog may set other keys for the target.
        return RecordModel(self.schema, ["id"], date_field=self.date_field, selected=self.selected_fields)

    @property
    @override
    def window_length(self) -> timedelta:
        return self.run_context.settings.window
