"""Where the report goes: standard output, or a file that is replaced in one step."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from tap_cxone.errors import CxoneError, OutputError
from tap_cxone.files import replacing

STANDARD_OUTPUT = "-"


class ReportError(CxoneError):
    """The report cannot be made; the message says what to change."""

    exit_code = 2


def write(text: str, output: str) -> None:
    """Write a text to standard output or a file. A file is replaced in one step.

    Raises:
        ReportError: it cannot be written.
    """
    content = text.encode("utf-8", "backslashreplace")
    if output == STANDARD_OUTPUT:
        try:
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        except OutputError as err:
            raise ReportError(err.message) from None
        return
    try:
        path = Path(output).expanduser()
        if path.exists() and not path.is_file():
            path.write_bytes(content)  # a device or a pipe
            return
        path = path.resolve()  # a link is followed, not replaced
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(content)
    except (OSError, ValueError, RuntimeError) as err:
        reason = (isinstance(err, OSError) and err.strerror) or "it is not a usable path"
        msg = f"Option '--output': the file cannot be written ({reason})."
        raise ReportError(msg) from None
    logging.getLogger("cxone-report").info("Written: %s", path)
