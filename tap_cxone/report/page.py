"""Renders the page: one HTML file that loads nothing else. Needs the extra ``report``.

The template engine escapes everything from the log, and the Content-Security-Policy of the page forbids scripts.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from tap_cxone.observability.formatting import duration, size
from tap_cxone.report.plots import drawings
from tap_cxone.report.summary import summary
from tap_cxone.report.text import DASH, clock, date, date_range, number, shorten

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_cxone.report.figures import Figures

_MAX_RUNS_SHOWN = 40
_MAX_KINDS_SHOWN = 50
_FILTERS: dict[str, Callable[..., str]] = {
    "clock": clock,
    "date": date,
    "duration": lambda seconds: DASH if seconds is None else duration(seconds),
    "number": number,
    "shorten": shorten,
    "size": size,
}


def render(figures: Figures, made_at: str) -> str:
    """Return the page.

    Args:
        figures: the figures to show.
        made_at: time of the report, as the audit log writes dates.
    """
    environment = Environment(
        autoescape=True,
        loader=FunctionLoader(_read_file),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= _FILTERS
    style = _read_file("page.css")
    plots = {name: _safe(plot) if plot else None for name, plot in drawings(figures).items()}
    page = environment.get_template("page.html.j2")
    return page.render(
        **_shown(figures),
        has_tenants=figures.log.has_tenants,
        plots=plots,
        style=_safe(style),
        policy=_policy(style),
        made_at=made_at,
        date_range=date_range,
    )


def _safe(text: str) -> Markup:
    """Exempt a text from escaping: the style sheet, and drawings, whose texts ElementTree has escaped."""
    return Markup(text)  # noqa: S704 - see above


def _policy(style: str) -> str:
    """Return the Content-Security-Policy, which allows one style sheet, by its digest, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


def _shown(figures: Figures) -> dict[str, Any]:
    """Return the figures in their JSON form, with shorter lists."""
    shown = summary(figures)
    for name, limit in (("runs", _MAX_RUNS_SHOWN), ("refusals", _MAX_KINDS_SHOWN), ("retries", _MAX_KINDS_SHOWN)):
        entries = shown[name]
        shown[f"{name}_left_out"] = shown.get(f"{name}_left_out", 0) + max(len(entries) - limit, 0)
        shown[name] = entries[-limit:] if name == "runs" else entries[:limit]
    shown["runs"].reverse()
    return shown


def _read_file(name: str) -> str:
    return files("tap_cxone.report").joinpath(name).read_text("utf-8")
