"""The command `cxone-report`: its options, output and exit codes: 0, 1 for gaps, 2 for errors."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
import sys
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

import click
from typing_extensions import override

from tap_cxone.command_options import OptionMaker, audit_log_option
from tap_cxone.dates import format_date, parse_date, utc_now
from tap_cxone.errors import CxoneError, exit_on_error
from tap_cxone.misspelled import proposal
from tap_cxone.observability.audit_files import find_audit_logs, missing_log, open_audit_logs
from tap_cxone.observability.tenants import Tenant
from tap_cxone.report.coverage import NEVER, Gap, StreamKey, check, required
from tap_cxone.report.extractions import read_extractions
from tap_cxone.report.figures import Figures, read_figures
from tap_cxone.report.last_run import find_outcome
from tap_cxone.report.output import STANDARD_OUTPUT, ReportError, write
from tap_cxone.report.selection import Selection, run_ids
from tap_cxone.report.summary import gaps_as_json, summary
from tap_cxone.report.text import clean
from tap_cxone.report.times import format_ms, parse_ms
from tap_cxone.report.webhooks import read_deliveries

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_cxone.observability.audit_files import AuditLogs
    from tap_cxone.report.selection import LogFacts

DEFAULT_OUTPUT = "cxone-report.html"
_RELATIVE_DATE = re.compile(r"today(?:-(\d+))?", re.ASCII)
_Range = tuple[int, int]
_T = TypeVar("_T")
_option = OptionMaker("CXONE_REPORT_")


def _parse_date(text: str) -> int:
    """Return a date in milliseconds since 1970: ISO 8601, or ``today`` and ``today-30`` for midnights in UTC."""
    try:
        if relative := _RELATIVE_DATE.fullmatch(text.strip()):
            midnight = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
            text = format_date(midnight - timedelta(days=int(relative[1] or 0)))
        milliseconds = parse_ms(format_date(parse_date(text)))
    except (ValueError, OverflowError):
        milliseconds = None
    if milliseconds is None:
        msg = f"{clean(text)!r} is neither an ISO 8601 date from 1970 to 2099 nor one like today or today-7."
        raise click.BadParameter(msg)
    return milliseconds


def _date_option(_context: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    return _parse_date(text) if text else None


def _range_option(_context: click.Context, _option: click.Parameter, texts: tuple[str, str] | None) -> _Range | None:
    if not texts:
        return None
    start, end = map(_parse_date, texts)
    if start >= end:
        msg = "the end of the range is not after its start."
        raise click.BadParameter(msg)
    return start, end


@dataclass(frozen=True)
class _Options:
    """The options of the command; times in milliseconds since 1970."""

    audit_log_path: tuple[str, ...]
    output: str | None
    run: str | None
    start: int | None
    end: int | None
    stream: str | None
    tenant: str | None
    unnamed_tenant: str | None
    as_json: bool
    check: _Range | None
    last_run: bool
    max_refused: float


class _Command(click.Command):
    """Logs a CxoneError as one sentence and exits with its code."""

    @override
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except CxoneError as err:
            raise click.BadParameter(err.message) from None

    @override
    def invoke(self, ctx: click.Context) -> None:
        exit_on_error(lambda: super(_Command, self).invoke(ctx))


@click.command("cxone-report", cls=_Command, context_settings={"max_content_width": 110})
@audit_log_option(_option)
@_option(
    "output",
    f"Where to write; - is standard output.  [default: {DEFAULT_OUTPUT}, JSON to standard output]",
    metavar="FILE",
)
@_option("run", "Only this run: its id, the beginning or the end of it, or 'last'.", metavar="RUN_ID")
@_option(
    "from",
    "Only events logged at or after this time: ISO 8601, or today-7.",
    callback=_date_option,
    as_name="start",
    metavar="DATE",
)
@_option("to", "Only events logged before this time.", callback=_date_option, as_name="end", metavar="DATE")
@_option("stream", "Only this stream.", metavar="NAME")
@_option("tenant", "Only this tenant.", metavar="NAME")
@_option("unnamed_tenant", "Count the lines of older versions, which have no tenant, for this one.", metavar="NAME")
@_option("json", "Write the figures as JSON instead of a page.", is_flag=True, as_name="as_json")
@_option(
    "check",
    "Instead of a report, list the gaps in this range and exit with 1 unless all of it was extracted. The end is "
    "exclusive. Dates are ISO 8601, or today and today-30: midnights, UTC.",
    callback=_range_option,
    nargs=2,
    metavar="START END",
)
@_option(
    "last_run",
    "Instead of a report, print how the last run ended, and whether to retry it. --run selects another run, by its id "
    "or by the orchestrator's.",
    is_flag=True,
)
@_option(
    "max_refused",
    "Largest share of rejected records with which a window counts as extracted.",
    type=click.FloatRange(0, 1),
    default=0.01,
    metavar="SHARE",
)
def main(**values: Any) -> None:  # noqa: ANN401 - see _Options
    """Show what the runs of the tap did, from the audit log: a page that opens offline."""
    # Configured again at every call, because the caller may have replaced standard error.
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s: %(message)s", force=True)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    context = click.get_current_context()
    options = _Options(**values)
    if options.last_run and options.check:
        msg = "Options '--last-run' and '--check' exclude each other."
        raise click.UsageError(msg, context)
    if options.as_json and context.get_parameter_source("output") is not click.core.ParameterSource.COMMANDLINE:
        options = dataclasses.replace(options, output=None)  # the environment variable is for the page
    if not options.max_refused >= 0:  # NaN passes click's check of the range
        msg = "must be a share from 0 to 1."
        raise click.BadParameter(msg, context, param_hint="'--max-refused'")
    try:
        _run(options)
    except (CxoneError, click.ClickException, click.exceptions.Exit, SystemExit):
        raise
    except Exception as err:
        # An uncaught exception would exit with 1, which means that there are gaps.
        logging.getLogger("cxone-report").debug("Traceback", exc_info=True)
        msg = f"The report failed with {type(err).__name__}, which is a bug in cxone-report."
        raise ReportError(msg) from None


def _run(options: _Options) -> None:
    if options.last_run:
        _print_last_run(options)
    elif options.check:
        _check(options.check, options)
    elif options.as_json:
        figures = _read(options, lambda logs: _figures(logs, options))
        write(json.dumps(summary(figures), indent=2, ensure_ascii=False) + "\n", options.output or STANDARD_OUTPUT)
    else:
        _write_page(options)


def _write_page(options: _Options) -> None:
    if missing := [name for name in ("jinja2", "matplotlib") if not find_spec(name)]:
        msg = f"The page needs {missing[0]}: install the extra 'report' of tap-cxone. (--json and --check do not.)"
        raise ReportError(msg)
    figures = _read(options, lambda logs: _figures(logs, options))
    from tap_cxone.report.page import render  # noqa: PLC0415 - matplotlib takes a second and memory

    write(render(figures, format_date(utc_now())), options.output or DEFAULT_OUTPUT)


def _print_last_run(options: _Options) -> None:
    wanted = None if options.run == "last" else options.run or None
    outcome = _read(options, lambda logs: find_outcome(logs, _selection(options, run_id=None), wanted))
    if outcome is None:
        msg = f"The audit log has no run {clean(wanted)!r}." if wanted else "The audit log has no run."
        raise ReportError(msg)
    text = json.dumps(outcome.as_json(), ensure_ascii=False) if options.as_json else outcome.as_text()
    write(text + "\n", STANDARD_OUTPUT)


def _read(options: _Options, read: Callable[[AuditLogs], _T]) -> _T:
    if not any(options.audit_log_path):
        msg = "Setting 'audit_log_path' is not set: it must name the audit log of the tap."
        raise ReportError(msg)
    try:
        paths = find_audit_logs(filter(None, options.audit_log_path))
        if not paths:
            named = ", ".join(map(repr, filter(None, options.audit_log_path)))
            msg = f"Setting 'audit_log_path': no audit log matches {named}."
            raise ReportError(msg)
        with open_audit_logs(paths) as logs:
            if len(logs.files) < len(paths):
                names = {file.name for file in logs.files}
                missing = next(path for path in paths if str(path) not in names)
                msg = f"{missing_log([missing])}."
                raise ReportError(msg)
            return read(logs)
    except CxoneError as err:
        raise ReportError(err.message) from None
    except OSError as err:
        msg = f"Setting 'audit_log_path': the file cannot be read ({err.strerror})."
        raise ReportError(msg) from None


def _figures(logs: AuditLogs, options: _Options) -> Figures:
    figures = read_figures(logs, _run_selection(logs, options))
    _check_stream(figures.log, options)
    if figures.has_webhooks:
        figures.deliveries = read_deliveries(logs, figures.offsets)
    return figures


def _selection(options: _Options, run_id: str | None) -> Selection:
    stream, tenant, unnamed = options.stream or None, options.tenant or None, options.unnamed_tenant or None
    return Selection(run_id, stream, options.start, options.end, tenant, unnamed)


def _run_selection(logs: AuditLogs, options: _Options) -> Selection:
    return _selection(options, _find_run(logs, options.run) if options.run else None)


def _find_run(logs: AuditLogs, wanted: str) -> str:
    runs = run_ids(logs)
    if wanted == "last" and runs:
        return runs[-1]
    found = [wanted] if wanted in runs else [run for run in runs if run.startswith(wanted) or run.endswith(wanted)]
    if len(found) == 1:
        return found[0]
    problem = f"{len(found)} runs begin or end with" if found else "the audit log has no run"
    msg = f"Option '--run': {problem} {clean(wanted)!r}."
    raise ReportError(msg)


def _check_stream(facts: LogFacts, options: _Options) -> None:
    if options.stream and options.stream not in facts.streams:
        nearest = proposal(options.stream, facts.streams) or "."
        msg = f"Option '--stream': the audit log has no stream {clean(options.stream)!r}{nearest}"
        raise ReportError(msg)


def _check(range_: _Range, options: _Options) -> None:
    start, end = range_
    found, facts = _read(options, lambda logs: read_extractions(logs, _run_selection(logs, options)))
    _check_stream(facts, options)
    parts = found.parts()
    keys = required(parts, found.hosts)
    gaps = [gap for key in keys for gap in check(key, parts[key], start, end, options.max_refused)]
    if not keys:
        gaps = [Gap(options.stream or "(no stream in the audit log)", start, end, NEVER, Tenant(options.tenant or ""))]
    has_tenants = facts.has_tenants or bool(options.tenant)
    if options.as_json:
        text = json.dumps(gaps_as_json(gaps, has_tenants=has_tenants), indent=2, ensure_ascii=False)
    elif gaps:
        text = "\n".join(
            f"{_name(gap, has_tenants=has_tenants)} {format_ms(gap.start)}/{format_ms(gap.end)} {gap.why}"
            for gap in gaps
        )
    else:
        names = (_name(key, has_tenants=has_tenants) for key in keys)
        text = f"Covered: {format_ms(start)}/{format_ms(end)} of {', '.join(names)}"
    write(text + "\n", STANDARD_OUTPUT)
    if gaps:
        sys.exit(1)


def _name(row: Gap | StreamKey, *, has_tenants: bool) -> str:
    return f"{clean(str(row.tenant))} {row.stream}" if has_tenants else row.stream
