"""Values: the sentence for an invalid one, bounds and choices from the schema, and what is never quoted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.config import values
from tap_cxone.config.schema import SETTINGS
from tap_cxone.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

WHOLE_NUMBERS = [name for name, spec in SETTINGS.items() if "integer" in spec["type"]]


@pytest.mark.parametrize("name", WHOLE_NUMBERS)
def test_bounds_of_every_whole_number_are_those_of_the_schema(name: str) -> None:
    minimum, maximum = SETTINGS[name]["minimum"], SETTINGS[name]["maximum"]
    for value in (minimum, maximum, str(minimum), f" +{maximum} ", float(maximum)):
        assert values.whole_number({name: value}, name) == int(float(value))
    for value in (minimum - 1, maximum + 1, maximum + 0.5):
        with pytest.raises(SettingsError) as caught:
            values.whole_number({name: value}, name)
        assert caught.value.message == (
            f"Setting '{name}' must be a whole number from {minimum} to {maximum}, not {value}."
        )


@pytest.mark.parametrize(
    ("parse", "name", "value", "message"),
    [
        (values.whole_number, "window_days", 31, "must be a whole number from 1 to 30, not 31."),
        (values.whole_number, "window_days", "31", "must be a whole number from 1 to 30, not '31'."),
        (values.whole_number, "sample_size", -1, "must be a whole number from 0 to 1000000000, not -1."),
        (values.whole_number, "max_concurrent_exports", 4, "must be a whole number from 1 to 3, not 4."),
        (values.boolean, "sandbox", "maybe", "must be true or false, not 'maybe'."),
        (values.choice, "export_format", "xml", "must be one of json, csv, not 'xml'."),
        (values.text, "client_secret", 12345, "must be a string; put it in quotes."),
        (values.text, "client_secret", "\udcff", "must be valid UTF-8."),
        (values.json_value, "data_extraction_entities", "[secret", "must be valid JSON: a list or an object."),
    ],
)
def test_invalid_value_is_reported_in_one_sentence(
    parse: Callable[..., object], name: str, value: Any, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        parse({name: value}, name)
    assert caught.value.message == f"Setting '{name}' {message}"


@pytest.mark.parametrize("value", ["today", 2024, "2024-13-01"])
def test_invalid_date_is_quoted_with_two_examples(value: Any) -> None:
    with pytest.raises(SettingsError, match="2024-01-01 or 2024-01-01T00:00:00Z") as caught:
        values.date({"end_date": value}, "end_date")
    assert caught.value.message.endswith(f", not {value!r}.")


def test_date_with_an_offset_is_converted_to_utc() -> None:
    found = values.date({"end_date": "2024-05-01T02:00:00+02:00"}, "end_date")
    assert found == datetime(2024, 5, 1, tzinfo=UTC)
    assert found.tzinfo is UTC


@pytest.mark.parametrize("name", ["auth_method", "export_format", "export_compression"])
def test_every_allowed_value_of_the_schema_is_accepted(name: str) -> None:
    assert [values.choice({name: value}, name) for value in SETTINGS[name]["enum"]] == SETTINGS[name]["enum"]


def test_missing_optional_values_are_none() -> None:
    assert values.optional_text({}, "journal_path") is None
    assert values.optional_url({}, "api_url") is None
    assert values.optional_text({"journal_path": " a b"}, "journal_path") == " a b"
    assert values.optional_url({"api_url": "https://a.example/"}, "api_url") == "https://a.example"


def test_json_text_is_parsed_and_other_values_are_kept() -> None:
    name = "data_extraction_entities"
    assert values.json_value({name: '[{"stream": "a"}]'}, name) == [{"stream": "a"}]
    assert values.json_value({name: [1]}, name) == [1]


def test_only_settings_of_other_types_than_string_have_a_typed_parser() -> None:
    parsed = {name: values.typed_parser(name) for name in SETTINGS}
    assert {name for name, parse in parsed.items() if parse is None} == {
        name for name, spec in SETTINGS.items() if "string" in spec["type"]
    }
    assert parsed["window_days"] is values.whole_number
    assert parsed["sandbox"] is values.boolean
    assert parsed["data_extraction_entities"] is values.json_value
