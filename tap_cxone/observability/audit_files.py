"""Several audit logs, read as one: finds the files that paths, folders and patterns name, and merges them by time."""

from __future__ import annotations

import contextlib
import glob
import heapq
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tap_cxone.errors import CxoneError
from tap_cxone.observability.audit_reader import audit_log_file, check_audit_log, is_audit_log, open_audit_log
from tap_cxone.observability.list_settings import split_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tap_cxone.observability.audit_reader import Entry

SETTING = "audit_log_path"
PATHS_HELP = (
    "Audit log of the tap: a file, a folder (for its *.jsonl), or a pattern; may be given several times. The variable "
    "takes several separated by white space, or a JSON array."
)
"""Help text of the option ``--audit-log-path`` of the companion commands."""
_POSITION_BITS = 44
"""An offset holds the number of the file above these bits, and the position in the file (up to 16 TiB) in them."""


def split_audit_log_paths(text: str) -> list[str]:
    """Split the setting ``audit_log_path``: one path, several separated by white space, or a JSON array.

    A text that names something as a whole is one path, so a path may contain white space.

    Raises:
        SettingsError: it begins like a JSON array, but is not one of strings.
    """
    with contextlib.suppress(CxoneError, OSError, ValueError):
        if find_audit_logs([text], only_existing=True):
            return [text]
    return split_list(text, SETTING)


def find_audit_logs(paths: Iterable[str], *, only_existing: bool = False) -> list[Path]:
    """Return the audit logs that some paths name, each once, with links resolved.

    A folder stands for the ``*.jsonl`` files in it, and a pattern such as ``logs/**/*.jsonl`` for what it matches. Of
    those, files that do not begin like an audit log are left out: the quarantine may lie beside it.

    Args:
        paths: files, folders and patterns. A file need not exist, unless it is looked for in a folder or by a pattern.
        only_existing: leave out files that do not exist.

    Returns:
        The files in the order of the paths; those of one folder or pattern by name.

    Raises:
        CxoneError: no file can have this path, or one cannot be read.
    """
    found: dict[Path, None] = {}
    for text in paths:
        try:
            found |= dict.fromkeys(_named_by(text, only_existing=only_existing))
        except OSError as err:
            msg = f"Setting '{SETTING}': a file cannot be read ({err.strerror})."
            raise CxoneError(msg) from err
    return list(found)


def missing_log(paths: Sequence[Path]) -> str:
    """Return why an audit log is missing, as a sentence without a full stop.

    Args:
        paths: the files, as ``find_audit_logs`` returns them.
    """
    if not paths:
        return f"Setting '{SETTING}': no audit log matches it"
    return f"Setting '{SETTING}': the file {str(paths[0])!r} does not exist"


def _named_by(text: str, *, only_existing: bool) -> Iterator[Path]:
    path = audit_log_file(text)
    if path.is_dir():
        yield from _in_folder(path)
    elif path.exists():
        check_audit_log(str(path))
        yield path
    elif glob.has_magic(text):
        yield from _matching(str(Path(text).expanduser()))
    elif not only_existing:
        yield path


class AuditLogs:
    """Open audit logs, read as one.

    The events are in the order of their time; those of one file are always in the order of the file. A line is
    identified by an offset, which of a single file is its position in bytes.

    Args:
        files: the files.
    """

    def __init__(self, files: Sequence[BinaryIO]) -> None:
        self.files = files

    def entries(self, read: Callable[[BinaryIO, int], Iterator[Entry]]) -> Iterator[Entry]:
        """Yield the events of all files.

        Args:
            read: reads a file, which is at its beginning; the second argument is the offset of its first line.
        """
        readers = []
        for number, file in enumerate(self.files):
            file.seek(0)
            readers.append(read(file, number << _POSITION_BITS))
        return readers[0] if len(readers) == 1 else heapq.merge(*readers, key=_logged_at)

    def locate(self, offset: int) -> tuple[BinaryIO, int]:
        """Return the file of a line, and its position there in bytes."""
        return self.files[file_number(offset)], offset % (1 << _POSITION_BITS)

    def describe(self, offset: int) -> str:
        """Return where a line begins, for use in messages."""
        file, position = self.locate(offset)
        return f"byte {position}" if len(self.files) == 1 else f"byte {position} of {Path(file.name).name}"


def file_number(offset: int) -> int:
    """Return the index of the file of a line among the ``files`` of the audit logs."""
    return offset >> _POSITION_BITS


@contextlib.contextmanager
def open_audit_logs(paths: Iterable[Path]) -> Iterator[AuditLogs]:
    """Open audit logs for reading; files that do not exist are left out.

    Raises:
        CxoneError: a file cannot be read.
    """
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(open_audit_log(path)) for path in paths]
        yield AuditLogs([file for file in files if file])


def _logged_at(entry: Entry) -> str:
    return entry.event.logged_at


def _in_folder(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.glob("*.jsonl")):
        if path.is_file() and is_audit_log(path):
            yield path.resolve()


def _matching(pattern: str) -> Iterator[Path]:
    """Yield the audit logs that a pattern matches, and those in the folders that it matches."""
    for path in map(Path, sorted(glob.glob(pattern, recursive=True))):  # noqa: PTH207 - Path.glob needs a relative pattern
        if path.is_dir():
            yield from _in_folder(path)
        elif path.is_file() and is_audit_log(path):
            yield path.resolve()
