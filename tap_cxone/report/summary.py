"""The figures in their JSON form: what ``--json`` prints, and what the page shows.

Pure. Dates are as in the audit log, durations in seconds, sizes in bytes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tap_cxone.report.jobs import Job, segments
from tap_cxone.report.runs import FIGURES
from tap_cxone.report.text import clean
from tap_cxone.report.times import format_ms

if TYPE_CHECKING:
    from tap_cxone.report.coverage import Gap
    from tap_cxone.report.days import StreamDays
    from tap_cxone.report.durations import Durations
    from tap_cxone.report.figures import Figures
    from tap_cxone.report.runs import Run

_MAX_GAPS = 500


def summary(figures: Figures) -> dict[str, Any]:
    """Return the figures, JSON-compatible; ``…_left_out`` is the number of entries missing from a limited list."""
    return {
        "log": _of_log(figures),
        "totals": asdict(figures.totals),
        "runs": [run_as_json(run) | _labels(run, figures) for run in figures.runs.rows.values()],
        "runs_left_out": figures.runs.count - len(figures.runs.rows),
        "export_jobs": {"total": figures.jobs.count, "failed": figures.jobs.failed},
        "jobs": [job_as_json(job) | _labels(job, figures) for job in figures.jobs.rows.values()],
        "jobs_left_out": figures.jobs.count - len(figures.jobs.rows),
        "durations": {phase: _of_durations(values) for phase, values in figures.durations.items() if values.count},
        "unit": figures.unit,
        "streams": [stream_as_json(days) | _labels(days, figures) for days in figures.days],
        "refusals": _refusals(figures),
        "retries": [kind._asdict() | {"seconds": round(kind.seconds, 3)} for kind in figures.retries],
        "webhooks": [asdict(deliveries) for deliveries in figures.deliveries],
    }


def gaps_as_json(gaps: list[Gap], *, has_tenants: bool) -> dict[str, Any]:
    """Return the result of a check, JSON-compatible."""
    found = [
        {"stream": gap.stream, "dateFrom": format_ms(gap.start), "dateTo": format_ms(gap.end), "why": gap.why}
        | ({"tenant": clean(str(gap.tenant))} if has_tenants else {})
        for gap in gaps
    ]
    return {"covered": not gaps, "gaps": found}


def _labels(row: Run | StreamDays | Job, figures: Figures) -> dict[str, Any]:
    """Return tenant and host; nothing if the log has no labels, so that it is shown as by older versions."""
    if not figures.log.has_tenants:
        return {}
    host = {} if isinstance(row, Job) else {"host": row.host or None}
    return {"tenant": clean(str(row.tenant))} | host


def _of_log(figures: Figures) -> dict[str, Any]:
    facts, selection = figures.log, figures.selection
    of_log = {
        "lines": facts.lines,
        "events": facts.selected,
        "unreadable": facts.unreadable,
        "first": format_ms(facts.first),
        "last": format_ms(facts.last),
        "run_id": selection.run_id,
        "stream": selection.stream,
        "from": format_ms(selection.start),
        "to": format_ms(selection.end),
    }
    if facts.has_tenants or selection.tenant:
        of_log["tenant"] = selection.tenant
    return of_log


def run_as_json(run: Run) -> dict[str, Any]:
    """Return one stream of a run."""
    return {
        "run_id": run.run,
        "stream": run.stream,
        "began": format_ms(run.began),
        "dateFrom": format_ms(run.start),
        "dateTo": format_ms(run.end),
        "exit": run.exit,
        "reason": run.reason or None,
        "bookmark": format_ms(run.bookmark),
        "wall_seconds": run.duration,
    } | {name: getattr(run, name) for name in FIGURES}


def job_as_json(job: Job) -> dict[str, Any]:
    """Return a job."""
    return {
        "run_id": job.run,
        "stream": job.stream,
        "dateFrom": format_ms(job.start),
        "dateTo": format_ms(job.end),
        "began": format_ms(job.begin),
        "outcome": job.outcome,
        "reason": job.reason or None,
        "records": job.records,
        "download_attempts": job.attempts if job.downloaded is not None else None,
        "seconds": {segment.kind: round((segment.end - segment.start) / 1000, 3) for segment in segments(job)},
    }


def _of_durations(values: Durations) -> dict[str, Any]:
    return {
        "count": values.count,
        "median": _rounded(values.percentile(50)),
        "p95": _rounded(values.percentile(95)),
        "longest": _rounded(values.longest),
        "total": _rounded(values.total),
        "percentiles_of_every": values.every,
    }


def stream_as_json(days: StreamDays) -> dict[str, Any]:
    """Return the calendar of a stream."""
    return {
        "stream": days.stream,
        "dateFrom": format_ms(days.start),
        "dateTo": format_ms(days.end),
        "records": days.records,
        "days": [{"from": format_ms(b.start), "records": round(b.records), "status": b.status} for b in days.bins],
        "gaps": [{"dateFrom": format_ms(start), "dateTo": format_ms(end)} for start, end in days.gaps[:_MAX_GAPS]],
        "gaps_left_out": max(len(days.gaps) - _MAX_GAPS, 0),
    }


def _refusals(figures: Figures) -> list[dict[str, Any]]:
    """Return the rejected records of all tenants together."""
    kinds: Counter[tuple[str, str, str]] = Counter()
    for kind in figures.rejections:
        kinds[kind.stream, kind.reason, kind.fields] += kind.records
    return [
        {"stream": stream, "reason": reason, "fields": fields, "records": records}
        for (stream, reason, fields), records in kinds.most_common()
    ]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
