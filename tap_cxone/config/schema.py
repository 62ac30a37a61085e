"""The settings as users meet them: names, titles, descriptions, defaults, and the bounds of numbers.

``PROPERTIES`` is the one source: ``--about``, meltano.yml, .env.example and the README are held against it by a test.
"""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

from tap_cxone.config.entities import MAX_WINDOW_DAYS as MAX_EXTRACTION_WINDOW_DAYS

MAX_WINDOW_DAYS = 30
"""The platform refuses an export over a longer range (platform contract, analytics export surface)."""

MAX_CONCURRENT_EXPORTS = 3
"""Active exports that the platform grants an organisation (platform contract, analytics export surface)."""

AUTH_METHODS = ("client_credentials", "access_key", "password")
API_URL = "https://api.nicecxone.com"
"""The analytics export surface."""
FORMATS = ("json", "csv")
COMPRESSIONS = ("gzip", "none")

PROPERTIES = th.PropertiesList(
    th.Property(
        "auth_method",
        th.StringType,
        default="client_credentials",
        allowed_values=list(AUTH_METHODS),
        title="Authentication",
        description="How a token is got: client_credentials, access_key or password (an access key with a client).",
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
        description="Where the token endpoint and the API are discovered (password); FedRAMP has one of its own.",
    ),
    th.Property(
        "api_url",
        th.StringType,
        title="API URL",
        description="Base URL of the API. Default: https://api.nicecxone.com; with access_key the region's host; with "
        "password what is discovered.",
    ),
    th.Property(
        "auth_url",
        th.StringType,
        title="Token URL",
        description="Token endpoint. Default: {api_url}/oauth/token; with access_key that of the region; with password "
        "what is discovered.",
    ),
    th.Property(
        "start_date",
        th.DateTimeType,
        required=True,
        title="Start date",
        description="Where the first run begins: any ISO 8601 date; without an offset it is UTC.",
    ),
    th.Property(
        "end_date",
        th.DateTimeType,
        title="End date",
        description="Where a run ends (exclusive). Default, and never later than: now minus settle_minutes.",
    ),
    th.Property(
        "window_days",
        th.IntegerType,
        default=30,
        title="Window (days)",
        description="Length of one analytics export in days: more than 0, at most 30.",
    ),
    th.Property(
        "extraction_window_days",
        th.IntegerType,
        default=1,
        title="Data Extraction window (days)",
        description="Length of one Data Extraction job in days: 1 to 14.",
    ),
    th.Property(
        "submit_interval",
        th.IntegerType,
        default=30,
        title="Submit interval (seconds)",
        description="Least time between the creation of two Data Extraction jobs, which the platform asks for.",
    ),
    th.Property(
        "data_extraction_entities",
        th.ArrayType(th.ObjectType(additional_properties=True)),
        title="Data Extraction entities",
        description="Further entities of the Data Extraction API, or other versions of the known ones, as a JSON list.",
    ),
    th.Property(
        "lookback_minutes",
        th.IntegerType,
        default=0,
        title="Look-back (minutes)",
        description="How far before the bookmark each run reads again, for late events.",
    ),
    th.Property(
        "settle_minutes",
        th.IntegerType,
        default=30,
        title="Settling time (minutes)",
        description="How long the platform needs until an event can be exported.",
    ),
    th.Property(
        "export_filter",
        th.StringType,
        default="type eq 'bot'",
        title="Export filter",
        description="Filter of the export query.",
    ),
    th.Property(
        "export_format",
        th.StringType,
        default="json",
        allowed_values=list(FORMATS),
        title="Export format",
        description="Format that the platform is asked for: json or csv.",
    ),
    th.Property(
        "export_compression",
        th.StringType,
        default="gzip",
        allowed_values=list(COMPRESSIONS),
        title="Export compression",
        description="Compression that the platform is asked for: gzip or none.",
    ),
    th.Property(
        "poll_interval",
        th.IntegerType,
        default=5,
        title="Poll interval (seconds)",
        description="Longest time between two looks at a job; the first looks come quickly and grow to it.",
    ),
    th.Property(
        "export_timeout",
        th.IntegerType,
        default=3600,
        title="Export timeout (seconds)",
        description="Time until a job that has not finished counts as failed.",
    ),
    th.Property(
        "max_concurrent_exports",
        th.IntegerType,
        default=3,
        title="Concurrent exports",
        description="Export jobs of this tap that may be active at once: 1 to 3.",
    ),
    th.Property(
        "journal_path",
        th.StringType,
        title="Job journal",
        description="JSON Lines file that remembers jobs across a crash. Default: only the state remembers them.",
    ),
    th.Property(
        "audit_log_path",
        th.StringType,
        title="Audit log",
        description="JSON Lines file of what was exported. Default: the same events go to the log only.",
    ),
    th.Property(
        "quarantine_path",
        th.StringType,
        title="Quarantine",
        description="JSON Lines file for refused records. Default: they are counted and named, not kept.",
    ),
    th.Property(
        "sample_size",
        th.IntegerType,
        default=0,
        title="Sample size",
        description="Records of each window kept in the audit log as a sample for receivers of the webhook.",
    ),
    th.Property(
        "sandbox",
        th.BooleanType,
        default=False,
        title="Sandbox",
        description="Run against the simulated platform, started inside the process; needs no credentials.",
    ),
)

JSONSCHEMA: dict[str, Any] = PROPERTIES.to_dict()
DEFAULTS: dict[str, Any] = {
    name: spec["default"] for name, spec in JSONSCHEMA["properties"].items() if "default" in spec
}

MINIMUMS = {
    "window_days": 1,
    "lookback_minutes": 0,
    "settle_minutes": 0,
    "extraction_window_days": 1,
    "submit_interval": 0,
    "poll_interval": 1,
    "export_timeout": 1,
    "max_concurrent_exports": 1,
    "sample_size": 0,
}
"""Whole numbers, with the least that each may be."""
MAXIMUMS = {
    "window_days": MAX_WINDOW_DAYS,
    "extraction_window_days": MAX_EXTRACTION_WINDOW_DAYS,
    "max_concurrent_exports": MAX_CONCURRENT_EXPORTS,
}
