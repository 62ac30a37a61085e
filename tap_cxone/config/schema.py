"""The settings schema: names, titles, descriptions, defaults, bounds and allowed values.

``PROPERTIES`` is the single source. A test compares ``--about``, meltano.yml, .env.example and the README with it.
"""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

MAX_WINDOW_DAYS = 30
"""The platform rejects an export of a longer range (platform contract, analytics export surface)."""
MAX_EXTRACTION_WINDOW_DAYS = 14
"""The vendor recommends at most two weeks per Data Extraction job."""
MAX_CONCURRENT_EXPORTS = 3
"""Active exports that the platform grants an organisation (platform contract, analytics export surface)."""
MAX_WHOLE_NUMBER = 10**9
"""Upper bound of all other numbers. It keeps date arithmetic from overflowing: two thousand years, in minutes."""

PROPERTIES = th.PropertiesList(
    th.Property(
        "auth_method",
        th.StringType,
        default="client_credentials",
        allowed_values=["client_credentials", "access_key", "password"],
        title="Authentication method",
        description="Authentication method: client_credentials, access_key or password (access key and OAuth client).",
    ),
    th.Property(
        "client_id",
        th.StringType,
        title="Client ID",
        description="OAuth 2.0 client ID (client_credentials, password).",
        secret=True,
    ),
    th.Property(
        "client_secret",
        th.StringType,
        title="Client secret",
        description="OAuth 2.0 client secret (client_credentials, password).",
        secret=True,
    ),
    th.Property(
        "access_key_id",
        th.StringType,
        title="Access key ID",
        description="ID of a CXone user's access key (access_key, password).",
        secret=True,
    ),
    th.Property(
        "access_key_secret",
        th.StringType,
        title="Access key secret",
        description="Secret of the access key (access_key, password).",
        secret=True,
    ),
    th.Property(
        "region",
        th.StringType,
        title="Region",
        description="Region of the tenant, such as na1, au1, eu1 or uk1 (access_key).",
    ),
    th.Property(
        "issuer",
        th.StringType,
        default="https://cxone.niceincontact.com",
        title="Issuer",
        description="Issuer used to discover the token endpoint and the API (password). FedRAMP has its own.",
    ),
    th.Property(
        "api_url",
        th.StringType,
        title="API URL",
        description="Base URL of the API. Default: https://api.nicecxone.com; with access_key the region's host; with "
        "password the discovered URL.",
    ),
    th.Property(
        "auth_url",
        th.StringType,
        title="Token URL",
        description="Token endpoint. Default: {api_url}/oauth/token; with access_key that of the region; with password "
        "the discovered one.",
    ),
    th.Property(
        "start_date",
        th.DateTimeType,
        required=True,
        title="Start date",
        description="Start of the first run: an ISO 8601 date, UTC unless it has an offset.",
    ),
    th.Property(
        "end_date",
        th.DateTimeType,
        title="End date",
        description="End of a run (exclusive). Default and upper limit: now minus settle_minutes.",
    ),
    th.Property(
        "window_days",
        th.IntegerType(minimum=1, maximum=MAX_WINDOW_DAYS),
        default=30,
        title="Window (days)",
        description="Length of one analytics export in days: 1 to 30.",
    ),
    th.Property(
        "extraction_window_days",
        th.IntegerType(minimum=1, maximum=MAX_EXTRACTION_WINDOW_DAYS),
        default=1,
        title="Data Extraction window (days)",
        description="Length of one Data Extraction job in days: 1 to 14.",
    ),
    th.Property(
        "submit_interval",
        th.IntegerType(minimum=0, maximum=MAX_WHOLE_NUMBER),
        default=30,
        title="Submit interval (seconds)",
        description="Minimum time between creating two Data Extraction jobs, as the platform requires.",
    ),
    th.Property(
        "data_extraction_entities",
        th.ArrayType(th.ObjectType(additional_properties=True)),
        title="Data Extraction entities",
        description="Additional Data Extraction entities, or other versions of the built-in ones, as a JSON list.",
    ),
    th.Property(
        "lookback_minutes",
        th.IntegerType(minimum=0, maximum=MAX_WHOLE_NUMBER),
        default=0,
        title="Lookback (minutes)",
        description="How far before the bookmark each run starts, to include late events.",
    ),
    th.Property(
        "settle_minutes",
        th.IntegerType(minimum=0, maximum=MAX_WHOLE_NUMBER),
        default=30,
        title="Settling time (minutes)",
        description="Events younger than this are left for the next run.",
    ),
    th.Property(
        "export_filter",
        th.StringType,
        default="type eq 'bot'",
        title="Export filter",
        description="Filter expression of analytics exports.",
    ),
    th.Property(
        "export_format",
        th.StringType,
        default="json",
        allowed_values=["json", "csv"],
        title="Export format",
        description="Format of analytics exports: json or csv.",
    ),
    th.Property(
        "export_compression",
        th.StringType,
        default="gzip",
        allowed_values=["gzip", "none"],
        title="Export compression",
        description="Compression of analytics exports: gzip or none.",
    ),
    th.Property(
        "poll_interval",
        th.IntegerType(minimum=1, maximum=MAX_WHOLE_NUMBER),
        default=5,
        title="Poll interval (seconds)",
        description="Longest pause between two status checks of a job; the first pauses are shorter.",
    ),
    th.Property(
        "export_timeout",
        th.IntegerType(minimum=1, maximum=MAX_WHOLE_NUMBER),
        default=3600,
        title="Export timeout (seconds)",
        description="Time after which an unfinished job counts as failed.",
    ),
    th.Property(
        "max_concurrent_exports",
        th.IntegerType(minimum=1, maximum=MAX_CONCURRENT_EXPORTS),
        default=3,
        title="Concurrent exports",
        description="Maximum number of active export jobs: 1 to 3.",
    ),
    th.Property(
        "journal_path",
        th.StringType,
        title="Job journal",
        description="JSON Lines file that records jobs across crashes. Default: only the state records them.",
    ),
    th.Property(
        "work_dir",
        th.StringType,
        title="Work folder",
        description="Folder for downloaded and verified files until they are emitted. "
        "Default: the system's folder for temporary files.",
    ),
    th.Property(
        "work_dir_max_mib",
        th.IntegerType(minimum=1, maximum=MAX_WHOLE_NUMBER),
        default=4096,
        title="Work folder limit (MiB)",
        description="From this total size of verified files on, no window is read ahead. A larger download ends the "
        "run.",
    ),
    th.Property(
        "audit_log_path",
        th.StringType,
        title="Audit log",
        description="JSON Lines file that records what was exported. Default: the same events go to the log only.",
    ),
    th.Property(
        "quarantine_path",
        th.StringType,
        title="Quarantine",
        description="JSON Lines file for rejected records. Default: they are counted and logged, but not kept.",
    ),
    th.Property(
        "sample_size",
        th.IntegerType(minimum=0, maximum=MAX_WHOLE_NUMBER),
        default=0,
        title="Sample size",
        description="Number of records per window that the audit log keeps as a sample for webhook receivers.",
    ),
    th.Property(
        "new_columns",
        th.StringType,
        default="add",
        allowed_values=["add", "ignore"],
        title="New columns",
        description="Columns that only the file has: add those that are not left out, or ignore all of them.",
    ),
    th.Property(
        "tenant",
        th.StringType,
        title="Tenant label",
        description="Label of the tenant in logs, webhooks and report. "
        "Default: the tenant ID of the token, or the host.",
    ),
    th.Property(
        "orchestrator_run_id",
        th.StringType,
        title="Orchestrator's run ID",
        description="ID of the run in your orchestrator: any text. Every event in the audit log has it.",
    ),
    th.Property(
        "trust_state",
        th.BooleanType,
        default=False,
        title="Trust state",
        description="Accept a state of another platform or tenant in one run, and bind it to this one.",
    ),
    th.Property(
        "sandbox",
        th.BooleanType,
        default=False,
        title="Sandbox",
        description="Run against the simulated platform, started inside this process; needs no credentials.",
    ),
)

JSONSCHEMA: dict[str, Any] = PROPERTIES.to_dict()
SETTINGS: dict[str, dict[str, Any]] = JSONSCHEMA["properties"]
"""JSON Schema of each setting by name, in the order of the documentation."""
DEFAULTS: dict[str, Any] = {name: spec["default"] for name, spec in SETTINGS.items() if "default" in spec}
