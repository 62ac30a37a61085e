"""The command `cxone-report`: options, what is written where, and its exit code: 0, 1 for gaps, 2 for bad usage."""

from __future__ import annotations

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
from tap_cxone.notify.auditlog import log_file, opened
from tap_cxone.report.coverage import Gap, check
from tap_cxone.report.figures import Figures, read_figures
from tap_cxone.report.reading import Selection, as_text, clean, moment, run_ids
from tap_cxone.report.summary import gaps_as_json, summary
from tap_cxone.report.webhooks import read_deliveries

if TYPE_CHECKING:
    from typing import BinaryIO

DEFAULT_OUTPUT = "cxone-report.html"
STANDARD_OUTPUT = "-"
_PREFIX = "CXONE_REPORT_"
_RELATIVE = re.compile(r"today(?:-(\d+))?", re.ASCII)
_Range = tuple[int, int]
_F = TypeVar("_F", bound=Callable[..., Any])


class ReportError(CxoneError):
    """There can be no report; the message says what to change."""

    exit_code = 2


def _moment(text: str) -> int:
    """Read a date: ISO 8601, or ``today`` and ``today-30``, midnights in UTC, for schedules."""
    try:
        if relative := _RELATIVE.fullmatch(text.strip()):
            midnight = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
            text = format_date(midnight - timedelta(days=int(relative[1] or 0)))
        return moment(format_date(parse_date(text))) or 0
    except (ValueError, OverflowError):
        msg = f"{clean(text)!r} is no ISO 8601 date, nor today or today-7."
        raise click.BadParameter(msg) from None


