"""Values of the audit log as text for the report. Pure."""

from __future__ import annotations

DASH = "\u2013"
"""Shown for a value that is not known."""
MAX_LENGTH = 300
"""Maximum length of a reason, a name or an id, in characters."""
_MIDNIGHT = "T00:00:00.000Z"


def clean(text: str | None) -> str:
    """Replace control and invisible characters by spaces, and shorten the text to ``MAX_LENGTH``; None is empty."""
    text = (text or "")[: MAX_LENGTH + 1]
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    return shorten(text, MAX_LENGTH)


def shorten(text: str, length: int = 12) -> str:
    """Return a text; if it is longer than ``length`` characters, its end is replaced by an ellipsis."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def number(count: float | None) -> str:
    """Return a number with thin spaces as thousands separators; a dash for None."""
    return DASH if count is None else f"{count:,.0f}".replace(",", "\u202f")


def date(text: str | None) -> str:
    """Return a date of the audit log without time zone, and without its time if that is midnight; a dash for None."""
    if not text:
        return DASH
    if text.endswith(_MIDNIGHT):
        return text.removesuffix(_MIDNIGHT)
    return text.removesuffix("Z").removesuffix(".000").replace("T", " ")


def clock(text: str | None) -> str:
    """Return date and time to the second; a dash for None."""
    return DASH if not text else text[:19].replace("T", " ")


def date_range(start: str | None, end: str | None) -> str:
    """Return a range of dates."""
    return f"{date(start)} {DASH} {date(end)}"
