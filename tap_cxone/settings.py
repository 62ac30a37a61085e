"""The settings: what they are called, what they mean, and which combinations are impossible.

``PROPERTIES`` is the one source of names, titles, descriptions and defaults (``--about``, meltano.yml, .env.example
and the README are held against it by a test); ``Settings`` is the checked form that the rest of the tap works with.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from singer_sdk import typing as th

from tap_cxone.dates import format_date, parse_date, utc_now
from tap_cxone.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

MAX_WINDOW_DAYS = 30
"""The platform refuses an export over a longer range (platform contract, analytics export surface)."""

MAX_CONCURRENT_EXPORTS = 3
"""Active exports that the platform grants an organisation (platform contract, analytics export surface)."""

FORMATS = ("json", "csv")
COMPRESSIONS = ("gzip", "none")

PROPERTIES = th.PropertiesList(
    th.Property(
        "client_id",
        th.StringType,
        title="Client ID",
        description="OAuth 2.0 client ID (client credentials).",
        secret=True,
    ),
    th.Property(
        "client_secret",
        th.StringType,
        title="Client secret",
        description="OAuth 2.0 client secret (client credentials).",
        secret=True,
    ),
    th.Property(
        "api_url",
        th.StringType,
        default="https://api.nicecxone.com",
        title="API URL",
        description="Base URL of the API.",
    ),
    th.Property(
        "auth_url",
        th.StringType,
        title="Token URL",
        description="OAuth 2.0 token endpoint. Default: {api_url}/oauth/token.",
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
        description="Length of one export in days: more than 0, at most 30.",
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

_LEAST = {
    "window_days": 1,
    "lookback_minutes": 0,
    "settle_minutes": 0,
    "poll_interval": 1,
    "export_timeout": 1,
    "max_concurrent_exports": 1,
    "sample_size": 0,
}
_MOST = {"window_days": MAX_WINDOW_DAYS, "max_concurrent_exports": MAX_CONCURRENT_EXPORTS}
_WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_NOT_IN_A_URL = re.compile(r"[\s?#\\]")
_WHOLE_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,20}\s*")
_UNBOUNDED = 10**9  # keeps date arithmetic away from overflow; about two thousand years of minutes


@dataclass(frozen=True)
class Settings:
    """Checked settings. Dates are aware UTC, durations are ``timedelta`` or seconds, as their names say."""

    client_id: str
    client_secret: str
    api_url: str
    auth_url: str
    start_date: datetime
    end_date: datetime
    window: timedelta
    lookback: timedelta
    export_filter: str
    export_format: str
    export_compression: str
    poll_seconds: float
    timeout_seconds: float
    max_concurrent_exports: int
    journal_path: str | None
    audit_log_path: str | None
    quarantine_path: str | None
    sample_size: int
    sandbox: bool

    @classmethod
    def from_config(cls, config: Mapping[str, Any], now: datetime | None = None) -> Settings:
        """Check a configuration.

        Args:
            config: what the user gave; defaults are filled in here.
            now: the present, aware; default the clock's.

        Raises:
            SettingsError: a setting is missing or impossible. The message names it and holds no secret.
        """
        given = DEFAULTS | {name: value for name, value in config.items() if value not in (None, "")}
        sandbox = _boolean(given, "sandbox")
        api_url = _url(given, "api_url")
        settled = (now or utc_now()) - timedelta(minutes=_whole_number(given, "settle_minutes"))
        start, end = _range(given, settled)
        return cls(
            client_id=_credential(given, "client_id", needed=not sandbox),
            client_secret=_credential(given, "client_secret", needed=not sandbox),
            api_url=api_url,
            auth_url=_url(given, "auth_url") if "auth_url" in given else f"{api_url}/oauth/token",
            start_date=start,
            end_date=end,
            window=timedelta(days=_whole_number(given, "window_days")),
            lookback=timedelta(minutes=_whole_number(given, "lookback_minutes")),
            export_filter=_text(given, "export_filter"),
            export_format=_choice(given, "export_format", FORMATS),
            export_compression=_choice(given, "export_compression", COMPRESSIONS),
            poll_seconds=float(_whole_number(given, "poll_interval")),
            timeout_seconds=float(_whole_number(given, "export_timeout")),
            max_concurrent_exports=_whole_number(given, "max_concurrent_exports"),
            journal_path=_text(given, "journal_path") if "journal_path" in given else None,
            audit_log_path=_text(given, "audit_log_path") if "audit_log_path" in given else None,
            quarantine_path=_text(given, "quarantine_path") if "quarantine_path" in given else None,
            sample_size=_whole_number(given, "sample_size"),
            sandbox=sandbox,
        )


def normalise(config: MutableMapping[str, Any]) -> None:
    """Bring the texts that environment variables are into the types that the SDK's own code expects.

    The SDK compares ``start_date`` with bookmarks as text, so it gets the form that bookmarks have.

    Raises:
        SettingsError: a value is not of its setting's kind.
    """
    for name in [name for name, value in config.items() if value in (None, "")]:
        del config[name]
    for name in _LEAST.keys() & config.keys():
        config[name] = _whole_number(config, name)
    for name in {"start_date", "end_date"} & config.keys():
        config[name] = format_date(_date(config, name))
    if "sandbox" in config:
        config["sandbox"] = _boolean(config, "sandbox")


def _range(given: Mapping[str, Any], settled: datetime) -> tuple[datetime, datetime]:
    if "start_date" not in given:
        msg = "Setting 'start_date' is missing: give the ISO 8601 date at which the first run begins."
        raise SettingsError(msg)
    start = _date(given, "start_date")
    if "end_date" not in given:
        return start, settled
    end = _date(given, "end_date")
    if end < start:
        msg = f"Setting 'end_date' ({format_date(end)}) is before 'start_date' ({format_date(start)})."
        raise SettingsError(msg)
    # Beyond this point events may still be on their way, and the bookmark would pass them.
    return start, min(end, settled)


def _date(given: Mapping[str, Any], name: str) -> datetime:
    value = given[name]
    if isinstance(value, str):
        try:
            return parse_date(value)
        except ValueError:
            pass
    msg = f"Setting '{name}' must be an ISO 8601 date such as 2024-01-01 or 2024-01-01T00:00:00Z, not {value!r}."
    raise SettingsError(msg)


def _whole_number(given: Mapping[str, Any], name: str) -> int:
    value, least, most = given[name], _LEAST[name], _MOST.get(name, _UNBOUNDED)
    try:
        # As a text it takes the one form that the SDK reads from the environment as well.
        if isinstance(value, bool) or (isinstance(value, str) and not _WHOLE_NUMBER.fullmatch(value)):
            raise ValueError  # noqa: TRY301 - joins the refusals below
        number = Decimal(str(value).strip())
        if number != number.to_integral_value() or not least <= number <= most:
            raise ValueError  # noqa: TRY301
    except (ArithmeticError, ValueError):
        wanted = f"from {least} to {most}"
        shown = repr(value) if isinstance(value, str) else value
        msg = f"Setting '{name}' must be a whole number {wanted}, not {shown}."
        raise SettingsError(msg) from None
    return int(number)


def _boolean(given: Mapping[str, Any], name: str) -> bool:
    value = _WORDS.get(str(given[name]).lower())
    if value is None:
        msg = f"Setting '{name}' must be true or false, not {given[name]!r}."
        raise SettingsError(msg)
    return value


def _choice(given: Mapping[str, Any], name: str, choices: tuple[str, ...]) -> str:
    if given[name] not in choices:
        msg = f"Setting '{name}' must be one of {', '.join(choices)}, not {given[name]!r}."
        raise SettingsError(msg)
    return str(given[name])


def _text(given: Mapping[str, Any], name: str) -> str:
    if not isinstance(given[name], str):
        msg = f"Setting '{name}' must be a text."
        raise SettingsError(msg)
    _check_unicode(given[name], name)
    return str(given[name])


def _check_unicode(text: str, name: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:  # bytes of an environment variable that are no UTF-8
        msg = f"Setting '{name}' must be a text in UTF-8."
        raise SettingsError(msg) from None


def _url(given: Mapping[str, Any], name: str) -> str:
    text = _text(given, name).strip().rstrip("/")
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or _NOT_IN_A_URL.search(text) or "@" in parts.netloc:
        # The value is not quoted: a URL may carry a password.
        msg = (
            f"Setting '{name}' must be a URL such as https://api.nicecxone.com, without a user, a password, a query or "
            "a fragment in it."
        )
        raise SettingsError(msg)
    return text


def _credential(given: Mapping[str, Any], name: str, *, needed: bool) -> str:
    if name not in given:
        if needed:
            msg = f"Setting '{name}' is missing: give the OAuth client's credentials, or set 'sandbox' to true."
            raise SettingsError(msg)
        return ""
    if not isinstance(given[name], str):
        msg = f"Setting '{name}' must be a text; put quotes around it."
        raise SettingsError(msg)
    _check_unicode(given[name], name)
    return str(given[name])


def check_environment(environment: MutableMapping[str, str], prefix: str) -> None:
    """Check the variables that the SDK would fail on without naming the setting, or would take for false.

    An empty one counts as not set, and is taken out of the environment.

    Raises:
        SettingsError: a variable that should hold a whole number, or true or false, does not.
    """
    for name in ("sandbox", *_LEAST):
        text = environment.get(prefix + name.upper())
        if text == "":
            del environment[prefix + name.upper()]
        elif text is not None and name in _LEAST:
            _whole_number({name: text}, name)
        elif text is not None:
            _boolean({name: text}, name)


def check_sdk_environment(environment: Mapping[str, str], prefix: str, properties: Mapping[str, Any]) -> None:
    """Check the variables of the SDK's own settings, on which it would fail without naming them.

    Raises:
        SettingsError: one of them is not of its setting's kind.
    """
    kinds: dict[str, tuple[str, Callable[[str], object]]] = {
        "integer": ("a whole number", int),
        "object": ("JSON", json.loads),
        "array": ("JSON", json.loads),
    }
    for name, spec in properties.items():
        text = environment.get(prefix + name.upper())
        for kind, (wanted, read) in kinds.items():
            if text and name not in JSONSCHEMA["properties"] and kind in spec.get("type", ()):
                try:
                    read(text)
                except ValueError:
                    msg = f"Setting '{name}' must be {wanted}."
                    raise SettingsError(msg) from None
