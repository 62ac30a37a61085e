"""The command `cxone-notify`: its subcommands, their options, output and exit codes."""

from __future__ import annotations

import json
import logging
import os
import sys
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

import click
from typing_extensions import override

from tap_cxone.command_options import OptionMaker, Texts, audit_log_option
from tap_cxone.dates import utc_now
from tap_cxone.errors import CxoneError, SettingsError, exit_on_error
from tap_cxone.notify.erase_cli import erase_command
from tap_cxone.notify.locking import LockedError
from tap_cxone.notify.payload import test_message
from tap_cxone.notify.pruning import prune
from tap_cxone.notify.receivers import check_secret, read_receivers, split_setting
from tap_cxone.notify.status import status, table
from tap_cxone.observability.audit_files import find_audit_logs, missing_log, open_audit_logs
from tap_cxone.observability.delivery_ledger import read_ledger

if TYPE_CHECKING:
    from pathlib import Path

    from tap_cxone.notify.delivery import Deliverer

RUN_ID_VARIABLE = "MELTANO_PARENT_CONTEXT_UUID"
"""Meltano sets it to the same value for all plugins of one `meltano run`, so it names the run that was loaded."""
_option = OptionMaker("CXONE_NOTIFY_")

logger = logging.getLogger("cxone-notify")


_URL = _option(
    "webhook_url",
    "Webhook to notify; may be given several times. A receiver is identified by its name, or otherwise by a digest of "
    "the URL without query and user info. The variable takes several separated by white space, or a JSON array.",
    metavar="[NAME=]URL",
    multiple=True,
    type=Texts(split_setting),
)
_ALLOW_HTTP = _option("allow_http", "Allow plain http to other machines.", is_flag=True)
_SECRET = _option(
    "webhook_secret", "Secret that signs messages (Standard Webhooks): whsec_ and base64.", metavar="SECRET"
)
_TIMEOUT = _option(
    "timeout", "Maximum duration of one attempt, in seconds.", type=click.FloatRange(0, min_open=True), default=10
)
_LOG = audit_log_option(_option)


class _Group(click.Group):
    """Logs a CxoneError as one sentence and exits with its code."""

    @override
    def invoke(self, ctx: click.Context) -> None:
        exit_on_error(lambda: super(_Group, self).invoke(ctx), exit_code=1)


@click.group("cxone-notify", cls=_Group, context_settings={"max_content_width": 110})
def main() -> None:
    """Notify webhook receivers of each loaded window once. Run it after the target."""
    # Configured again at every call, because the caller may have replaced standard error.
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s | %(levelname)-8s | %(message)s", force=True
    )
    logging.getLogger("urllib3").disabled = True  # its messages contain URLs
    for name in ("connection", "connectionpool", "util.retry"):
        logging.getLogger(f"urllib3.{name}").disabled = True


@main.command("send")
@_URL
@_ALLOW_HTTP
@_SECRET
@_LOG
@_TIMEOUT
@_option("max_attempts", "Maximum number of attempts for one message in one run.", type=click.IntRange(1), default=5)
@_option("strict", "Exit with 1 if a message could not be delivered.", is_flag=True)
def send_command(
    webhook_url: tuple[str, ...],
    webhook_secret: str | None,
    audit_log_path: tuple[str, ...],
    timeout: float,
    *,
    allow_http: bool,
    max_attempts: int,
    strict: bool,
) -> None:
    """Announce every window that is due."""
    receivers = read_receivers(webhook_url, allow_http=allow_http)
    if not receivers:
        msg = "Setting 'webhook_url' is not set: no receiver is notified."
        _warn_or_fail(msg, strict=strict)
        return
    deliverer, logs = _deliverer(webhook_secret, timeout), _find_logs(audit_log_path)
    from tap_cxone.notify.sending import send  # noqa: PLC0415 - it loads HTTP, which takes time

    run_id = os.environ.get(RUN_ID_VARIABLE)
    try:
        results = send(logs, receivers, deliverer, max_attempts=max_attempts, run_id=run_id)
    except LockedError as err:
        _warn_or_fail(err.message, strict=strict)
        return
    if undelivered := results.due - results.delivered:
        _warn_or_fail(f"{undelivered} of {results.due} messages were not delivered: they stay due.", strict=strict)


