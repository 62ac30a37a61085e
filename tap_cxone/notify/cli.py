"""The command `cxone-notify`: settings from options and environment, and what each command says and exits with."""

from __future__ import annotations

import json
import logging
import os
import sys
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click
from typing_extensions import override

from tap_cxone.dates import utc_now
from tap_cxone.errors import CxoneError, SettingsError, exit_on_error
from tap_cxone.notify.auditlog import LockedError, log_file, opened
from tap_cxone.notify.ledger import Ledger, read_ledger
from tap_cxone.notify.payload import test_message
from tap_cxone.notify.pruning import prune
from tap_cxone.notify.receivers import check_secret, read_receivers, split_setting
from tap_cxone.notify.status import status, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_cxone.notify.delivery import Deliverer
    from tap_cxone.notify.receivers import Receiver

RUN_ID_VARIABLE = "MELTANO_PARENT_CONTEXT_UUID"
"""Meltano gives all plugins of one `meltano run` the same: so a sender knows the run of the tap before it."""
_PREFIX = "CXONE_NOTIFY_"
_F = TypeVar("_F", bound="Callable[..., Any]")

logger = logging.getLogger("cxone-notify")


@dataclass(frozen=True)
class _Targets:
    receivers: list[Receiver]
    secret: str | None
    timeout: float

    def deliverer(self) -> Deliverer:
        from tap_cxone.notify.delivery import Deliverer  # noqa: PLC0415 - HTTP is only loaded where it is used

        return Deliverer(self.secret, self.timeout)


def _urls(_context: click.Context, _option: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    """Take the addresses from the options, or else from the environment, where click would cut a JSON array."""
    return texts or tuple(split_setting(os.environ.get(f"{_PREFIX}WEBHOOK_URL", "")))


def _option(name: str, about: str, **how: Any) -> Callable[[_F], _F]:  # noqa: ANN401 - what click takes
    variable = _PREFIX + name.upper()
    return click.option(
        f"--{name.replace('_', '-')}", envvar=variable, help=about, show_envvar=True, show_default=True, **how
    )


_URL = click.option(
    "--webhook-url",
    multiple=True,
    callback=_urls,
    metavar="[NAME=]URL",
    help="Who is told; may be given several times. A receiver is known by its name, or else by a digest of the URL "
    f"without query and user info.  [env var: {_PREFIX}WEBHOOK_URL, several between white space or as JSON array]",
)
_ALLOW_HTTP = _option("allow_http", "Whether plain http may go elsewhere than to this machine.", is_flag=True)
_SECRET = _option("webhook_secret", "Signs messages (Standard Webhooks): whsec_ and base64.", metavar="SECRET")
_TIMEOUT = _option(
    "timeout", "Seconds until an attempt has failed.", type=click.FloatRange(0, min_open=True), default=10
)
_LOG = _option("audit_log_path", "The audit log of the tap.", metavar="FILE")


class _Group(click.Group):
    """Logs a CxoneError as one sentence and exits with its code."""

    @override
    def invoke(self, ctx: click.Context) -> None:
        exit_on_error(lambda: super(_Group, self).invoke(ctx))


@click.group("cxone-notify", cls=_Group, context_settings={"max_content_width": 110})
def main() -> None:
    """Tell receivers of a webhook which windows have been loaded, once each. Run it behind the target."""
    # Replaced at every call, because a caller may have another standard error by then.
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s | %(levelname)-8s | %(message)s", force=True
    )
    logging.getLogger("urllib3").disabled = True  # it names URLs
    for name in ("connection", "connectionpool", "util.retry"):
        logging.getLogger(f"urllib3.{name}").disabled = True


