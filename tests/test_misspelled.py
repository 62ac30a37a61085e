"""Names that nothing has, and the known name that is nearest."""

from __future__ import annotations

import pytest

from tap_cxone.config.schema import SETTINGS
from tap_cxone.misspelled import proposal, unknown_settings, unknown_streams

KNOWN = ("client_id", "client_secret", "start_date", "stream_maps")
PREFIX = "TAP_CXONE_"


def test_unknown_settings_of_a_file() -> None:
    config = {"client_id": "a", "client_secrets": "b", "colour": "red"}
    assert list(unknown_settings(config, {}, None, KNOWN)) == [
        "Setting 'client_secrets' is unknown and ignored: did you mean 'client_secret'?",
        "Setting 'colour' is unknown and ignored",
    ]


def test_unknown_variables_of_the_environment() -> None:
    environment = {"TAP_CXONE_START_DAY": "b", "OTHER_START_DAY": "c", "TAP_CXONE_CLIENT_ID": "d"}
    assert list(unknown_settings({}, environment, None, KNOWN)) == []
    [sentence] = unknown_settings({}, environment, PREFIX, KNOWN)
    assert sentence == (
        "Setting 'start_day' (variable TAP_CXONE_START_DAY) is unknown and ignored: did you mean 'start_date'?"
    )


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("lookback", "lookback_minutes"),
        ("entities", "data_extraction_entities"),
        ("LOOKBACK_MINUTES", "lookback_minutes"),
        ("Lookback", "lookback_minutes"),
        ("startDate", "start_date"),
    ],
)
def test_a_part_of_a_name_or_another_spelling_is_recognised(name: str, nearest: str) -> None:
    assert proposal(name, SETTINGS) == f": did you mean '{nearest}'?"


@pytest.mark.parametrize("name", ["secret", "colour"])
def test_what_could_be_several_names_or_none_gets_no_proposal(name: str) -> None:
    assert proposal(name, SETTINGS) == ""


@pytest.mark.parametrize(
    "variable",
    ["TAP_CXONE__SELECT", "TAP_CXONE_NORTH_CLIENT_ID", "TAP_CXONE_NORTH__SELECT", "TAP_CXONE_EXTRACTION__CATALOG"],
)
def test_variables_of_meltano_are_none_of_our_business(variable: str) -> None:
    assert list(unknown_settings({}, {variable: "x"}, PREFIX, KNOWN)) == []


def test_values_are_never_shown() -> None:
    sentences = unknown_settings({"secrets": "hunter2"}, {"TAP_CXONE_SECRETS": "hunter2"}, PREFIX, KNOWN)
    assert "hunter2" not in "".join(sentences)


def test_unknown_streams() -> None:
    known = ("bot_conversations", "qm_workflows")
    assert list(unknown_streams(["bot_conversation", "qm_workflows"], known)) == [
        "Stream 'bot_conversation' is selected but does not exist: did you mean 'bot_conversations'?"
    ]


def test_nothing_is_proposed_that_is_not_near() -> None:
    assert proposal("colour", KNOWN) == ""