@main.command("status")
@_URL
@_ALLOW_HTTP
@_LOG
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status_command(
    webhook_url: tuple[str, ...], audit_log_path: tuple[str, ...], *, allow_http: bool, as_json: bool
) -> None:
    """Show delivered, due and failed windows; without --webhook-url for every receiver in the audit log."""
    receivers = [receiver.name for receiver in read_receivers(webhook_url, allow_http=allow_http)]
    paths = _find_logs(audit_log_path)
    with open_audit_logs(paths) as logs:
        if not logs.files:
            msg = f"{missing_log(paths)}."
            raise SettingsError(msg)
        ledger = read_ledger(logs)
    known = receivers or ledger.receivers()
    if not known:
        logger.warning("Setting 'webhook_url' is not set, and there is no receiver in the audit log either")
    statuses = status(ledger, known)
    click.echo(json.dumps(statuses, indent=2) if as_json else "\n".join(table(statuses)))


@main.command("test")
@_URL
@_ALLOW_HTTP
@_SECRET
@_TIMEOUT
def test_command(webhook_url: tuple[str, ...], webhook_secret: str | None, timeout: float, *, allow_http: bool) -> None:
    """Send one message marked as a test to every receiver, without recording it in the audit log."""
    from tap_cxone.notify.delivery import DeliveryError  # noqa: PLC0415 - it loads HTTP, which takes time

    receivers = read_receivers(webhook_url, allow_http=allow_http)
    if not receivers:
        msg = "Setting 'webhook_url' is not set: there is no receiver for a test message."
        raise SettingsError(msg)
    deliverer = _deliverer(webhook_secret, timeout)
    failed = False
    for receiver in receivers:
        try:
            done = deliverer.deliver(receiver, f"msg_test_{uuid.uuid4().hex}", test_message(), max_attempts=1)
        except DeliveryError as err:
            logger.error("%s did not accept the test message: %s", receiver, err.reason)  # noqa: TRY400 - no traceback
            failed = True
        else:
            logger.info("%s accepted the test message, %d ms", receiver, done.latency_ms)
    sys.exit(int(failed))


@main.command("prune")
@_URL
@_ALLOW_HTTP
@_LOG
@click.option("--keep-days", type=click.IntRange(1), required=True, help="Age in days of the oldest lines to keep.")
def prune_command(
    webhook_url: tuple[str, ...], audit_log_path: tuple[str, ...], keep_days: int, *, allow_http: bool
) -> None:
    """Remove old lines from the audit log, except those that decide whether a window is due to one of the receivers."""
    receivers = read_receivers(webhook_url, allow_http=allow_http)
    try:
        oldest = utc_now() - timedelta(days=keep_days)
    except OverflowError:
        msg = "Option '--keep-days': the number is too large for a date."
        raise SettingsError(msg) from None
    results = prune(_find_logs(audit_log_path), receivers, oldest)
    logger.info(
        "The audit log had %d bytes and has %d now; %d old windows are still due",
        sum(result.bytes_before for result in results),
        sum(result.bytes_after for result in results),
        sum(result.due for result in results),
    )


main.add_command(erase_command)


def _deliverer(secret: str | None, timeout: float) -> Deliverer:
    from tap_cxone.notify.delivery import Deliverer  # noqa: PLC0415 - it loads HTTP, which takes time

    return Deliverer(check_secret(secret) if secret else None, timeout)


def _find_logs(paths: tuple[str, ...]) -> list[Path]:
    if not any(paths):
        msg = "Setting 'audit_log_path' is not set: it must name the audit log of the tap."
        raise SettingsError(msg)
    return find_audit_logs(filter(None, paths))


def _warn_or_fail(message: str, *, strict: bool) -> None:
    """Log a warning, or fail if ``strict``: by default a failed notification does not fail the pipeline."""
    if strict:
        raise CxoneError(message)
    logger.warning("%s", message)
