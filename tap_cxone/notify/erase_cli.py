"""The subcommand `cxone-notify erase`: its options and output."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, BinaryIO

import click

from tap_cxone.errors import SettingsError
from tap_cxone.notify.erasure import erase
from tap_cxone.notify.text_search import TextSearch
from tap_cxone.observability.audit_files import PATHS_HELP, find_audit_logs, split_audit_log_paths

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = "CXONE_NOTIFY_"

logger = logging.getLogger("cxone-notify")


def _audit_logs(_context: click.Context, _option: click.Parameter, paths: tuple[str, ...]) -> list[str]:
    """Take the paths from the options, or else from the environment, and find the files that they name."""
    logs: list[str] = []
    for path in filter(None, paths or split_audit_log_paths(os.environ.get(f"{_PREFIX}AUDIT_LOG_PATH", ""))):
        found = find_audit_logs([path])
        if not found:
            msg = "Setting 'audit_log_path': a folder or a pattern names no audit log. Nothing has been erased."
            raise SettingsError(msg)
        logs += map(str, found)
    return logs


def _quarantines(_context: click.Context, _option: click.Parameter, paths: tuple[str, ...]) -> list[str]:
    """Take the paths from the options, or else one from the environment; click itself would split it at blanks."""
    return list(filter(None, paths or [os.environ.get(f"{_PREFIX}QUARANTINE_PATH", "")]))


@click.command("erase")
@click.option(
    "--audit-log-path",
    multiple=True,
    callback=_audit_logs,
    metavar="PATH",
    help=f"{PATHS_HELP}  [env var: {_PREFIX}AUDIT_LOG_PATH]",
)
@click.option(
    "--quarantine-path",
    multiple=True,
    callback=_quarantines,
    metavar="FILE",
    help=f"Quarantine of the tap; may be given several times.  [env var: {_PREFIX}QUARANTINE_PATH]",
)
@click.option("--record-id", multiple=True, metavar="ID", help="Key of a record, or a part of a composite key.")
@click.option("--record-id-file", type=click.File("rb"), metavar="FILE", help="Keys, one a line; - is standard input.")
@click.option("--value", multiple=True, metavar="TEXT", help="Text that a record contains, such as a name.")
@click.option("--value-file", type=click.File("rb"), metavar="FILE", help="Texts, one a line; - is standard input.")
def erase_command(
    *,
    audit_log_path: list[str],
    quarantine_path: list[str],
    record_id: tuple[str, ...],
    record_id_file: BinaryIO | None,
    value: tuple[str, ...],
    value_file: BinaryIO | None,
) -> None:
    """Erase records from audit logs and quarantines. Arguments show in process lists: prefer the options with FILE."""
    if record_id_file is not None and record_id_file is value_file:
        msg = "Options '--record-id-file' and '--value-file': only one of them can be standard input."
        raise SettingsError(msg)
    record_ids = [*_given(record_id, "--record-id"), *_lines(record_id_file, "--record-id-file")]
    values = [*_given(value, "--value"), *_lines(value_file, "--value-file")]
    if not record_ids and not values:
        msg = "Options '--record-id', '--record-id-file', '--value', '--value-file': there is nothing to erase."
        raise SettingsError(msg)
    if not audit_log_path and not quarantine_path:
        msg = "Settings 'audit_log_path' and 'quarantine_path' are not set: at least one of them is needed."
        raise SettingsError(msg)
    for setting, paths in (("audit_log_path", audit_log_path), ("quarantine_path", quarantine_path)):
        if not paths:
            logger.warning("Setting '%s' is not set: nothing is erased from such a file", setting)
    result = erase(audit_log_path, quarantine_path, TextSearch(record_ids, values))
    logger.info(
        "Erased from the audit log: %d record ids and %d sample records; from the quarantine: %d records; "
        "damaged or foreign lines: %d",
        result.record_ids,
        result.sample_records,
        result.rejected_records,
        result.other_lines,
    )
    if result.remaining_lines:
        logger.warning(
            "%d lines contain one of the texts in fields that are not taken from records, such as times and job ids: "
            "these fields are unchanged",
            result.remaining_lines,
        )


def _given(texts: tuple[str, ...], option: str) -> Iterator[str]:
    for text in texts:
        if not text.strip():
            msg = f"Option '{option}': the text is empty."
            raise SettingsError(msg)
        yield text


def _lines(file: BinaryIO | None, option: str) -> Iterator[str]:
    """Yield the lines of a file that are not empty, without white space around them."""
    if file is None:
        return
    try:
        text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        msg = f"Option '{option}': the file is not valid UTF-8."
        raise SettingsError(msg) from None
    yield from filter(None, map(str.strip, text.split("\n")))
