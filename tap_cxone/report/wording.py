"""How figures are said to people: durations, sizes, dates.

Pure.
"""

from __future__ import annotations

NOTHING = "\u2013"
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_KIB = 1024
_DATE_ONLY = "T00:00:00.000Z"


def duration(seconds: float | None) -> str:
    """Return a duration, rounded to what matters; a dash where there is none."""
    if seconds is None or seconds < 1:
        return NOTHING if seconds is None else f"{seconds * 1000:.0f} ms"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f} min {int(seconds % _MINUTE)} s"
    if seconds < _DAY:
        return f"{seconds // _HOUR:.0f} h {seconds % _HOUR // _MINUTE:.0f} min"
    return f"{seconds / _DAY:.1f} days"


def size(count: int | None) -> str:
    """Return a size in bytes, in the unit that fits."""
    if count is None:
        return NOTHING
    value, unit = float(count), "bytes"
    for bigger in ("KiB", "MiB", "GiB", "TiB"):
        if value < _KIB:
            break
        value, unit = value / _KIB, bigger
    return f"{count} bytes" if unit == "bytes" else f"{value:.1f}\u00a0{unit}"


def number(count: float | None) -> str:
    """Return a number with its thousands apart."""
    return NOTHING if count is None else f"{count:,.0f}".replace(",", "\u202f")


def date(text: str | None) -> str:
    """Return a date of the audit log, without what is always the same."""
    if not text:
        return NOTHING
    if text.endswith(_DATE_ONLY):
        return text.removesuffix(_DATE_ONLY)
    return text.removesuffix("Z").removesuffix(".000").replace("T", " ")


def clock(text: str | None) -> str:
    """Return when something was, to the second."""
    return NOTHING if not text else text[:19].replace("T", " ")


def span(start: str | None, end: str | None) -> str:
    """Return a range of dates, half-open."""
    return f"{date(start)} {NOTHING} {date(end)}"


def short(name: str, length: int = 12) -> str:
    """Return the beginning of a long name."""
    return name if len(name) <= length else f"{name[: length - 1]}…"
