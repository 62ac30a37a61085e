"""Validated settings, in the types that the tap works with."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tap_cxone.config import values
from tap_cxone.config.access import Access
from tap_cxone.config.batches import BatchSettings
from tap_cxone.config.schema import DEFAULTS, SETTINGS
from tap_cxone.dates import format_date, utc_now
from tap_cxone.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

FILES = ("journal_path", "audit_log_path", "quarantine_path")
"""The settings that name files to which a run appends."""


@dataclass(frozen=True)
class Settings:
    """Validated settings. Dates are aware UTC; durations are ``timedelta``, or seconds where the name says so.

    Attributes:
        access: addresses of the platform, and the credentials to call it with.
        start_date: start of the first run.
        end_date: end of this run (exclusive), never later than now minus ``settle``.
        window: length of one analytics export.
        extraction_window: length of one Data Extraction job.
        lookback: how far before the bookmark a run starts.
        settle: delay until the platform can export an event.
        submit_interval: minimum seconds between the creation of two Data Extraction jobs.
        export_filter: filter expression of analytics exports.
        export_format: format of analytics exports, json or csv.
        export_compression: compression of analytics exports, gzip or none.
        poll_seconds: maximum seconds between two status checks of a job.
        timeout_seconds: seconds after which an unfinished job counts as failed.
        max_concurrent_exports: maximum number of active jobs.
        journal_path: job journal; None: jobs are recorded in the state only.
        work_dir: folder in which the work folder is created; None: that of the system.
        work_dir_max_bytes: size of the verified files from which no further window is verified ahead.
        audit_log_path: audit log; None: events go to the log only.
        quarantine_path: file for rejected records; None: they are not kept.
        sample_size: number of records per window that the audit log keeps as a sample.
        new_columns: what happens to columns that the catalog does not have, add or ignore.
        tenant: label of the tenant; None: the tenant ID of the token, else the host.
        orchestrator_run_id: id of the run in an orchestrator; None if it has none.
        trust_state: whether a state of another platform or tenant is accepted.
        batches: where batch files are written; None: records are written as RECORD messages.
    """

    access: Access
    start_date: datetime
    end_date: datetime
    window: timedelta
    extraction_window: timedelta
    lookback: timedelta
    settle: timedelta
    submit_interval: float
    export_filter: str
    export_format: str
    export_compression: str
    poll_seconds: float
    timeout_seconds: float
    max_concurrent_exports: int
    journal_path: str | None
    work_dir: str | None
    work_dir_max_bytes: int
    audit_log_path: str | None
    quarantine_path: str | None
    sample_size: int
    new_columns: str
    tenant: str | None
    orchestrator_run_id: str | None
    trust_state: bool
    batches: BatchSettings | None

    @classmethod
    def from_config(cls, config: Mapping[str, Any], now: datetime | None = None) -> Settings:
        """Check a configuration.

        Args:
            config: settings as the user gave them; missing and empty ones get their defaults.
            now: the current time, aware; read from the clock by default.

        Raises:
            SettingsError: a setting is missing or invalid. The message names it and contains no secret.
        """
        config = DEFAULTS | {name: value for name, value in config.items() if value not in (None, "")}
        settle = timedelta(minutes=values.whole_number(config, "settle_minutes"))
        start, end = _date_range(config, (now or utc_now()) - settle)
        _check_files(config)
        return cls(
            access=Access.from_config(config),
            start_date=start,
            end_date=end,
            window=timedelta(days=values.whole_number(config, "window_days")),
            extraction_window=timedelta(days=values.whole_number(config, "extraction_window_days")),
            lookback=timedelta(minutes=values.whole_number(config, "lookback_minutes")),
            settle=settle,
            submit_interval=float(values.whole_number(config, "submit_interval")),
            export_filter=values.text(config, "export_filter"),
            export_format=values.choice(config, "export_format"),
            export_compression=values.choice(config, "export_compression"),
            poll_seconds=float(values.whole_number(config, "poll_interval")),
            timeout_seconds=float(values.whole_number(config, "export_timeout")),
            max_concurrent_exports=values.whole_number(config, "max_concurrent_exports"),
            journal_path=values.optional_text(config, "journal_path"),
            work_dir=values.optional_text(config, "work_dir"),
            work_dir_max_bytes=values.whole_number(config, "work_dir_max_mib") << 20,
            audit_log_path=values.optional_text(config, "audit_log_path"),
            quarantine_path=values.optional_text(config, "quarantine_path"),
            sample_size=values.whole_number(config, "sample_size"),
            new_columns=values.choice(config, "new_columns"),
            tenant=values.optional_text(config, "tenant"),
            orchestrator_run_id=values.optional_text(config, "orchestrator_run_id"),
            trust_state=values.boolean(config, "trust_state"),
            batches=BatchSettings.from_config(config),
        )


def _check_files(config: Mapping[str, Any]) -> None:
    """Raise SettingsError if two settings name the same file: its lines would be mixed."""
    settings: dict[str, str] = {}
    for name in FILES:
        if path := values.optional_text(config, name):
            other = settings.setdefault(os.path.abspath(os.path.expanduser(path)), name)  # noqa: PTH100, PTH111 - any text
            if other != name:
                msg = f"Settings '{other}' and '{name}' name the same file: give each a file of its own."
                raise SettingsError(msg)


def normalise(config: MutableMapping[str, Any]) -> None:
    """Convert text from environment variables to the types that the SDK's own code expects; drop empty settings.

    Dates get the form of bookmarks, because the SDK compares ``start_date`` with bookmarks as text.

    Args:
        config: the configuration; changed in place.

    Raises:
        SettingsError: a value is not of its setting's type.
    """
    for name in [name for name, value in config.items() if value in (None, "")]:
        del config[name]
    for name in SETTINGS:
        parse = values.typed_parser(name)
        if parse and name in config:
            config[name] = parse(config, name)
        elif name in config and SETTINGS[name].get("format") == "date-time":
            config[name] = format_date(values.date(config, name))


def check_flattening(config: Mapping[str, Any]) -> None:
    """Raise SettingsError if the SDK's flattening is switched on without its depth: the SDK's error is no sentence."""
    if config.get("flattening_enabled") and config.get("flattening_max_depth") is None:
        msg = "Setting 'flattening_max_depth' is missing: 'flattening_enabled' needs the number of levels to flatten."
        raise SettingsError(msg)


def _date_range(config: Mapping[str, Any], latest_end: datetime) -> tuple[datetime, datetime]:
    """Return start and end of a run; the end is at most ``latest_end``.

    Later events may not be exportable yet, and the bookmark would move past them.
    """
    if "start_date" not in config:
        msg = "Setting 'start_date' is missing: give the ISO 8601 date at which the first run begins."
        raise SettingsError(msg)
    start = values.date(config, "start_date")
    if "end_date" not in config:
        return start, latest_end
    end = values.date(config, "end_date")
    if end < start:
        msg = f"Setting 'end_date' ({format_date(end)}) is before 'start_date' ({format_date(start)})."
        raise SettingsError(msg)
    return start, min(end, latest_end)
