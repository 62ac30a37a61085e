"""The command ``tap-cxone``: the SDK's command, with one-sentence errors for input that cannot be read."""

from __future__ import annotations

import gc
import io
import json
from pathlib import Path

import click
from singer_sdk.exceptions import MapExpressionError, StreamMapConfigError
from typing_extensions import override

from tap_cxone.errors import CxoneError
from tap_cxone.shutdown import release_signals
from tap_cxone.tap import TapCXone


class JsonObjectFile(click.ParamType["str | io.StringIO"]):
    """Name of a file that holds a JSON object. It is checked before the SDK reads it; its content is never quoted.

    Args:
        opened: whether the option's value becomes the open file, as with ``click.File``, or stays its name.
    """

    name = "filename"

    def __init__(self, *, opened: bool) -> None:
        self._opened = opened

    @override
    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str | io.StringIO:
        """Check the file.

        Raises:
            CxoneError: it cannot be read, or does not hold a JSON object.
        """
        option = param.name if param else "file"
        if option == "config" and value == "ENV":  # stands for environment variables in the SDK
            return value
        text = _read_object(value, f"Option '--{option}': the file '{value}'")
        return io.StringIO(text) if self._opened else value


def _read_object(name: str, subject: str) -> str:
    try:
        text = Path(name).read_text(encoding="utf-8")
        content = json.loads(text)
        json.dumps(content, ensure_ascii=False).encode()
    except OSError as err:
        msg = f"{subject} cannot be read ({err.strerror})."
        raise CxoneError(msg) from None
    except json.JSONDecodeError as err:
        msg = f"{subject} is not valid JSON (line {err.lineno}, column {err.colno})."
        raise CxoneError(msg) from None
    except UnicodeError:  # bytes that are not UTF-8, or half of a surrogate pair
        msg = f"{subject} is not valid JSON: it is not in UTF-8."
        raise CxoneError(msg) from None
    except (ValueError, RecursionError):
        msg = f"{subject} cannot be read: a number in it is too long, or its objects and lists are nested too deeply."
        raise CxoneError(msg) from None
    if not isinstance(content, dict):
        msg = f"{subject} must hold a JSON object."
        raise CxoneError(msg)
    return text


def main() -> None:
    """Run the command with the arguments of the process.

    Raises:
        CxoneError: the command cannot be carried out.
    """
    # Rows of CSV files are thousands of lists, which are freed soon after they were made. With the default of 700, the
    # garbage collector would traverse all of them in between.
    gc.set_threshold(50_000, 20, 100)
    command = TapCXone.cli
    for param in command.params:
        if param.name in {"config", "state", "catalog"}:
            param.type = JsonObjectFile(opened=param.name != "config")
    try:
        command()
    except (MapExpressionError, StreamMapConfigError) as err:
        msg = f"Setting 'stream_maps': {err}"
        raise CxoneError(msg) from err
    finally:
        release_signals()
