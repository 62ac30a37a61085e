"""Settings that hold several values in one text. Pure."""

from __future__ import annotations

import msgspec

from tap_cxone.errors import SettingsError


def split_list(text: str, setting: str) -> list[str]:
    """Split a setting: one value, several separated by white space, or a JSON array.

    Args:
        text: the setting.
        setting: its name, for error messages.

    Raises:
        SettingsError: it begins like a JSON array, but is not one of strings.
    """
    if text.lstrip().startswith("["):
        try:
            return msgspec.json.decode(text.encode(), type=list[str])
        except (msgspec.DecodeError, UnicodeEncodeError):
            msg = f"Setting '{setting}': it begins like a JSON array, but is not a valid JSON array of strings."
            raise SettingsError(msg) from None
    return text.split()
