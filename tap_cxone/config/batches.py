"""The SDK's setting ``batch_config``: BATCH messages instead of RECORD messages, for targets that read them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_cxone.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTING = "batch_config"
DEFAULT_BATCH_SIZE = 10_000
"""Records in a file; the SDK's default."""
_PARTS = {"encoding", "storage", "batch_size"}


@dataclass(frozen=True)
class BatchSettings:
    """Where batch files are written: gzip-compressed JSON Lines in a local folder.

    Attributes:
        folder: the folder.
        prefix: beginning of the names of the files.
        size: maximum number of records in a file.
    """

    folder: Path
    prefix: str
    size: int

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> BatchSettings | None:
        """Return the settings for batches, or None if ``batch_config`` is not set.

        Raises:
            SettingsError: it asks for something else than gzip-compressed JSON Lines in a local folder.
        """
        raw = config.get(SETTING)
        if not raw:
            return None
        if not isinstance(raw, dict) or not raw.keys() <= _PARTS:
            msg = f"Setting '{SETTING}' must be an object with 'encoding', 'storage' and, if need be, 'batch_size'."
            raise SettingsError(msg)
        encoding, storage = raw.get("encoding"), raw.get("storage")
        if encoding != {"format": "jsonl", "compression": "gzip"}:
            msg = f'Setting \'{SETTING}\': \'encoding\' must be {{"format": "jsonl", "compression": "gzip"}}.'
            raise SettingsError(msg)
        if not isinstance(storage, dict) or any(storage[name] for name in storage.keys() - {"root", "prefix"}):
            msg = f"Setting '{SETTING}': 'storage' must be an object with 'root' and, if need be, 'prefix'."
            raise SettingsError(msg)
        return cls(_folder(storage.get("root")), _prefix(storage.get("prefix") or ""), _size(raw.get("batch_size")))


def _folder(root: object) -> Path:
    path = root.removeprefix("file://") if isinstance(root, str) and root.startswith("file:///") else ""
    if not path or "\0" in path:
        msg = f"Setting '{SETTING}': 'root' must be a local folder as a URL, such as file:///var/lib/cxone/batches."
        raise SettingsError(msg)
    return Path(path)  # targets of the SDK decode no percent escapes, either


def _prefix(prefix: object) -> str:
    if not isinstance(prefix, str) or "/" in prefix or "\\" in prefix or "\0" in prefix:
        msg = f"Setting '{SETTING}': 'prefix' must be the beginning of a file name, without slashes."
        raise SettingsError(msg)
    return prefix


def _size(size: object) -> int:
    if size is None:
        return DEFAULT_BATCH_SIZE
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        msg = f"Setting '{SETTING}': 'batch_size' must be a whole number of at least 1."
        raise SettingsError(msg)
    return size
