"""Values of the audit log as text for the report. Pure."""

from __future__ import annotations

import functools

DASH = "\u2013"
"""Shown for a value that is not known."""
MAX_LENGTH = 300
"""Maximum length of a reason, a name or an id, in characters."""
_MIDNIGHT = "T00:00:00.000Z"
_END_OF_ID = 8


def clean(text: str | None) -> str:
    """Replace control and invisible characters by spaces, and shorten the text to ``MAX_LENGTH``; None is empty."""
    return _clean(text[: MAX_LENGTH + 1]) if text else ""


@functools.lru_cache(maxsize=1024)
def _clean(text: str) -> str:
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    return shorten(text, MAX_LENGTH)


def shorten(text: str, length: int = 12) -> str:
    """Return a text; if it is longer than ``length`` characters, its end is replaced by an ellipsis."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def short_id(text: str) -> str:
    """Return the end of a long id: the ids of Meltano begin with the time, so those of a day begin alike."""
    return text if len(text) <= _END_OF_ID + 2 else f"…{text[-_END_OF_ID:]}"


def number(count: float | None) -> str:
    """Return a number with thin spaces as thousands separators; a dash for None."""
    return DASH if count is None else f"{count:,.0f}".replace(",", "\u202f")


def percent(share: float) -> str:
    """Return a share in per cent; only what is complete is 100 %, and only what is nothing 0 %."""
    whole = round(share * 100)
    return f"{whole if share in {0, 1} else min(max(whole, 1), 99)}\u202f%"


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
