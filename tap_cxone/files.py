"""Files that are replaced in one step, by way of a new file with a name that nobody can foresee."""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
import stat
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OWNER_ONLY = 0o600
_ANY_NEW_FILE = 0o666
"""Mode of a new file before the umask is applied."""
_TOKEN_BYTES = 8
_INFIX, _SUFFIX = ".tap-cxone-", ".tmp"


@contextlib.contextmanager
def replacing(path: Path, *, private: bool = False) -> Iterator[BinaryIO]:
    """Replace a file in one step by what the ``with`` block writes; if the block fails, the file is unchanged.

    The new file is created exclusively, so that a file or a link that somebody has put in its place is not written.

    Args:
        path: the file; it need not exist.
        private: whether only its owner may read it. Otherwise it keeps its mode, or gets that of any new file.

    Raises:
        OSError: the new file cannot be written.
    """
    mode = _OWNER_ONLY if private else _mode_of(path)
    new = path.with_name(f"{path.name}{_INFIX}{secrets.token_hex(_TOKEN_BYTES)}{_SUFFIX}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(new, flags, _ANY_NEW_FILE if mode is None else _OWNER_ONLY)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            if mode is not None:
                new.chmod(mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def remove_leftovers(path: Path) -> None:
    """Remove what killed processes have left of their attempts to replace a file; none may be trying now.

    Raises:
        OSError: a file cannot be removed.
    """
    token = "[0-9a-f]" * (2 * _TOKEN_BYTES)
    for leftover in path.parent.glob(f"{glob.escape(path.name)}{_INFIX}{token}{_SUFFIX}"):
        leftover.unlink()


def _mode_of(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return None
