"""Figures in words, for people: durations, sizes, rates, and what is being waited for. Pure."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Return a duration for people: 850 ms, 4.2 s, 3:05 min, 2:03:04 h."""
    whole = round(seconds)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if whole < 60:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"


def size(count: float) -> str:
    """Return a number of bytes for people, in binary units."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:  # noqa: PLR2004
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.2f} GiB"


def rate(count: int, seconds: float) -> str:
    """Return a rate for people."""
    return f"{count / seconds if seconds else 0:,.0f}/s"
