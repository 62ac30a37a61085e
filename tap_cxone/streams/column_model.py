"""Model of CSV exports whose columns are known only from the file: typed by the schema, text where it has no type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from tap_cxone.column_names import TEXT, ColumnMatcher, column_names
from tap_cxone.errors import NoExportError, UnfitExportError
from tap_cxone.records.model import RecordModel

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

_MAX_COLUMNS_SHOWN = 20
_MAX_NAME_LENGTH = 100


class ColumnModel(RecordModel):
    """The rows of a stream whose exports are CSV files with varying columns.

    Args:
        schema: JSON Schema of an object with flat properties, named as ``column_name`` names them. Headers of a file
            are compared with them by letters and digits only.
        keys: names of the properties that together identify a record.
        date_field: name of the date property by which records are counted per day, or None.
        aliases: for a key, other column names that some files have for it.
        hint: end of the error message for a file that does not fit: what to change.
        adds: for the name of a column that the schema does not have, whether it is added, as text. Called from several
            threads. None: none is added.
        selected: names of the schema's properties that are emitted; None: all.
    """

    only_csv = True

    def __init__(
        self,
        schema: dict[str, Any],
        keys: Sequence[str],
        *,
        date_field: str | None = None,
        aliases: dict[str, tuple[str, ...]] | None = None,
        hint: str = "",
        adds: Callable[[str], bool] | None = None,
        selected: Collection[str] | None = None,
    ) -> None:
        super().__init__(schema, keys, date_field=date_field, selected=selected)
        self._aliases = aliases or {}
        self._hint = hint
        self._adds = adds

    @override
    def fields_of(self, header: Sequence[str]) -> list[str]:
        if header and header[0].lstrip().startswith(("<", "{", "[")):
            msg = "the file is not CSV but a web page or JSON (from a proxy, for example)"
            raise NoExportError(msg)
        others_of_keys = [other for others in self._aliases.values() for other in others]
        known = (*self.properties, *others_of_keys)
        names = list(column_names(tuple(header), known))
        self._check_doubles(header, names, known)
        for key, others in self._aliases.items():
            alias = next((other for other in others if other in names), None)
            if key not in names and alias:
                names[names.index(alias)] = key
        missing = [name for name in self.required if name not in names]
        if missing:
            kind = "key" if set(missing) & set(self.keys) else "required field"
            lacks = f"the file has no column for the {kind} {', '.join(missing)}"
            msg = f"{lacks}; {self._shown(header, names)}{self._hint}"
            # Without any known column, it may be an error message.
            raise (NoExportError if self.is_foreign(dict.fromkeys(names, "")) else UnfitExportError)(msg)
        return names

    def _shown(self, header: Sequence[str], names: Sequence[str]) -> str:
        """Describe the columns of a file; only known ones if it may have no header but a record in its place."""
        if len(header) == 1 and (separator := next((mark for mark in ";\t|" if mark in header[0]), None)):
            return f"its columns seem to be separated by {separator!r}, not by commas"
        if not names:
            return "it is blank"
        known = [name for name in names if name in self.properties]
        if not known:
            return f"none of its columns ({len(names)}) is known, so perhaps it has no header"
        is_header = 2 * len(known) >= len(self.properties)
        shown = [name[:_MAX_NAME_LENGTH] for name in (names if is_header else known)][:_MAX_COLUMNS_SHOWN]
        others = len(names) - len(shown)
        return f"it has {', '.join(shown)}" + (f" and {others} more" if others else "")

    def _check_doubles(self, header: Sequence[str], names: Sequence[str], known: tuple[str, ...]) -> None:
        """Check that no two columns of a file are the same one of the schema: nobody knows which of them is meant.

        Args:
            header: the headers of the file.
            names: the names that they get.
            known: names of the schema's columns and of aliases.

        Raises:
            UnfitExportError: two are, and the schema does not have the second one by the name that it gets.
        """
        others_of_keys = [other for key, others in self._aliases.items() if key not in names for other in others]
        matcher, single = ColumnMatcher(known), {*self.fields, *others_of_keys}
        for title, name in zip(header, names, strict=True):
            first = matcher.name(title)
            if first != name and first in single and name not in self.properties:
                titles = f"{header[names.index(first)][:_MAX_NAME_LENGTH]!r} and {title[:_MAX_NAME_LENGTH]!r}"
                msg = (
                    f"the file has two headers for the column '{first}', {titles}: if both are wanted, add the column "
                    f"'{name}' to the schema of the stream"
                )
                raise UnfitExportError(msg)

    @override
    def with_columns(self, fields: Sequence[str]) -> RecordModel:
        new = {name: TEXT for name in fields if name not in self.properties and self._adds and self._adds(name)}
        if not new:
            return self
        schema = {**self.schema, "properties": {**self.properties, **new}}
        return ColumnModel(
            schema,
            self.keys,
            date_field=self.date_field,
            aliases=self._aliases,
            hint=self._hint,
            adds=self._adds,
            selected=None if self.selected is None else {*self.selected, *new},
        )
