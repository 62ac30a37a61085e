"""The command ``tap-cxone``: the SDK's command, with one-sentence errors for input that cannot be read."""

from __future__ import annotations

import gc
import json
from dataclasses import dataclass
from pathlib import Path

import click
from typing_extensions import override

from tap_cxone.errors import UsageError
from tap_cxone.shutdown import release_signals
from tap_cxone.streams.stream_map_errors import stream_map_errors
from tap_cxone.tap import TapCXone


class JsonObjectFile(click.ParamType["str | JsonText"]):
    """Name of a file that holds a JSON object. It is checked before the SDK reads it; its content is never quoted.

    Args:
        opened: whether the option's value becomes a file to read, as with ``click.File``, or stays its name.
    """

    name = "filename"

    def __init__(self, *, opened: bool) -> None:
        self._opened = opened

    @override
    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str | JsonText:
        """Check the file, unless it is read later.

        Raises:
            UsageError: it cannot be read, or does not hold a JSON object.
        """
        option = param.name if param else "file"
        text = JsonText(value, f"Option '--{option}': the file '{value}'")
        if self._opened:
            return text
        if value != "ENV":  # stands for environment variables in the SDK
            text.read()
        return value


@dataclass(frozen=True)
class JsonText:
    """A file that holds a JSON object. It is read after the run has begun, so that the audit log records a failure.

    Attributes:
        name: name of the file.
        subject: subject of the sentence that names what is wrong with it.
    """

    name: str
    subject: str

    def read(self) -> str:
        """Return the text of the file.

        Raises:
            UsageError: it cannot be read, or does not hold a JSON object.
        """
        try:
            text = Path(self.name).read_text(encoding="utf-8")
            if not text.strip():
                msg = f"{self.subject} is empty."
                raise UsageError(msg)
            content = json.loads(text)
            json.dumps(content, ensure_ascii=False).encode()
        except OSError as err:
            msg = f"{self.subject} cannot be read ({err.strerror})."
            raise UsageError(msg) from None
        except json.JSONDecodeError as err:
            bom = " It begins with a byte-order mark: save it as UTF-8 without one." if text[:1] == "\ufeff" else ""
            msg = f"{self.subject} is not valid JSON (line {err.lineno}, column {err.colno}).{bom}"
            raise UsageError(msg) from None
        except UnicodeError:  # bytes that are not UTF-8, or half of a surrogate pair
            msg = f"{self.subject} is not valid JSON: it is not in UTF-8."
            raise UsageError(msg) from None
        except (ValueError, RecursionError):
            msg = (
                f"{self.subject} cannot be read: a number in it is too long, or its objects and lists are nested too "
                "deeply."
            )
            raise UsageError(msg) from None
        if not isinstance(content, dict):
            msg = f"{self.subject} must hold a JSON object."
            raise UsageError(msg)
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
        with stream_map_errors():
            command()
    finally:
        release_signals()