@main.command("send")
@_URL
@_ALLOW_HTTP
@_SECRET
@_LOG
@_TIMEOUT
@_option("max_attempts", "Attempts for one message in one run.", type=click.IntRange(1), default=5)
@_option("strict", "Exit with 1 when something could not be delivered.", is_flag=True)
def send_command(
    webhook_url: tuple[str, ...],
    webhook_secret: str | None,
    audit_log_path: str | None,
    timeout: float,
    *,
    allow_http: bool,
    max_attempts: int,
    strict: bool,
) -> None:
    """Announce every window that is due."""
    targets = _targets(webhook_url, webhook_secret, timeout, allow_http=allow_http)
    if not targets.receivers:
        msg = "Setting 'webhook_url' is not set: nobody is told."
        _end(strict=strict, message=msg)
        return
    log = _log(audit_log_path)
    from tap_cxone.notify.sending import send  # noqa: PLC0415 - as above

    deliverer = targets.deliverer()
    run_id = os.environ.get(RUN_ID_VARIABLE)
    try:
        results = send(log_file(log), targets.receivers, deliverer, max_attempts=max_attempts, run_id=run_id)
    except LockedError as err:
        _end(strict=strict, message=err.message)
        return
    if open_still := results.due - results.delivered:
        _end(strict=strict, message=f"{open_still} of {results.due} messages were not delivered: they stay due.")


@main.command("status")
@_URL
@_ALLOW_HTTP
@_LOG
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def status_command(
    webhook_url: tuple[str, ...], audit_log_path: str | None, *, allow_http: bool, as_json: bool
) -> None:
    """Show what is delivered, due and failed; without --webhook-url, for every receiver in the audit log."""
    receivers = [receiver.name for receiver in read_receivers(webhook_url, allow_http=allow_http)]
    with opened(log_file(_log(audit_log_path))) as log:
        ledger = read_ledger(log) if log else Ledger()
    known = receivers or ledger.receivers()
    if not known:
        logger.warning("Setting 'webhook_url' is not set, and the audit log knows no receiver either")
    stand = status(ledger, known)
    click.echo(json.dumps(stand, indent=2) if as_json else "\n".join(table(stand)))


@main.command("test")
@_URL
@_ALLOW_HTTP
@_SECRET
@_TIMEOUT
def test_command(webhook_url: tuple[str, ...], webhook_secret: str | None, timeout: float, *, allow_http: bool) -> None:
    """Send every receiver one message that is marked as a test; the audit log hears nothing of it."""
    from tap_cxone.notify.delivery import DeliveryError  # noqa: PLC0415 - as above

    targets = _targets(webhook_url, webhook_secret, timeout, allow_http=allow_http)
    if not targets.receivers:
        msg = "Setting 'webhook_url' is not set: there is nobody to send a test message to."
        raise SettingsError(msg)
    deliverer = targets.deliverer()
    failed = False
    for receiver in targets.receivers:
        try:
            done = deliverer.deliver(receiver, f"msg_test_{uuid.uuid4().hex}", test_message(), max_attempts=1)
        except DeliveryError as err:
            logger.error("%s did not take the test message: %s", receiver, err.reason)  # noqa: TRY400 - no traceback
            failed = True
        else:
            logger.info("%s took the test message, %d ms", receiver, done.latency_ms)
    sys.exit(int(failed))


@main.command("prune")
@_URL
@_ALLOW_HTTP
@_LOG
@click.option("--keep-days", type=click.IntRange(1), required=True, help="Age of the oldest lines that stay.")
def prune_command(
    webhook_url: tuple[str, ...], audit_log_path: str | None, keep_days: int, *, allow_http: bool
) -> None:
    """Cut the audit log: take out old lines, but for those of windows that are still due to one of the receivers."""
    receivers = read_receivers(webhook_url, allow_http=allow_http)
    try:
        oldest = utc_now() - timedelta(days=keep_days)
    except OverflowError:
        msg = "Option '--keep-days': there are no dates that long ago."
        raise SettingsError(msg) from None
    cut = prune(log_file(_log(audit_log_path)), receivers, oldest)
    logger.info("The audit log had %d bytes and has %d; %d old windows are still due", cut.before, cut.after, cut.due)


def _targets(urls: tuple[str, ...], secret: str | None, timeout: float, *, allow_http: bool) -> _Targets:
    receivers = read_receivers(urls, allow_http=allow_http)
    return _Targets(receivers, check_secret(secret) if secret else None, timeout)


def _log(path: str | None) -> str:
    if not path:
        msg = "Setting 'audit_log_path' is not set: it has to be the audit log that the tap writes."
        raise SettingsError(msg)
    return path


def _end(*, strict: bool, message: str) -> None:
    """End with a warning, or with an error where that is asked for: a load does not fail because nobody listens."""
    if strict:
        raise CxoneError(message)
    logger.warning("%s", message)


if __name__ == "__main__":
    main()
