"""Replaces a JSON Lines file in one step while a tap may append to it.

A tap that writes in the meantime waits for the replacement and continues in the new file (see
``tap_cxone.observability.jsonlines``).
"""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tap_cxone.observability.jsonlines import locked

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUFFIX = ".tmp"


@contextlib.contextmanager
def replacement(path: Path, reading: BinaryIO) -> Iterator[BinaryIO]:
    """Replace a file by what the ``with`` block writes; if the block fails, the file is unchanged.

    The new file has the owner of the old one, and only its owner can read it. The caller holds the lock of
    ``tap_cxone.notify.locking``, so what a killed process has left can be removed.

    Args:
        path: the file.
        reading: the same file, open for reading.

    Raises:
        OSError: the new file cannot be written.
    """
    for leftover in path.parent.glob(f"{glob.escape(path.name)}.????????{_SUFFIX}"):
        leftover.unlink()
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.", suffix=_SUFFIX)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as writing, locked(reading.fileno()):
            owner = os.fstat(reading.fileno())
            if hasattr(os, "chown") and owner.st_uid != os.getuid():  # root may replace the file of another user
                os.chown(name, owner.st_uid, owner.st_gid)
            yield writing
            writing.flush()
            os.fsync(writing.fileno())
            Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
