"""The two readings of an export: one that verifies the whole file, one that hands out its records, each key once.

The first happens before anything of a window is emitted; what it learned makes the second one fast.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING

from tap_cxone.errors import CorruptExportError
from tap_cxone.records.decode import read_pieces
from tap_cxone.records.inflate import open_inflated
from tap_cxone.records.keys import WindowKeys
from tap_cxone.records.pieces import Learned

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_cxone.records.keys import Repeats
    from tap_cxone.records.model import RecordModel
    from tap_cxone.records.pieces import Piece


@dataclass
class Scan:
    """What the first reading learned.

    Attributes:
        keys: keys of the valid records.
        valid: number of valid records, repeats included.
        refused: number of refused ones.
        learned: what makes the second reading fast.
        unknown: fields that the schema does not have.
    """

    keys: WindowKeys
    valid: int = 0
    refused: int = 0
    learned: Learned = field(default_factory=Learned)
    unknown: set[str] = field(default_factory=set)

    def close(self) -> None:
        """Give back what the keys hold."""
        self.keys.close()


def scan(path: Path, model: RecordModel) -> Scan:
    """Read an export from end to end.

    Raises:
        CorruptExportError: it is cut off, damaged, or no export.
    """
    found = Scan(WindowKeys(path.parent))
    key_of = attrgetter(model.key)
    try:
        with open_inflated(path) as stream:
            for piece in read_pieces(stream, model):
                found.keys.add(list(map(key_of, piece.records)))
                found.valid += len(piece.records)
                found.refused += len(piece.refused)
                found.unknown |= piece.unknown
                found.learned.add(piece)
    except BaseException:
        found.keys.close()
        raise
    return found


def read_once(path: Path, model: RecordModel, scan: Scan, repeats: Repeats | None) -> Iterator[Piece]:
    """Read a scanned export again; the pieces come without the records that repeat an earlier one.

    Raises:
        CorruptExportError: the file is not what it was when it was scanned.
    """
    valid = refused = 0
    with open_inflated(path) as stream:
        for piece in read_pieces(stream, model, learned=scan.learned):
            valid += piece.count
            refused += len(piece.refused)
            if repeats and any(marks := repeats.next(piece.count)):
                records = zip(piece.decoded(model), marks, strict=True)
                piece.records = [record for record, repeats_another in records if not repeats_another]
                piece.count = len(piece.records)
            yield piece
    if (valid, refused) != (scan.valid, scan.refused):
        msg = "the file has changed since it was verified"
        raise CorruptExportError(msg)
