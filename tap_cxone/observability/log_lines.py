"""Log lines that say everything twice: in words for people, and as fields where the SDK's structured logging is on.

Words always: Meltano turns structured logging on, and its console shows the message without the fields.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from singer_sdk.logging import StructuredFormatter

if TYPE_CHECKING:
    from collections.abc import Mapping


def log(logger: logging.Logger, level: int, message: str, words: str, fields: Mapping[str, Any]) -> None:
    """Write one line.

    Args:
        logger: where to.
        level: level of the line.
        message: what it is about.
        words: the rest of it, for people.
        fields: the rest of it, for programs.
    """
    logger.log(level, "%s %s", message, words, extra=dict(fields) if _is_structured() else None)


def _is_structured() -> bool:
    return any(isinstance(handler.formatter, StructuredFormatter) for handler in logging.getLogger().handlers)
