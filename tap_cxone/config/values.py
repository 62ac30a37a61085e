"""Parsing one setting value.

Each function takes a configuration and the name of a setting that it contains, and returns that setting's value. It
raises ``SettingsError`` with one sentence that names the setting. The sentence quotes the value unless the value may be
a secret. Bounds and allowed values come from the settings schema.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tap_cxone.config.schema import SETTINGS
from tap_cxone.dates import parse_date
from tap_cxone.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_WHOLE_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,20}\s*")
_NOT_IN_A_URL = re.compile(r"[\s?#\\]")


def whole_number(config: Mapping[str, Any], name: str) -> int:
    """Return a whole number within the bounds of the schema, given as a number or as text."""
    value, minimum, maximum = config[name], SETTINGS[name]["minimum"], SETTINGS[name]["maximum"]
    try:
        # Text is accepted only in the form that the SDK, too, accepts from environment variables.
        if isinstance(value, bool) or (isinstance(value, str) and not _WHOLE_NUMBER.fullmatch(value)):
            raise ValueError  # noqa: TRY301 - one message for every invalid value
        number = Decimal(str(value).strip())
        if number != number.to_integral_value() or not minimum <= number <= maximum:
            raise ValueError  # noqa: TRY301
    except (ArithmeticError, ValueError):
        quoted = repr(value) if isinstance(value, str) else value
        msg = f"Setting '{name}' must be a whole number from {minimum} to {maximum}, not {quoted}."
        raise SettingsError(msg) from None
    return int(number)


def boolean(config: Mapping[str, Any], name: str) -> bool:
    """Return a boolean, given as a boolean or as a common word for one, such as yes or off."""
    value = _BOOLEANS.get(str(config[name]).lower())
    if value is None:
        msg = f"Setting '{name}' must be true or false, not {config[name]!r}."
        raise SettingsError(msg)
    return value


def date(config: Mapping[str, Any], name: str) -> datetime:
    """Return an ISO 8601 date as an aware UTC datetime; without an offset it is taken as UTC."""
    value = config[name]
    if isinstance(value, str):
        try:
            return parse_date(value)
        except ValueError:
            pass
    msg = f"Setting '{name}' must be an ISO 8601 date such as 2024-01-01 or 2024-01-01T00:00:00Z, not {value!r}."
    raise SettingsError(msg)


def choice(config: Mapping[str, Any], name: str) -> str:
    """Return one of the values that the schema allows."""
    allowed = SETTINGS[name]["enum"]
    if config[name] not in allowed:
        msg = f"Setting '{name}' must be one of {', '.join(allowed)}, not {config[name]!r}."
        raise SettingsError(msg)
    return str(config[name])


def text(config: Mapping[str, Any], name: str) -> str:
    """Return a string, unchanged. It is not quoted in errors, because it may be a secret."""
    value = config[name]
    if not isinstance(value, str):
        msg = f"Setting '{name}' must be a string; put it in quotes."
        raise SettingsError(msg)
    try:
        value.encode()
    except UnicodeEncodeError:  # an environment variable whose bytes are not UTF-8
        msg = f"Setting '{name}' must be valid UTF-8."
        raise SettingsError(msg) from None
    return value


def optional_text(config: Mapping[str, Any], name: str) -> str | None:
    """Return a string, or None if the setting is missing."""
    return text(config, name) if name in config else None


def url(config: Mapping[str, Any], name: str) -> str:
    """Return an HTTP URL without a trailing slash. It is not quoted in errors: it may contain a password."""
    value = text(config, name).strip().rstrip("/")
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or _NOT_IN_A_URL.search(value) or "@" in parts.netloc:
        msg = (
            f"Setting '{name}' must be a URL such as https://api.nicecxone.com, without a user, a password, a query or "
            "a fragment."
        )
        raise SettingsError(msg)
    return value


def optional_url(config: Mapping[str, Any], name: str) -> str | None:
    """Return an HTTP URL without a trailing slash, or None if the setting is missing."""
    return url(config, name) if name in config else None


def json_value(config: Mapping[str, Any], name: str) -> object:
    """Return a value that may be given as JSON text; anything that is not text is returned unchanged."""
    value = config[name]
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        msg = f"Setting '{name}' must be valid JSON: a list or an object."
        raise SettingsError(msg) from None


_PARSERS: dict[str, Callable[[Mapping[str, Any], str], object]] = {
    "integer": whole_number,
    "boolean": boolean,
    "array": json_value,
}


def typed_parser(name: str) -> Callable[[Mapping[str, Any], str], object] | None:
    """Return the function of this module that parses a setting, or None if the setting is a string."""
    return next((parse for kind, parse in _PARSERS.items() if kind in SETTINGS[name]["type"]), None)
