"""The command `cxone-report`: its options, output and exit codes: 0, 1 for gaps, 2 for errors."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from typing_extensions import override

from tap_cxone.dates import format_date, parse_date, utc_now
from tap_cxone.errors import CxoneError, exit_on_error
from tap_cxone.observability.audit_reader import audit_log_file, open_audit_log
from tap_cxone.report.coverage import NEVER, Gap, check
from tap_cxone.report.figures import Figures, read_figures
from tap_cxone.report.selection import Selection, run_ids
from tap_cxone.report.summary import gaps_as_json, summary
from tap_cxone.report.text import clean
from tap_cxone.report.times import format_ms, parse_ms
from tap_cxone.report.webhooks import read_deliveries

if TYPE_CHECKING:
    from typing import BinaryIO

DEFAULT_OUTPUT = "cxone-report.html"
STANDARD_OUTPUT = "-"
_PREFIX = "CXONE_REPORT_"
_RELATIVE_DATE = re.compile(r"today(?:-(\d+))?", re.ASCII)
_Range = tuple[int, int]
_F = TypeVar("_F", bound=Callable[..., Any])


class ReportError(CxoneError):
    """The report cannot be made; the message says what to change."""

    exit_code = 2


def _parse_date(text: str) -> int:
    """Return a date in milliseconds since 1970: ISO 8601, or ``today`` and ``today-30`` for midnights in UTC."""
    try:
        if relative := _RELATIVE_DATE.fullmatch(text.strip()):
            midnight = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
            text = format_date(midnight - timedelta(days=int(relative[1] or 0)))
        return parse_ms(format_date(parse_date(text))) or 0
    except (ValueError, OverflowError):
        msg = f"{clean(text)!r} is neither an ISO 8601 date nor one like today or today-7."
        raise click.BadParameter(msg) from None


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


def _option(name: str, text: str, **attributes: Any) -> Callable[[_F], _F]:  # noqa: ANN401 - arguments of click.option
    return click.option(
        f"--{name.replace('_', '-')}",
        attributes.pop("as_name", name),
        envvar=_PREFIX + name.upper(),
        help=text,
        show_envvar=True,
        show_default=True,
        **attributes,
    )


@dataclass(frozen=True)
class _Options:
    """The options of the command; times in milliseconds since 1970."""

    audit_log_path: str | None
    output: str | None
    run: str | None
    start: int | None
    end: int | None
    stream: str | None
    as_json: bool
    check: _Range | None
    max_refused: float


class _Command(click.Command):
    """Logs a CxoneError as one sentence and exits with its code."""

    @override
    def invoke(self, ctx: click.Context) -> None:
        exit_on_error(lambda: super(_Command, self).invoke(ctx))


@click.command("cxone-report", cls=_Command, context_settings={"max_content_width": 110})
@_option("audit_log_path", "Audit log of the tap.", metavar="FILE")
@_option(
    "output",
    f"Where to write; - is standard output.  [default: {DEFAULT_OUTPUT}, JSON to standard output]",
    metavar="FILE",
)
@_option("run", "Only this run: its id, the beginning of its id, or 'last'.", metavar="RUN_ID")
@_option(
    "from",
    "Only events logged at or after this time: ISO 8601, or today-7.",
    callback=_date_option,
    as_name="start",
    metavar="DATE",
)
@_option("to", "Only events logged before this time.", callback=_date_option, as_name="end", metavar="DATE")
@_option("stream", "Only this stream.", metavar="NAME")
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
    if not (options.as_json or options.check):
        _require_extra()
    figures = _read(options)
    if options.check:
        _check(figures, options.check, options)
    elif options.as_json:
        _write(json.dumps(summary(figures), indent=2, ensure_ascii=False) + "\n", options.output or STANDARD_OUTPUT)
    else:
        from tap_cxone.report.page import render  # noqa: PLC0415 - loading matplotlib takes a second

        _write(render(figures, format_date(utc_now())), options.output or DEFAULT_OUTPUT)


def _require_extra() -> None:
    """Check for the extra before the log is read.

    Raises:
        ReportError: a package that the page needs is not installed.
    """
    try:
        import jinja2  # noqa: F401, PLC0415 - loading takes time
        import matplotlib as mpl  # noqa: F401, PLC0415
    except ImportError as err:
        msg = f"The page needs {err.name}: pip install 'tap-cxone[report]'. (--json and --check do not.)"
        raise ReportError(msg) from None


def _read(options: _Options) -> Figures:
    if not options.audit_log_path:
        msg = "Setting 'audit_log_path' is not set: it must name the audit log of the tap."
        raise ReportError(msg)
    try:
        with open_audit_log(audit_log_file(options.audit_log_path)) as log:
            if log is None:
                msg = "Setting 'audit_log_path': the file does not exist."
                raise ReportError(msg)
            return _figures(log, options)
    except CxoneError as err:
        raise ReportError(err.message) from None
    except OSError as err:
        msg = f"Setting 'audit_log_path': the file cannot be read ({err.strerror})."
        raise ReportError(msg) from None


def _figures(log: BinaryIO, options: _Options) -> Figures:
    run_id = None
    if options.run:
        run_id = _find_run(log, options.run)
        log.seek(0)
    figures = read_figures(log, Selection(run_id, options.stream or None, options.start, options.end))
    if figures.has_webhooks and not options.check:
        log.seek(0)
        figures.deliveries = read_deliveries(log, figures.offsets)
    return figures


def _find_run(log: BinaryIO, wanted: str) -> str:
    runs = run_ids(log)
    if wanted == "last" and runs:
        return runs[-1]
    found = [wanted] if wanted in runs else [run for run in runs if run.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    problem = f"{len(found)} runs begin with" if found else "the audit log has no run"
    msg = f"Option '--run': {problem} {clean(wanted)!r}."
    raise ReportError(msg)


def _check(figures: Figures, range_: _Range, options: _Options) -> None:
    start, end = range_
    streams = [options.stream] if options.stream else sorted(figures.parts)
    gaps = [
        gap
        for stream in streams
        for gap in check(stream, figures.parts.get(stream, ()), start, end, options.max_refused)
    ]
    if not streams:
        gaps = [Gap("(no stream in the audit log)", start, end, NEVER)]
    if options.as_json:
        text = json.dumps(gaps_as_json(gaps), indent=2, ensure_ascii=False)
    elif gaps:
        text = "\n".join(f"{gap.stream} {format_ms(gap.start)}/{format_ms(gap.end)} {gap.why}" for gap in gaps)
    else:
        text = f"Covered: {format_ms(start)}/{format_ms(end)} of {', '.join(streams)}"
    _write(text + "\n", STANDARD_OUTPUT)
    if gaps:
        sys.exit(1)


def _write(text: str, output: str) -> None:
    """Write a text to standard output or a file. A file is replaced in one step.

    Raises:
        ReportError: it cannot be written.
    """
    content = text.encode("utf-8", "backslashreplace")
    if output == STANDARD_OUTPUT:
        try:
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        except OSError as err:
            sys.stdout = None  # so that it is not flushed again at exit
            msg = f"Standard output cannot be written ({err.strerror})."
            raise ReportError(msg) from None
        return
    try:
        path = Path(output).expanduser()
        if path.exists() and not path.is_file():
            path.write_bytes(content)  # a device or a pipe
            return
        path = path.resolve()  # a link is followed, not replaced
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError, RuntimeError) as err:
        reason = (isinstance(err, OSError) and err.strerror) or "it is not a usable path"
        msg = f"Option '--output': the file cannot be written ({reason})."
        raise ReportError(msg) from None
    logging.getLogger("cxone-report").info("Written: %s", path)


if __name__ == "__main__":
    main()
