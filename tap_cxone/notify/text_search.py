"""Searches lines of JSON for record ids and other texts, in whatever way JSON writes them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from tap_cxone.observability.audit_log import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORD = re.compile(r"[\w-]+")
_ESCAPED = re.compile(r'(?:\\u[0-9a-fA-F]{4})+|\\["\\/bfnrt]')


class TextSearch:
    """Finds texts in JSON, whether it is valid or not.

    Args:
        record_ids: found as whole words, that is not next to a letter, a digit, an underscore or a hyphen.
        values: found anywhere.
    """

    def __init__(self, record_ids: Iterable[str], values: Iterable[str]) -> None:
        ids = {printable(text) for text in record_ids}
        self._values = tuple({printable(text) for text in values})
        self._words = frozenset(text for text in ids if _WORD.fullmatch(text))  # one lookup, however many there are
        self._phrases = [re.compile(rf"(?<![\w-]){re.escape(text)}(?![\w-])").search for text in ids - self._words]
        self._texts = (*ids, *self._values)

    def matches(self, data: bytes) -> bool:
        """Return whether JSON, or a piece of it, contains one of the texts, with or without escapes."""
        text = data.decode("utf-8", "replace")
        return self._matches(text) or ("\\" in text and self._matches(_ESCAPED.sub(_unescape, text)))

    def may_begin_in(self, cut: str) -> bool:
        """Return whether a record id that was cut off may end in the beginning of one of the texts.

        Args:
            cut: the record id; the parts of a composite one are joined by ", ".
        """
        ends = tuple(filter(None, (cut, cut.rpartition(", ")[2])))
        return any(text.startswith(ends) for text in self._texts)

    def _matches(self, text: str) -> bool:
        return (
            not self._words.isdisjoint(_WORD.findall(text))
            or any(value in text for value in self._values)
            or any(search(text) for search in self._phrases)
        )


def _unescape(match: re.Match[str]) -> str:
    return str(json.loads(f'"{match[0]}"'))
