"""Log lines that carry their figures twice: in the text for people, and as fields for structured logging.

The text always has them, because Meltano turns structured logging on, but its console shows only the message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping


def log(logger: logging.Logger, level: int, message: str, fields: Mapping[str, Any]) -> None:
    """Write one line.

    Args:
        logger: the logger to write to.
        level: level of the line.
        message: text for people.
        fields: the same figures for programs; formatters without structured output ignore them.
    """
    logger.log(level, "%s", message, extra=dict(fields))
