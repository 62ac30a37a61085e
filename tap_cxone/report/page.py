"""The page: figures and drawings into one HTML file that asks for nothing else. Needs the extra ``report``.

Pure. Everything that comes out of the log is escaped by the template engine, and the page's policy forbids scripts.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from tap_cxone.report import wording
from tap_cxone.report.plots import drawings
from tap_cxone.report.summary import summary

if TYPE_CHECKING:
    from tap_cxone.report.figures import Figures

MOST_RUNS_SHOWN = 40
MOST_KINDS_SHOWN = 50


def render(figures: Figures, made_at: str) -> str:
    """Return the page.

    Args:
        figures: what it shows.
        made_at: when, as the audit log writes dates.
    """
    environment = Environment(
        autoescape=True, loader=FunctionLoader(_text), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "duration": wording.duration,
        "size": wording.size,
        "number": wording.number,
        "date": wording.date,
        "short": wording.short,
        "clock": wording.clock,
    }
    style = _text("page.css")
    plots = {name: _safe(plot) if plot else None for name, plot in drawings(figures).items()}
    page = environment.get_template("page.html.j2")
    return page.render(
        **_shown(figures), plots=plots, style=_safe(style), policy=policy(style), made_at=made_at, span=wording.span
    )


def _safe(text: str) -> Markup:
    """Let a text through as it is: the style sheet, and drawings, in which ElementTree has escaped what is text."""
    return Markup(text)  # noqa: S704 - see above


def policy(style: str) -> str:
    """Return the Content-Security-Policy: one style sheet, known by its digest, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


def _shown(figures: Figures) -> dict[str, Any]:
    """Return the figures with lists of a bearable length."""
    shown = summary(figures)
    for name, most in (("runs", MOST_RUNS_SHOWN), ("refusals", MOST_KINDS_SHOWN), ("retries", MOST_KINDS_SHOWN)):
        held = shown[name]
        shown[f"{name}_left_out"] = shown.get(f"{name}_left_out", 0) + max(len(held) - most, 0)
        shown[name] = held[-most:] if name == "runs" else held[:most]
    shown["runs"].reverse()
    return shown


def _text(name: str) -> str:
    return files("tap_cxone.report").joinpath(name).read_text("utf-8")
