"""The command `cxone-sandbox`, which serves the simulated platform.

Its options are generated from the fields of `SandboxOptions`.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import Field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
import msgspec

from tap_cxone.sandbox.options import Fault, SandboxOptions
from tap_cxone.sandbox.sandbox import Sandbox, SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_PORT = 8099
_INTERRUPTED = 130


def _parse_faults(_context: click.Context, _option: click.Parameter, texts: tuple[str, ...]) -> tuple[Fault, ...]:
    try:
        return tuple(Fault.parse(text) for text in texts)
    except ValueError as err:
        raise click.BadParameter(str(err)) from err


def _parse_range(
    _context: click.Context, _option: click.Parameter, texts: tuple[str, str] | None
) -> tuple[datetime, datetime] | None:
    try:
        return (datetime.fromisoformat(texts[0]), datetime.fromisoformat(texts[1])) if texts else None
    except ValueError as err:
        msg = f"START and END must be ISO 8601 dates: {err}"
        raise click.BadParameter(msg) from err


def _add_switches(command: Callable[..., None]) -> Callable[..., None]:
    """Add an option for every switch to a command."""
    for switch in reversed(fields(SandboxOptions)):
        command = _option(switch)(command)
    return command


def _option(switch: Field[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the click option for a switch."""
    name, metadata = f"--{switch.name.replace('_', '-')}", switch.metadata
    if metadata["kind"] is tuple:
        names = ("--fault", switch.name)
        return click.option(*names, callback=_parse_faults, multiple=True, metavar="FAULT", help=metadata["help"])
    if metadata["kind"] is bool:
        declaration = f"{name}/--no-{name[2:]}" if switch.default else name
        return click.option(declaration, is_flag=True, default=switch.default, help=metadata["help"])
    kind = click.Choice(metadata["choices"]) if metadata["choices"] else metadata["kind"]
    shown = switch.default is not None
    return click.option(name, type=kind, default=switch.default, show_default=shown, help=metadata["help"])


def _serve(sandbox: Sandbox) -> None:
    """Serve until Ctrl-C is pressed."""
    try:
        with sandbox:
            click.echo(_welcome(sandbox), err=True)
            while sandbox.running:
                time.sleep(1)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _welcome(sandbox: Sandbox) -> str:
    url = sandbox.url
    return (
        f"cxone-sandbox is serving {url}, tenant {sandbox.tenant_id}, until Ctrl-C. To run the tap against it, set\n"
        f"  TAP_CXONE_API_URL={url} TAP_CXONE_CLIENT_ID={sandbox.client_id} "
        f"TAP_CXONE_CLIENT_SECRET={sandbox.client_secret}\n"
        "or, for streams of the Data Extraction API,\n"
        f"  TAP_CXONE_API_URL={url} TAP_CXONE_AUTH_URL={url}/authentication/v1/token/access-key "
        f"TAP_CXONE_AUTH_METHOD=access_key TAP_CXONE_ACCESS_KEY_ID='{sandbox.access_key_id}' "
        f"TAP_CXONE_ACCESS_KEY_SECRET='{sandbox.access_key_secret}'"
    )


def _print_events(sandbox: Sandbox, start: datetime, end: datetime) -> None:
    encode = msgspec.json.Encoder().encode
    try:
        for event in sandbox.valid_events(start, end):
            sys.stdout.buffer.write(encode(event) + b"\n")
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, head for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python fails when it flushes at the end


@click.command("cxone-sandbox", context_settings={"max_content_width": 110})
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port to listen on; 0 picks a free one.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback address to listen on.")
@click.option(
    "--certificate",
    type=click.Path(exists=True, dir_okay=False),
    help="PEM file with a certificate and its key: serve HTTPS instead of HTTP.",
)
@click.option(
    "--print-events",
    callback=_parse_range,
    nargs=2,
    metavar="START END",
    help="Print the events of [START, END) that a correct client receives, as JSON lines, and exit.",
)
@_add_switches
def main(
    host: str,
    port: int,
    certificate: str | None,
    print_events: tuple[datetime, datetime] | None,
    **switches: Any,  # noqa: ANN401
) -> None:
    """Serve a simulated NICE CXone platform on loopback. Client id and client secret are both `sandbox`.

    It holds bot conversation events and the rows of four Data Extraction entities from 2024-01-01 until now. The data
    is deterministic. Durations are in seconds, shares are between 0 and 1. All state is in memory, so every start
    begins with a new platform.
    """
    try:
        options = SandboxOptions(**switches)
    except ValueError as err:
        raise click.UsageError(str(err)) from err
    try:
        sandbox = Sandbox(options, host=host, port=port, certificate=certificate)
        if print_events:
            _print_events(sandbox, *print_events)
        else:
            _serve(sandbox)
    except SandboxError as err:
        raise click.ClickException(str(err)) from err
