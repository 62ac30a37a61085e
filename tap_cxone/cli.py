"""The command ``tap-cxone``: the SDK's, with a sentence in place of a traceback where its input cannot be read."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from singer_sdk.exceptions import MapExpressionError, StreamMapConfigError

from tap_cxone.errors import CxoneError, exit_on_error
from tap_cxone.tap import TapCXone

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FILES = ("--config", "--state", "--catalog")


def main() -> None:
    """Run the command with the arguments of the process."""
    exit_on_error(_run)


def _run() -> None:
    check_files(sys.argv[1:])
    try:
        TapCXone.cli()
    except (MapExpressionError, StreamMapConfigError) as err:
        msg = f"Setting 'stream_maps': {err}"
        raise CxoneError(msg) from err


def check_files(arguments: Sequence[str]) -> None:
    """Look whether the files that the command line names can be read, before the SDK does.

    Raises:
        CxoneError: one cannot, or is something else than a JSON object. Nothing of it is quoted.
    """
    for option, name in _named_files(arguments):
        try:
            content = json.loads(Path(name).read_text(encoding="utf-8"))
        except OSError as err:
            msg = f"Option '{option}': the file '{name}' cannot be read ({err.strerror})."
            raise CxoneError(msg) from None
        except json.JSONDecodeError as err:
            msg = f"Option '{option}': the file '{name}' is no JSON (line {err.lineno}, column {err.colno})."
            raise CxoneError(msg) from None
        except ValueError:  # no UTF-8
            msg = f"Option '{option}': the file '{name}' is no JSON: it is not in UTF-8."
            raise CxoneError(msg) from None
        if not isinstance(content, dict):
            msg = f"Option '{option}': the file '{name}' must hold a JSON object."
            raise CxoneError(msg)


def _named_files(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    behind = ["", *arguments]
    for before, argument in zip(behind, arguments, strict=False):
        option, equals, value = argument.partition("=")
        if equals and option in _FILES and argument != "--config=ENV":
            yield option, value
        elif before in _FILES and not (before == "--config" and argument == "ENV"):
            yield before, argument
