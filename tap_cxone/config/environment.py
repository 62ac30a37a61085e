"""Checks of environment variables, before the SDK parses them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tap_cxone.config import values
from tap_cxone.config.schema import SETTINGS
from tap_cxone.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

_SDK_PARSERS: dict[str, tuple[str, Callable[[str], object]]] = {
    "integer": ("a whole number", int),
    "object": ("valid JSON", json.loads),
    "array": ("valid JSON", json.loads),
}
"""How the SDK parses the variables of its own settings, by type, with a description of what it accepts."""


def check_environment(environment: MutableMapping[str, str], prefix: str) -> None:
    """Check the variables that the SDK would misread, or fail on without naming the setting.

    These are the variables of settings that are not strings. An empty one counts as not set and is removed.

    Args:
        environment: environment variables; changed in place.
        prefix: what the names of the tap's variables start with.

    Raises:
        SettingsError: the text of a variable is not of its setting's type.
    """
    for name in SETTINGS:
        parse = values.typed_parser(name)
        variable = prefix + name.upper()
        if parse is None or variable not in environment:
            continue
        if environment[variable] == "":
            del environment[variable]
        else:
            parse({name: environment[variable]}, name)


def check_sdk_environment(environment: Mapping[str, str], prefix: str, properties: Mapping[str, Any]) -> None:
    """Check the variables of the SDK's own settings, on which the SDK would fail without naming the setting.

    Args:
        environment: environment variables.
        prefix: what the names of the tap's variables start with.
        properties: JSON Schema properties of all settings, the SDK's included.

    Raises:
        SettingsError: the text of a variable is not of its setting's type.
    """
    for name, spec in properties.items():
        text = environment.get(prefix + name.upper())
        if not text or name in SETTINGS:
            continue
        for kind, (expected, parse) in _SDK_PARSERS.items():
            if kind in spec.get("type", ()):
                try:
                    parse(text)
                except ValueError:
                    msg = f"Setting '{name}' must be {expected}."
                    raise SettingsError(msg) from None
