"""Durations, sizes, rates and windows as text, in the log, on the live display and in the report. Pure."""

from __future__ import annotations

import re
from datetime import datetime, time

from tap_cxone.dates import OWN_FORM

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_KIB = 1024
_WINDOW = re.compile(f"({OWN_FORM.pattern})/({OWN_FORM.pattern})", re.ASCII)


def duration(seconds: float) -> str:
    """Return a duration in at most two units, as in ``850 ms``, ``4.2 s``, ``3 min 5 s``, ``2 h 3 min``, ``1 d 4 h``.

    Args:
        seconds: the duration, not negative.
    """
    milliseconds, tenths, whole = round(seconds * 1000), round(seconds, 1), round(seconds)
    if milliseconds < 1000:  # noqa: PLR2004 - a second
        return f"{milliseconds} ms"
    if tenths < _MINUTE:
        return f"{tenths:.1f} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def size(count: float) -> str:
    """Return a number of bytes in binary units, as in ``512 B``, ``1.5 MiB``."""
    if count < _KIB:
        return f"{count:.0f} B"
    unit = "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if round(count, 1) < _KIB:
            break
        count, unit = count / _KIB, larger
    return f"{count:.1f} {unit}"


def rate(count: int, seconds: float) -> str:
    """Return a number of things per second, as in ``1,234/s``; 0/s if no time has passed."""
    return f"{count / seconds if seconds else 0:,.0f}/s"


def interval(start: datetime, end: datetime) -> str:
    """Return a window to the minute in the short form of ISO 8601: what both ends have in common is not repeated.

    As in ``2024-01-01/01-04``, ``2024-01-01T06:00/12:00``, ``2024-12-31/2025-01-01``.
    """
    date = "%m-%d" if start.year == end.year else "%Y-%m-%d"
    if start.time() == end.time() == time():
        return f"{start:%Y-%m-%d}/{end:{date}}"
    return f"{start:%Y-%m-%dT%H:%M}/{end:{'%H:%M' if start.date() == end.date() else f'{date}T%H:%M'}}"


def with_short_windows(text: str) -> str:
    """Shorten the windows in a text."""
    return _WINDOW.sub(lambda dates: interval(*map(datetime.fromisoformat, dates.groups())), text)
