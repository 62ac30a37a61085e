"""The subcommand `cxone-notify erase`: its options and output."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, BinaryIO

import click

from tap_cxone.command_options import OptionMaker, Texts, audit_log_option
from tap_cxone.errors import SettingsError
from tap_cxone.notify.erasure import erase
from tap_cxone.notify.text_search import TextSearch
from tap_cxone.observability.audit_files import find_audit_logs

if TYPE_CHECKING:
    from collections.abc import Iterator

_option = OptionMaker("CXONE_NOTIFY_")

logger = logging.getLogger("cxone-notify")


@click.command("erase")
@audit_log_option(_option)
@_option(
    "quarantine_path",
    "Quarantine of the tap; may be given several times.",
    metavar="FILE",
    multiple=True,
    type=Texts(lambda text: [text]),
)
@click.option("--record-id", multiple=True, metavar="ID", help="Key of a record, or a part of a composite key.")
@click.option("--record-id-file", type=click.File("rb"), metavar="FILE", help="Keys, one a line; - is standard input.")
@click.option("--value", multiple=True, metavar="TEXT", help="Text that a record contains, such as a name.")
@click.option("--value-file", type=click.File("rb"), metavar="FILE", help="Texts, one a line; - is standard input.")
@click.option(
    "--receiver",
    multiple=True,
    metavar="NAME",
    help="Receiver to forget, by its name in `cxone-notify status`: if it is notified again, it gets every window.",
)
def erase_command(
    *,
    audit_log_path: tuple[str, ...],
    quarantine_path: tuple[str, ...],
    record_id: tuple[str, ...],
    record_id_file: BinaryIO | None,
    value: tuple[str, ...],
    value_file: BinaryIO | None,
    receiver: tuple[str, ...],
) -> None:
    """Erase records from audit logs and quarantines, or the deliveries to a receiver.

    Arguments show in process lists: prefer the options with FILE.
    """
    if record_id_file is not None and record_id_file is value_file:
        msg = "Options '--record-id-file' and '--value-file': only one of them can be standard input."
        raise SettingsError(msg)
    record_ids = [*_given(record_id, "--record-id"), *_lines(record_id_file, "--record-id-file")]
    values = [*_given(value, "--value"), *_lines(value_file, "--value-file")]
    receivers = list(_given(receiver, "--receiver"))
    if not record_ids and not values and not receivers:
        msg = (
            "Options '--record-id', '--record-id-file', '--value', '--value-file', '--receiver': there is nothing to "
            "erase."
        )
        raise SettingsError(msg)
    logs, quarantines = _audit_logs(audit_log_path), list(filter(None, quarantine_path))
    if not logs and not quarantines:
        msg = "Settings 'audit_log_path' and 'quarantine_path' are not set: at least one of them is needed."
        raise SettingsError(msg)
    if receivers and not logs:
        msg = "Setting 'audit_log_path' is not set: it names the file with the deliveries to the receiver."
        raise SettingsError(msg)
    for setting, paths in (("audit_log_path", logs), ("quarantine_path", quarantines)):
        if not paths and (record_ids or values):
            logger.warning("Setting '%s' is not set: nothing is erased from such a file", setting)
    result = erase(logs, quarantines, TextSearch(record_ids, values), receivers)
    logger.info(
        "Erased from the audit log: %d record ids and %d sample records; from the quarantine: %d records; "
        "damaged or foreign lines: %d; lines about deliveries: %d",
        result.record_ids,
        result.sample_records,
        result.rejected_records,
        result.other_lines,
        result.deliveries,
    )
    if result.remaining_lines:
        logger.warning(
            "%d lines contain one of the texts in fields that are not taken from records, such as times and job ids: "
            "these fields are unchanged",
            result.remaining_lines,
        )


def _audit_logs(paths: tuple[str, ...]) -> list[str]:
    """Find the files that paths name. Each has to name one: a wrong path must not look like a finished erasure."""
    logs: list[str] = []
    for path in filter(None, paths):
        found = find_audit_logs([path])
        if not found:
            msg = "Setting 'audit_log_path': a folder or a pattern names no audit log. Nothing has been erased."
            raise SettingsError(msg)
        logs += map(str, found)
    return logs


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
