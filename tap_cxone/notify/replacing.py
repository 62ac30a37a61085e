"""Replaces a JSON Lines file in one step while a tap may append to it.

A tap that writes in the meantime waits for the replacement and continues in the new file (see
``tap_cxone.observability.jsonlines``).
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, BinaryIO

from tap_cxone.files import remove_leftovers, replacing
from tap_cxone.observability.jsonlines import locked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def replacement(path: Path, reading: BinaryIO) -> Iterator[BinaryIO]:
    """Replace a file by what the ``with`` block writes; if the block fails, the file is unchanged.

    The new file has the owner of the old one, and only its owner can read it. The caller holds the lock of
    ``tap_cxone.notify.locking``, so what a killed process has left can be removed.

    Args:
        path: the file.
        reading: the same file, open for reading.

    Raises:
        OSError: the new file cannot be written, or another file has the old one's name by now.
    """
    remove_leftovers(path)
    with locked(reading.fileno()), replacing(path, private=True) as writing:
        owner = os.fstat(reading.fileno())
        if not os.path.samestat(owner, path.stat()):
            raise OSError(errno.ESTALE, "it was moved in the meantime")
        if hasattr(os, "fchown") and owner.st_uid != os.getuid():  # root may replace the file of another user
            os.fchown(writing.fileno(), owner.st_uid, owner.st_gid)
        yield writing
