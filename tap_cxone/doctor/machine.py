"""Checks of this machine: whether the folders of the settings are writable and large enough. Nothing is written."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tap_cxone.config.settings import FILES
from tap_cxone.doctor.findings import Finding, ok, problem
from tap_cxone.errors import CxoneError
from tap_cxone.observability.audit_reader import check_audit_log
from tap_cxone.observability.formatting import size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_cxone.config.settings import Settings


def check_work_dir(settings: Settings) -> Finding:
    """Check the folder of downloaded and verified files."""
    check = "work_dir"
    folder, limit = Path(settings.work_dir or tempfile.gettempdir()), settings.work_dir_max_bytes
    if reason := _not_writable(folder):
        return problem(check, f"{reason}: name another folder in the setting 'work_dir'")
    free = shutil.disk_usage(_existing(folder)).free
    if free < limit:
        return problem(
            check,
            f"{folder} has {size(free)} free, less than the {size(limit)} that a run may need: free space, or lower "
            "'work_dir_max_mib'",
        )
    return ok(check, f"{folder} is writable, {size(free)} free")


def check_files(settings: Settings) -> Iterator[Finding]:
    """Check the files that a run appends to."""
    for setting in FILES:
        if name := getattr(settings, setting):
            try:
                if setting == "audit_log_path":
                    check_audit_log(name)
                yield _check_file(setting, Path(name).expanduser().resolve())
            except CxoneError as err:
                yield problem(setting, err.message)
            except (OSError, ValueError, RuntimeError):  # an unknown user, a NUL, a name that is too long
                yield problem(setting, f"the path {name!r} is not usable: name another file")


def _check_file(setting: str, path: Path) -> Finding:
    if path.is_dir():
        return problem(setting, f"{path} is a folder: name a file in it")
    if path.exists():
        if os.access(path, os.R_OK | os.W_OK):
            return ok(setting, f"{path} is writable")
        return problem(setting, f"{path}: this user may not read and write it")
    if reason := _not_writable(path.parent):
        return problem(setting, f"{path} cannot be created: {reason}")
    return ok(setting, f"{path} can be created")


def _not_writable(folder: Path) -> str | None:
    """Return why a folder cannot be written to, or created; None if it can."""
    existing = _existing(folder)
    if not existing.is_dir():
        return f"{existing} is not a folder"
    if not os.access(existing, os.W_OK | os.X_OK):
        return f"this user may not write to {existing}"
    return None


def _existing(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that exists."""
    return next((place for place in (folder, *folder.parents) if place.exists()), Path(folder.anchor))
