"""ExportStream: a Singer stream that is read through export jobs over date windows."""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING, Any

from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform
from typing_extensions import override

from tap_cxone.config.selection import unmatched_columns
from tap_cxone.errors import ExportFailedError
from tap_cxone.misspelled import unknown_columns
from tap_cxone.streams.batch_files import BatchWriter
from tap_cxone.streams.emission import decoded
from tap_cxone.streams.extraction import Extraction
from tap_cxone.streams.fast_path import FastPath
from tap_cxone.streams.platform import check_platform
from tap_cxone.streams.rejection import unchanged_fields
from tap_cxone.streams.sdk_compat import CompatStream
from tap_cxone.streams.state import StreamState
from tap_cxone.streams.writer import MessageWriter

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, MutableMapping
    from datetime import timedelta

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context, Record

    from tap_cxone.context import RunContext
    from tap_cxone.jobs.model import AsyncJobApi
    from tap_cxone.records.canonical import Lines
    from tap_cxone.records.model import RecordModel
    from tap_cxone.records.verify import VerifiedFile
    from tap_cxone.windows import Window


class ExportStream(CompatStream):
    """Base class of the streams.

    Args:
        tap: the tap.
        context: what the streams of the run share.
        options: the SDK's ``name`` and ``schema``, where the class does not define them.
    """

    keeps_samples = True
    """Whether the audit log may hold records of the stream."""
    types_hint = "look for a release of tap-cxone that supports them"
    """What to do if the records have other types than the schema."""
    absence_hint = "check the permissions of the credentials"
    """What to do if a run finds no record, and that is unexpected."""
    unavailable_hint = ""
    """What to do if the credentials are not made for the stream; a sentence."""

    def __init__(self, tap: Tap, context: RunContext, **options: Any) -> None:  # noqa: ANN401
        self.run_context = context
        self._files: Generator[Iterator[Lines], None, None] | None = None
        self._has_warned = False
        super().__init__(tap=tap, **options)
        context.members.append(self)

    # --- What a subclass defines --------------------------------------------------------------------------------------

    def job_api(self) -> AsyncJobApi:
        """Return the platform API that exports this stream."""
        raise NotImplementedError

    def record_model(self) -> RecordModel:
        """Return the model of the stream's records."""
        raise NotImplementedError

    @property
    def window_length(self) -> timedelta:
        """Length of one export."""
        raise NotImplementedError

    @property
    def is_available(self) -> bool:
        """Whether the credentials are meant for the API of this stream, so that ``--test`` may select it."""
        return True

    def check_settings(self) -> None:
        """Raise SettingsError if a setting is missing that only this stream needs."""

    def check_state(self) -> None:
        """Raise UsageError if the stream's state belongs to another platform or tenant than this run."""
        own = self.tap_state.get("bookmarks", {}).get(self.name)
        if isinstance(own, dict):
            check_platform(self.name, self._stream_state(own).platform(), self.run_context)

    def prepare(self, verified: VerifiedFile, window: Window) -> None:
        """Get ready to emit a verified file; write SCHEMA if need be; raise CxoneError if it cannot be emitted."""
        self.check_types(verified, window)
        self.warn_of_patterns(verified)
        if verified.fields.unknown:
            names = ", ".join(sorted(map(repr, verified.fields.unknown)))
            self.logger.warning("Window %s: fields that the schema does not have are dropped: %s", window, names)

    def unmatched_patterns(self, verified: VerifiedFile) -> list[str]:
        """Return a sentence for each pattern of Meltano's ``select`` for a column that neither stream nor file has."""
        columns = {*self.schema["properties"], *verified.fields.columns, *verified.fields.unknown}
        return list(unknown_columns(unmatched_columns(self.name, columns, os.environ), columns))

    def shows_columns(self, verified: VerifiedFile) -> bool:
        """Return whether it is known after a file which columns there are: an empty one does not show new columns."""
        return bool(verified.fields.columns) or not self.waits_for_columns

    def warn_of_patterns(self, verified: VerifiedFile) -> None:
        """Log these sentences, once in a run."""
        if not self._has_warned and self.shows_columns(verified):
            self._has_warned = True
            for sentence in self.unmatched_patterns(verified):
                self.logger.warning("%s", sentence)

    @property
    def former_replication_keys(self) -> tuple[str, ...]:
        """Earlier names of the replication key, under which the state may have a bookmark."""
        return ()

    def check_types(self, verified: VerifiedFile, window: Window) -> None:
        """Check that the types of the stream fit at least one record of a window, if it has two or more.

        A single record does not show whether the platform has changed its types or only this record is wrong. It is
        rejected like any other, so that it does not block the stream.

        Raises:
            ExportFailedError: they fit none. Nothing of the window has been written.
        """
        if not verified.valid and 1 < verified.misfits == verified.invalid - verified.foreign:
            msg = (
                f"Window {window} of {self.name}: none of its {verified.misfits} records has the types of this stream "
                f"({verified.misfit}): {self.types_hint}."
            )
            raise ExportFailedError(msg)

    # --- What subclasses share ----------------------------------------------------------------------------------------

    @property
    def date_field(self) -> str | None:
        """Field by whose day records are counted for the audit log; None without an audit log."""
        return self.replication_key if self.run_context.settings.audit_log_path else None

    @property
    def selected_fields(self) -> frozenset[str] | None:
        """Names of the schema's properties that are selected; None: all."""
        names = frozenset(name for name in self.schema["properties"] if self.mask["properties", name])
        return names if len(names) < len(self.schema["properties"]) else None

    @property
    def selected(self) -> bool:
        """Whether the stream is read."""
        return self.mask.get((), True)

    @selected.setter
    def selected(self, value: bool | None) -> None:
        # The SDK's --test selects every stream, including those for which no credentials are configured.
        self.set_selected(selected=bool(value) and self.is_available)

    @property
    def is_test(self) -> bool:
        """Whether the SDK's ``--test`` reads the stream: only one record of it."""
        return self.ABORT_AT_RECORD_COUNT is not None

    @property
    def leaves_out_fields(self) -> bool:
        """Whether the user leaves out any field of the stream, by selection or by a stream map."""
        maps = [type(stream_map) for stream_map in self.stream_maps]
        return maps != [SameRecordTransform] or not all(self.mask.values())

    def kept_fields(self) -> frozenset[str] | None:
        """Return the fields of a rejected record that may be kept, or None if the user leaves out no field."""
        if not self.leaves_out_fields:
            return None
        selected = [name for name in self.schema["properties"] if self.mask["properties", name]]
        maps = self.config.get("stream_maps") or {}
        is_emitted = not isinstance(self.stream_maps[0], RemoveRecordTransform)
        return frozenset(unchanged_fields(self.name, selected, maps, self.primary_keys or (), is_emitted=is_emitted))

    @override
    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        """Log a message below ERROR. The SDK logs only unhandled errors at ERROR, and the entry point logs those."""
        if level < logging.ERROR:
            super().log(message, *args, level=level, **kwargs)

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        for records in self._extract():
            for lines in records:
                yield from decoded(lines)

    @override
    def writes_blocks(self) -> bool:
        return FastPath.is_applicable(self)

    @override
    def write_blocks(self) -> Iterator[int]:
        fast_path = FastPath(self)
        for records in self._extract():
            for lines in records:
                MessageWriter.write_block(*fast_path.messages(lines))
                yield lines.count

    @override
    def abort(self, error: Exception) -> None:
        if self._files:
            with contextlib.suppress(type(error)):
                self._files.throw(error)

    @property
    @override
    def writes_batches(self) -> bool:
        return self.run_context.settings.batches is not None

    @override
    def write_batches(self) -> Iterator[int]:
        settings = self.run_context.settings.batches
        if not settings:
            return
        if self.run_context.is_first(self.name):
            self.logger.warning(
                "Records are written to batch files in %s, as 'batch_config' asks for: only a target that reads BATCH "
                "messages can load them, and the files remain until you remove them",
                settings.folder,
            )
        with BatchWriter(settings, self.write_batch) as writer, self.run_context.shutdown.cleanup_on_exit(writer.close):
            is_mapped = not FastPath.is_applicable(self)
            for records in self._extract():
                for lines in records:
                    if is_mapped:
                        yield from writer.add_mapped(map(self.mapped, decoded(lines)))
                    else:
                        yield from writer.add(self.stream_maps[0].stream_alias, lines)
                yield from writer.finish()

    def _extract(self) -> Generator[Iterator[Lines], None, None]:
        """Yield the records of each file; a file counts as written when the next one is asked for."""
        self._files = self._read()
        return self._files

    def _read(self) -> Generator[Iterator[Lines], None, None]:
        state = self._stream_state(self.get_context_state(None))
        yield from Extraction(self, self.record_model(), state, self.run_context).files()
        self.flush_schema()

    def _stream_state(self, state: MutableMapping[str, Any]) -> StreamState:
        return StreamState(
            state,
            stream=self.name,
            replication_key=self.replication_key if self.is_incremental else None,
            write=self.write_state,
            former_keys=self.former_replication_keys,
        )
