"""Environment variables that the SDK would misread, or fail on without naming the setting."""

from __future__ import annotations

import pytest

from tap_cxone.config.environment import check_environment, check_sdk_environment
from tap_cxone.config.schema import SETTINGS
from tap_cxone.errors import SettingsError

PREFIX = "TAP_CXONE_"
SDK_SETTINGS = {
    "flattening_max_depth": {"type": ["integer", "null"]},
    "stream_maps": {"type": ["object", "null"]},
    "window_days": {"type": ["integer", "null"]},
}


@pytest.mark.parametrize("name", [name for name, spec in SETTINGS.items() if "integer" in spec["type"]])
@pytest.mark.parametrize("text", ["x", "1.5", "30.0", "1e1", "1_0", "-1", "٣", " "])
def test_text_that_the_sdk_cannot_convert_to_an_integer_is_named(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"Setting '{name}' must be a whole number"):
        check_environment({PREFIX + name.upper(): text}, PREFIX)


@pytest.mark.parametrize("text", ["maybe", " true", "y", "truthy"])
def test_text_that_the_sdk_would_take_for_false_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match="Setting 'sandbox' must be true or false"):
        check_environment({"TAP_CXONE_SANDBOX": text}, PREFIX)


@pytest.mark.parametrize("text", ["[", "payroll", "{'a': 1}"])
def test_text_that_is_not_json_is_named_and_not_quoted(text: str) -> None:
    with pytest.raises(SettingsError, match="Setting 'data_extraction_entities' must be valid JSON") as caught:
        check_environment({"TAP_CXONE_DATA_EXTRACTION_ENTITIES": text}, PREFIX)
    assert text not in caught.value.message


def test_valid_and_foreign_variables_are_left_alone() -> None:
    valid = {
        "TAP_CXONE_WINDOW_DAYS": "7",
        "TAP_CXONE_SANDBOX": "True",
        "WINDOW_DAYS": "x",
        "TAP_CXONE_CLIENT_ID": "",
        "TAP_CXONE_DATA_EXTRACTION_ENTITIES": "[]",
    }
    environment = dict(valid)
    check_environment(environment, PREFIX)
    assert environment == valid


def test_empty_variable_counts_as_not_set() -> None:
    environment = {"TAP_CXONE_WINDOW_DAYS": "", "TAP_CXONE_SANDBOX": "", "TAP_CXONE_POLL_INTERVAL": "3"}
    check_environment(environment, PREFIX)
    assert environment == {"TAP_CXONE_POLL_INTERVAL": "3"}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [("flattening_max_depth", "deep", "a whole number"), ("stream_maps", "{bot", "valid JSON")],
)
def test_invalid_variable_of_the_sdk_is_named_and_not_quoted(name: str, text: str, expected: str) -> None:
    with pytest.raises(SettingsError, match=rf"^Setting '{name}' must be {expected}\.$"):
        check_sdk_environment({PREFIX + name.upper(): text}, PREFIX, SDK_SETTINGS)


def test_only_settings_of_the_sdk_that_are_set_are_checked() -> None:
    environment = {
        "TAP_CXONE_FLATTENING_MAX_DEPTH": "3",
        "TAP_CXONE_STREAM_MAPS": "",
        "TAP_CXONE_WINDOW_DAYS": "checked by check_environment",
    }
    check_sdk_environment(environment, PREFIX, SDK_SETTINGS)
