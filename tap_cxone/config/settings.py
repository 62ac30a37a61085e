"""The settings, checked: which values and combinations are impossible, and the form that the tap works with.

What they are called and mean stands in ``properties``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tap_cxone.config.schema import (
    API_URL,
    AUTH_METHODS,
    COMPRESSIONS,
    DEFAULTS,
    FORMATS,
    JSONSCHEMA,
    MAXIMUMS,
    MINIMUMS,
)
from tap_cxone.dates import format_date, parse_date, utc_now
from tap_cxone.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

_WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_CREDENTIALS = {
    "client_credentials": ("client_id", "client_secret"),
    "access_key": ("access_key_id", "access_key_secret"),
    "password": ("client_id", "client_secret", "access_key_id", "access_key_secret"),
}
ACCESS_KEY_PATH = "/authentication/v1/token/access-key"
_REGION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")
_NOT_IN_A_URL = re.compile(r"[\s?#\\]")
_WHOLE_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,20}\s*")
_UNBOUNDED = 10**9  # keeps date arithmetic away from overflow; about two thousand years of minutes


@dataclass(frozen=True)
class Access:
    """Where the platform is and who asks; what the method does not use is empty.

    Attributes:
        method: one of ``AUTH_METHODS``.
        api_url: base URL; none: it is discovered.
        auth_url: token endpoint; none: it is discovered.
        is_given: whether a setting names the address, so that it may be that of the Data Extraction API.
    """

    method: str
    client_id: str
    client_secret: str
    access_key_id: str
    access_key_secret: str
    issuer: str
    api_url: str | None
    auth_url: str | None
    is_given: bool

    @classmethod
    def from_config(cls, given: Mapping[str, Any], *, sandbox: bool) -> Access:
        """Check the settings that belong together.

        Raises:
            SettingsError: one that the method needs is missing, or is impossible.
        """
        method = _choice(given, "auth_method", AUTH_METHODS)
        needed = () if sandbox else _CREDENTIALS[method]
        credentials = {
            name: _credential(given, name, method) if name in needed or name in given else ""
            for name in _CREDENTIALS["password"]
        }
        api_url = _url(given, "api_url") if "api_url" in given else None
        auth_url = _url(given, "auth_url") if "auth_url" in given else None
        region = _region(given) if "region" in given else None
        is_given = any((api_url, auth_url, region)) or method == "password"
        if method == "client_credentials":
            api_url = api_url or API_URL
            auth_url = auth_url or f"{api_url}/oauth/token"
        elif method == "access_key" and not sandbox:
            host = api_url or (f"https://{region}.nice-incontact.com" if region else None)
            auth_url = auth_url or (f"{host}{ACCESS_KEY_PATH}" if host else None)
            if auth_url is None:
                msg = "Setting 'region' is missing: give the tenant's region, such as na1, or 'auth_url'."
                raise SettingsError(msg)
            # An access key alone is used at the host that its token comes from.
            api_url = host or "{0.scheme}://{0.netloc}".format(urlsplit(auth_url))
        return cls(
            method=method,
            issuer=_url(given, "issuer"),
            api_url=api_url,
            auth_url=auth_url,
            is_given=is_given,
            **credentials,
        )


@dataclass(frozen=True)
class Settings:
    """Checked settings. Dates are aware UTC, durations are ``timedelta`` or seconds, as their names say."""

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
        settle = timedelta(minutes=_whole_number(given, "settle_minutes"))
        start, end = _range(given, (now or utc_now()) - settle)
        return cls(
            access=Access.from_config(given, sandbox=sandbox),
            start_date=start,
            end_date=end,
            window=timedelta(days=_whole_number(given, "window_days")),
            extraction_window=timedelta(days=_whole_number(given, "extraction_window_days")),
            lookback=timedelta(minutes=_whole_number(given, "lookback_minutes")),
            settle=settle,
            submit_interval=float(_whole_number(given, "submit_interval")),
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
    for name in MINIMUMS.keys() & config.keys():
        config[name] = _whole_number(config, name)
    for name in {"start_date", "end_date"} & config.keys():
        config[name] = format_date(_date(config, name))
    if isinstance(config.get("data_extraction_entities"), str):
        config["data_extraction_entities"] = _json(config["data_extraction_entities"], "data_extraction_entities")
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
    value, least, most = given[name], MINIMUMS[name], MAXIMUMS.get(name, _UNBOUNDED)
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


def _json(text: str, name: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        msg = f"Setting '{name}' must be JSON."
        raise SettingsError(msg) from None


def _region(given: Mapping[str, Any]) -> str:
    region = _text(given, "region").strip().lower()
    if not _REGION.fullmatch(region):
        msg = "Setting 'region' must be a region such as na1, au1, eu1 or uk1: letters, digits and hyphens."
        raise SettingsError(msg)
    return region


def _credential(given: Mapping[str, Any], name: str, method: str) -> str:
    if name not in given:
        whose = "the OAuth client's credentials" if name.startswith("client") else "the access key's ID and secret"
        how = "" if method == AUTH_METHODS[0] else f" (auth_method {method})"
        msg = f"Setting '{name}' is missing{how}: give {whose}, or set 'sandbox' to true."
        raise SettingsError(msg)
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
    for name in ("sandbox", "data_extraction_entities", *MINIMUMS):
        text = environment.get(prefix + name.upper())
        if text == "":
            del environment[prefix + name.upper()]
        elif text is not None and name in MINIMUMS:
            _whole_number({name: text}, name)
        elif text is not None and name == "data_extraction_entities":
            _json(text, name)
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