def _as_moment(_context: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    return _moment(text) if text else None


def _as_range(_context: click.Context, _option: click.Parameter, texts: tuple[str, str] | None) -> _Range | None:
    if not texts:
        return None
    start, end = map(_moment, texts)
    if start >= end:
        msg = "the range ends before it begins."
        raise click.BadParameter(msg)
    return start, end


def _option(name: str, about: str, **how: Any) -> Callable[[_F], _F]:  # noqa: ANN401 - what click takes
    return click.option(
        f"--{name.replace('_', '-')}",
        how.pop("as_name", name),
        envvar=_PREFIX + name.upper(),
        help=about,
        show_envvar=True,
        show_default=True,
        **how,
    )


@dataclass(frozen=True)
class _Wish:
    """What is to become of the figures."""

    output: str | None
    as_json: bool
    check: _Range | None
    max_refused: float


class _Command(click.Command):
    """Logs a CxoneError as one sentence and exits with its code."""

    @override
    def invoke(self, ctx: click.Context) -> None:
        exit_on_error(lambda: super(_Command, self).invoke(ctx))


@click.command("cxone-report", cls=_Command, context_settings={"max_content_width": 110})
@_option("audit_log_path", "The audit log of the tap.", metavar="FILE")
@_option(
    "output", f"Where to; - is standard output.  [default: {DEFAULT_OUTPUT}, JSON to standard output]", metavar="FILE"
)
@_option("run", "Only this run: its id, a beginning of it, or 'last'.", metavar="RUN_ID")
@_option(
    "from",
    "Only what was logged at this time or later: ISO 8601, or today-7.",
    callback=_as_moment,
    as_name="start",
    metavar="DATE",
)
@_option("to", "Only what was logged before this time.", callback=_as_moment, as_name="end", metavar="DATE")
@_option("stream", "Only this stream.", metavar="NAME")
@_option("json", "The figures as JSON instead of a page.", is_flag=True, as_name="as_json")
@_option(
    "check",
    "No report: exit with 1, and list the gaps, unless all of this range was extracted. The end is exclusive. Besides "
    "ISO 8601, today and today-30 are understood: midnights, UTC.",
    callback=_as_range,
    nargs=2,
    as_name="range_",
    metavar="START END",
)
@_option(
    "max_refused",
    "Share of refused records with which a window still counts as extracted.",
    type=click.FloatRange(0, 1),
    default=0.01,
    metavar="SHARE",
)
def main(  # noqa: PLR0913, PLR0917 - the settings
    audit_log_path: str | None,
    output: str | None,
    run: str | None,
    start: int | None,
    end: int | None,
    stream: str | None,
    range_: _Range | None,
    max_refused: float,
    *,
    as_json: bool,
) -> None:
    """Show what the runs of the tap did: a page that opens offline, out of the audit log."""
    # Replaced at every call, because a caller may have another standard error by then.
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s: %(message)s", force=True)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    context = click.get_current_context()
    if as_json and context.get_parameter_source("output") is not click.core.ParameterSource.COMMANDLINE:
        output = None  # a variable names the page
    if not max_refused >= 0:  # not a number
        msg = "must be a share from 0 to 1."
        raise click.BadParameter(msg, context, param_hint="'--max-refused'")
    wish = _Wish(output or None, as_json, range_, max_refused)
    try:
        _carry_out(wish, audit_log_path, run or None, Selection(None, stream or None, start, end))
    except (CxoneError, click.ClickException, click.exceptions.Exit, SystemExit):
        raise
    except Exception as err:
        # 1 would say that there are gaps.
        logging.getLogger("cxone-report").debug("Where it happened", exc_info=True)
        msg = f"The report failed: {type(err).__name__}, which is a mistake in it."
        raise ReportError(msg) from None


def _carry_out(wish: _Wish, path: str | None, run: str | None, selection: Selection) -> None:
    if not (wish.as_json or wish.check):
        _need_extra()
    figures = _read(path, run, selection, wish)
    if wish.check:
        _check(figures, wish)
    elif wish.as_json:
        _write(json.dumps(summary(figures), indent=2, ensure_ascii=False) + "\n", wish.output or STANDARD_OUTPUT)
    else:
        from tap_cxone.report.page import render  # noqa: PLC0415 - what draws takes a second to load

        _write(render(figures, format_date(utc_now())), wish.output or DEFAULT_OUTPUT)


def _need_extra() -> None:
    """Say at once what is missing, not when the log has been read.

    Raises:
        ReportError: what draws the page is not installed.
    """
    try:
        import jinja2  # noqa: F401, PLC0415 - as in main
        import matplotlib as mpl  # noqa: F401, PLC0415
    except ImportError as err:
        msg = f"The page needs {err.name}: pip install 'tap-cxone[report]'. (--json and --check do without.)"
        raise ReportError(msg) from None


def _read(path: str | None, run: str | None, selection: Selection, wish: _Wish) -> Figures:
    if not path:
        msg = "Setting 'audit_log_path' is not set: it has to be the audit log that the tap writes."
        raise ReportError(msg)
    try:
        with opened(log_file(path)) as log:
            if log is None:
                msg = "Setting 'audit_log_path': there is no such file."
                raise ReportError(msg)
            return _figures(log, run, selection, wish)
    except CxoneError as err:
        raise ReportError(err.message) from None
    except OSError as err:
        msg = f"Setting 'audit_log_path': the file cannot be read ({err.strerror})."
        raise ReportError(msg) from None


def _figures(log: BinaryIO, run: str | None, selection: Selection, wish: _Wish) -> Figures:
    if run:
        selection = Selection(_run_id(log, run), selection.stream, selection.start, selection.end)
        log.seek(0)
    figures = read_figures(log, selection)
    if figures.has_webhooks and not wish.check:
        log.seek(0)
        logging.getLogger("cxone-notify").setLevel(logging.ERROR)  # the page says how many lines are unreadable
        figures.deliveries = read_deliveries(log, figures.offsets)
    return figures


def _run_id(log: BinaryIO, wanted: str) -> str:
    runs = run_ids(log)
    if wanted == "last" and runs:
        return runs[-1]
    found = [wanted] if wanted in runs else [run for run in runs if run.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} runs begin so" if found else "the audit log has no such run"
    msg = f"Option '--run': {what}: {clean(wanted)!r}."
    raise ReportError(msg)


def _check(figures: Figures, wish: _Wish) -> None:
    start, end = wish.check or (0, 0)
    wanted = figures.selection.stream
    streams = [wanted] if wanted else sorted(figures.pieces)
    gaps = [gap for name in streams for gap in check(name, figures.pieces.get(name, ()), start, end, wish.max_refused)]
    if not streams:
        gaps = [Gap("(no stream in the audit log)", start, end, "never extracted")]
    if wish.as_json:
        text = json.dumps(gaps_as_json(gaps), indent=2, ensure_ascii=False)
    elif gaps:
        text = "\n".join(f"{gap.stream} {as_text(gap.start)}/{as_text(gap.end)} {gap.why}" for gap in gaps)
    else:
        text = f"Covered: {as_text(start)}/{as_text(end)} of {', '.join(streams)}"
    _write(text + "\n", STANDARD_OUTPUT)
    if gaps:
        sys.exit(1)


def _write(text: str, output: str) -> None:
    """Write a text out: a file appears whole or not at all.

    Raises:
        ReportError: it cannot be written.
    """
    if output == STANDARD_OUTPUT:
        try:
            sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
            sys.stdout.buffer.flush()
        except OSError as err:
            sys.stdout = None  # nor is it flushed once more at the end
            msg = f"Standard output cannot be written ({err.strerror})."
            raise ReportError(msg) from None
        return
    try:
        path = Path(output).expanduser()
        if path.exists() and not path.is_file():
            path.write_bytes(text.encode("utf-8", "backslashreplace"))  # a device, a pipe
            return
        path = path.resolve()  # a link is followed, not replaced
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            beside.write_bytes(text.encode("utf-8", "backslashreplace"))
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except (OSError, ValueError, RuntimeError) as err:
        reason = (isinstance(err, OSError) and err.strerror) or "it is no usable path"
        msg = f"Option '--output': the file cannot be written ({reason})."
        raise ReportError(msg) from None
    logging.getLogger("cxone-report").info("Written: %s", path)


if __name__ == "__main__":
    main()
