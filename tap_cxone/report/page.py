"""Renders the page: one HTML file that loads nothing else. Needs the extra ``report``.

The template engine escapes everything from the log, matplotlib the texts of the plots. The Content-Security-Policy of
the page forbids scripts, and allows the styles of the page itself only.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from importlib.resources import files
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from tap_cxone.observability.formatting import duration, size
from tap_cxone.observability.reasons import plain_reason
from tap_cxone.report import plots, text
from tap_cxone.report.days import covered_share
from tap_cxone.report.drawing import COLOURS
from tap_cxone.report.jobs import nested
from tap_cxone.report.summary import job_as_json, run_as_json, stream_as_json, summary
from tap_cxone.report.timeline import timeline
from tap_cxone.report.times import format_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tap_cxone.report.days import StreamDays
    from tap_cxone.report.figures import Figures, Rejections
    from tap_cxone.report.jobs import Job
    from tap_cxone.report.runs import Run

_MAX_TENANTS, _MAX_RUNS, _MAX_KINDS = 12, 40, 50
_FILTERS: dict[str, Callable[..., str]] = {
    "clock": text.clock,
    "date": text.date,
    "duration": lambda seconds: text.DASH if seconds is None else duration(seconds),
    "number": text.number,
    "percent": text.percent,
    "plain": plain_reason,
    "short_id": text.short_id,
    "size": size,
}
_Row = TypeVar("_Row", "Run", "Job", "StreamDays", "Rejections")
_STYLES = re.compile(r'<style[^>]*>([^<]*)</style>| style="([^"]*)"')


def render(figures: Figures, made_at: str) -> str:
    """Return the page. The time of the report is written as in the audit log."""
    environment = Environment(
        autoescape=True,
        loader=FunctionLoader(_read_file),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= _FILTERS
    shown = summary(figures)
    tenants = _tenants(figures)
    sections = [
        _section(figures, tenant, f"-{number}") for number, tenant in enumerate(tenants[:_MAX_TENANTS], start=1)
    ]
    overview = {tenant: [row for row in figures.days if _name(row) == tenant] for tenant in tenants}
    drawn = {
        "overview": plots.overview(overview, figures.unit),
        "durations": plots.durations(shown["durations"]),
        "webhooks": plots.webhooks(shown["webhooks"]),
    }
    sections = sections or [_section(figures, None, "")]
    style = environment.get_template("page.css").render(colours=COLOURS)
    pictures = [plot for part in (drawn, *(section["plots"] for section in sections)) for plot in part.values() if plot]
    return environment.get_template("page.html.j2").render(
        **shown,
        sections=sections,
        overview={tenant: _overview_row(rows) for tenant, rows in overview.items()},
        plots=drawn,
        hosts=_hosts(figures.days, figures.runs.rows.values()),
        tenants=sorted({_name(row) for row in figures.days}) if figures.log.has_tenants else [],
        run_numbers=figures.runs.numbers,
        made_at=made_at,
        style=Markup(style),  # noqa: S704 - a file of this package
        policy=_policy([f"<style>{style}</style>", *pictures]),
    )


def _name(row: Run | Job | StreamDays | Rejections) -> str:
    return text.clean(str(row.tenant))


def _hosts(streams: Iterable[StreamDays], runs: Iterable[Run]) -> list[str]:
    return sorted(({stream.host for stream in streams} | {run.host for run in runs}) - {""})


def _tenants(figures: Figures) -> list[str]:
    """Return the tenants that have a section of their own: all, if there are several."""
    rows: list[Run | StreamDays] = [*figures.days, *figures.runs.rows.values()]
    # A run that failed before its first stream may not know its tenant.
    return sorted({_name(row) for row in rows}) if len({_name(row) for row in rows if row.stream}) > 1 else []


def _section(figures: Figures, tenant: str | None, suffix: str) -> dict[str, Any]:
    """Return what the page shows of a tenant, or of everything; the suffix ends the ids of this section."""

    def own(rows: Iterable[_Row]) -> list[_Row]:
        return [row for row in rows if tenant in {None, _name(row)}]

    numbers = figures.runs.numbers
    jobs = sorted(own(figures.jobs.rows.values()), key=lambda job: numbers.get(job.run, 0))
    days = own(figures.days)
    runs, kinds = own(figures.runs.rows.values()), own(figures.rejections)
    has_tenants = figures.log.has_tenants
    return {
        "name": tenant,
        "suffix": suffix,
        "hosts": _hosts(days, runs),
        "runs": [run_as_json(run) for run in runs[: -_MAX_RUNS - 1 : -1]],
        "runs_left_out": max(len(runs) - _MAX_RUNS, 0),
        "jobs": [
            (job_as_json(job), depth) for _, of_run in groupby(jobs, attrgetter("run")) for job, depth in nested(of_run)
        ],
        "streams": [stream_as_json(stream) for stream in days],
        "refusals": kinds[:_MAX_KINDS],
        "refusals_left_out": max(len(kinds) - _MAX_KINDS, 0),
        "plots": {
            "timeline": timeline(f"timeline{suffix}", jobs, figures.runs, figures.retries_shown),
            "days": plots.days(f"days{suffix}", days, figures.unit, has_tenants=has_tenants),
            "refusals": plots.rejections(f"refusals{suffix}", kinds),
        },
    }


def _overview_row(streams: list[StreamDays]) -> dict[str, Any]:
    return {
        "hosts": _hosts(streams, ()),
        "streams": len(streams),
        "covered": covered_share(streams) if streams else None,
        "records": sum(stream.records for stream in streams),
        "gaps": sum(len(stream.gaps) for stream in streams),
        "end": format_ms(max((stream.end for stream in streams), default=None)),
    }


def _policy(parts: Iterable[str]) -> str:
    """Return the Content-Security-Policy: the styles of some parts of the page, by their digests, and nothing else."""
    styles = {html.unescape(sheet or attribute) for part in parts for sheet, attribute in _STYLES.findall(part)}
    digests = (base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() for style in sorted(styles))
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; style-src 'unsafe-hashes' {allowed}; img-src data:; base-uri 'none'; form-action 'none'"
    )


def _read_file(name: str) -> str:
    return files("tap_cxone.report").joinpath(name).read_text("utf-8")
