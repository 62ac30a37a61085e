"""What Meltano tells a process that it starts: by which command, and with which files."""

from __future__ import annotations

import os
import shlex
import subprocess
from itertools import dropwhile
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_OPTIONS_WITH_VALUE = {"--cwd", "--env-file", "--environment", "--log-config", "--log-format", "--log-level"}
"""Options of ``meltano`` whose value may be the next argument (``meltano --help`` of Meltano 4.4)."""


def is_meltano(environment: Mapping[str, str]) -> bool:
    """Return whether Meltano started this process."""
    return "MELTANO_PROJECT_ROOT" in environment


def run_files(environment: Mapping[str, str]) -> tuple[Path | None, Path | None]:
    """Return the files with settings and catalog that Meltano has written for a run of the tap.

    It writes them before every command of a plugin, ``meltano invoke tap-cxone:doctor`` for example, but does not name
    them to the command. Checked with Meltano 4.4.

    Args:
        environment: environment variables of this process.
    """
    folder = Path(environment.get("MELTANO_SYS_DIR_ROOT", ""), "run", environment.get("MELTANO_EXTRACTOR_NAME", ""))
    if not is_meltano(environment) or not folder.is_dir():
        return None, None
    settings = sorted(folder.glob("tap.*.config.json"), key=lambda path: path.stat().st_mtime)
    catalog = folder / "tap.properties.json"
    return (settings[-1] if settings else None), (catalog if catalog.exists() else None)


def is_config_test(environment: Mapping[str, str]) -> bool:
    """Return whether ``meltano config test`` started this process.

    Meltano starts a tap for it as it does for a run, and ends it by SIGTERM after the first record. Only the arguments
    of Meltano's own process, which is the parent, tell the two apart. Where they cannot be read, the answer is False.

    Args:
        environment: environment variables of this process.
    """
    return is_meltano(environment) and subcommand(_arguments_of(os.getppid())) == "config"


def subcommand(arguments: Sequence[str]) -> str | None:
    """Return the subcommand in the arguments of a ``meltano`` process, such as ``run``; None: it is another process."""
    words = dropwhile(lambda word: PurePath(word).stem != "meltano", arguments)
    next(words, None)
    for word in words:
        if word in _OPTIONS_WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return word
    return None


def _arguments_of(pid: int) -> list[str]:
    """Return the arguments of a process; empty if they cannot be read."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
        return text.split("\0")[:-1]
    except OSError:  # not Linux
        pass
    try:
        command = ["ps", "-o", "args=", "-p", str(pid)]
        found = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603 - a number
        return shlex.split(found.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return []
