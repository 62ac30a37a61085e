"""Settings: an invalid one is reported in one sentence that names it; defaults and dates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tap_cxone.config.schema import DEFAULTS, SETTINGS
from tap_cxone.config.settings import Settings, normalise
from tap_cxone.errors import SettingsError
from tests.config.configurations import NOW, SECRET, VALID, make_settings


def error_of(**changes: Any) -> str | None:
    try:
        make_settings(**changes)
    except SettingsError as err:
        return err.message
    return None


def uses_sandbox(settings: Settings) -> bool:
    """Only the sandbox takes the same credentials for both APIs."""
    return settings.access.has_analytics and settings.access.has_data_extraction


_NOT_WHOLE_NUMBERS: list[Any] = [
    *("x", "1.5", "-1", "1_000", "٣", "1e1", "nan", "inf", "0x10", "1 0", "9" * 30),
    *(1.5, -1, True, False, 10**30, 1e300, float("nan"), float("inf"), [1], {}),
]
_NUMBERS = ("window_days", "lookback_minutes", "settle_minutes", "poll_interval", "export_timeout", "sample_size")
_NOT_DATES: list[Any] = [
    "today",
    2024,
    True,
    "2024-02-30",
    "9999-12-31T24:00",
    ["2024-01-01"],
    {},
    "2024-01-01T00:00:00+99:00",
]
_NOT_URLS: list[Any] = [
    *("api.nicecxone.com", "ftp://api.nicecxone.com", "https://", "https:///path", "https://host:port", 7, []),
    *("https://host:99999", "https://host:0", "https://[::1", "https://a b", "https://host/path?x=1", "https://host#x"),
    *("https://host\\path", "https://host/new\nline", "javascript:alert(1)", "//host"),
]
_INVALID: dict[str, list[Any]] = {
    **dict.fromkeys(_NUMBERS, _NOT_WHOLE_NUMBERS),
    "window_days": [*_NOT_WHOLE_NUMBERS, 0, 31, "31", 30.5, 10**9],
    "poll_interval": [0, "0"],
    "export_timeout": [0, "0"],
    "start_date": [*_NOT_DATES, ..., "", None],
    "end_date": [*_NOT_DATES, "2023-12-31T23:59:59.999Z"],
    "export_format": ["xml", "JSON", 1, ["json"], True],
    "export_compression": ["zip", "None", 0, False],
    "sandbox": ["maybe", "y", 2, -1, [], {}, "true false"],
    "client_id": [..., "", None, 12345, True, ["x"], "\udcff"],
    "client_secret": [..., "", None, 12345, True, ["x"], "\udcff"],
    "api_url": _NOT_URLS,
    "auth_url": _NOT_URLS,
    "export_filter": [7, ["x"], {"a": 1}, True],
    "audit_log_path": [7, ["x"], {"a": 1}, True],
    "quarantine_path": [7, ["x"], {"a": 1}, True],
}
INVALID = [(name, value) for name, values in _INVALID.items() for value in values]


@pytest.mark.parametrize(("name", "value"), INVALID, ids=repr)
def test_invalid_value_is_reported_in_one_sentence_that_names_it(name: str, value: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        make_settings(**{name: value})
    message = caught.value.message
    assert message.startswith(f"Setting '{name}' ")
    assert message.endswith(".")
    assert "\n" not in message
    assert SECRET not in message
    assert caught.value.exit_code == 2


def test_two_files_of_one_name() -> None:
    with pytest.raises(SettingsError, match=r"^Settings 'audit_log_path' and 'quarantine_path' name the same file: "):
        make_settings(audit_log_path="logs/a.jsonl", quarantine_path="./logs/../logs/a.jsonl")


@pytest.mark.parametrize("name", SETTINGS)
def test_any_value_of_any_setting_is_accepted_or_reported(name: str) -> None:
    for value in (
        None,
        "",
        " ",
        "x",
        "\x00",
        "\ud800",
        0,
        -1,
        1.5,
        float("nan"),
        10**400,
        True,
        [],
        [1],
        {},
        {"a": "b"},
    ):
        message = error_of(**{name: value})
        assert message is None or f"'{name}'" in message


@pytest.mark.parametrize("name", ["api_url", "auth_url"])
@pytest.mark.parametrize("url", [f"https://user:{SECRET}@host", f"https://{SECRET}@host", f"ftp://user:{SECRET}@host"])
def test_url_with_a_password_is_rejected_and_not_quoted(name: str, url: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        make_settings(**{name: url})
    assert SECRET not in caught.value.message


@pytest.mark.parametrize("name", ["client_id", "client_secret"])
def test_credentials_of_another_type_are_not_quoted(name: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        make_settings(**{name: 8812345})
    assert "8812345" not in caught.value.message


def test_text_of_environment_variables_is_converted() -> None:
    found = make_settings(
        window_days="7",
        lookback_minutes=" 90 ",
        settle_minutes="0",
        poll_interval="15",
        export_timeout="+60",
        sample_size="3",
        sandbox="TRUE",
    )
    assert found.window == timedelta(days=7)
    assert found.lookback == timedelta(minutes=90)
    assert found.end_date == NOW
    assert (found.poll_seconds, found.timeout_seconds, found.sample_size) == (15, 60, 3)
    assert uses_sandbox(found)


def test_whole_numbers_may_have_a_decimal_point_in_json() -> None:
    assert make_settings(window_days=7.0).window == timedelta(days=7)


@pytest.mark.parametrize(
    ("text", "value"), [("on", True), ("YES", True), ("1", True), ("off", False), ("No", False), (0, False)]
)
def test_usual_words_for_true_and_false_are_accepted(text: Any, *, value: bool) -> None:
    assert uses_sandbox(make_settings(sandbox=text)) is value


def test_defaults_are_those_of_the_documentation() -> None:
    found = make_settings()
    assert found.access.api_url == "https://api.nicecxone.com"
    assert found.access.auth_url == "https://api.nicecxone.com/oauth/token"
    assert (found.extraction_window, found.submit_interval) == (timedelta(days=1), 30)
    assert found.end_date == NOW - timedelta(minutes=30)
    assert (found.window, found.lookback) == (timedelta(days=30), timedelta(0))
    assert (found.export_filter, found.export_format, found.export_compression) == ("type eq 'bot'", "json", "gzip")
    assert (found.poll_seconds, found.timeout_seconds, found.sample_size) == (5, 3600, 0)
    assert (found.audit_log_path, found.quarantine_path, found.journal_path) == (None, None, None)
    assert not uses_sandbox(found)


def test_empty_value_counts_as_not_given() -> None:
    names = SETTINGS.keys() - VALID.keys()
    assert make_settings(**dict.fromkeys(names, "")) == make_settings(**dict.fromkeys(names)) == make_settings()


@pytest.mark.parametrize(
    ("end", "settle", "expected"),
    [
        ("2024-05-01T02:00:00+02:00", 30, datetime(2024, 5, 1, tzinfo=UTC)),
        ("2024-06-01T11:30:00", 30, datetime(2024, 6, 1, 11, 30, tzinfo=UTC)),
        ("2024-06-01T11:30:00.001", 30, datetime(2024, 6, 1, 11, 30, tzinfo=UTC)),
        ("2024-06-01T12:00:00", 0, datetime(2024, 6, 1, 12, tzinfo=UTC)),
        ("2031-01-01", 30, datetime(2024, 6, 1, 11, 30, tzinfo=UTC)),
        (..., 90, datetime(2024, 6, 1, 10, 30, tzinfo=UTC)),
    ],
)
def test_run_ends_at_the_latest_at_now_minus_settle_minutes(end: Any, settle: int, expected: datetime) -> None:
    assert make_settings(end_date=end, settle_minutes=settle).end_date == expected


def test_start_date_may_be_in_the_future() -> None:
    found = make_settings(start_date="2030-01-01")
    assert found.start_date > found.end_date
    assert make_settings(end_date="2024-01-01").end_date == make_settings().start_date


def test_normalised_dates_have_the_form_of_bookmarks() -> None:
    config: dict[str, Any] = {"start_date": "2024-W10", "end_date": "2024-03-05T10:00:00+02:00", "window_days": "5"}
    normalise(config)
    assert config == {
        "start_date": "2024-03-04T00:00:00.000Z",
        "end_date": "2024-03-05T08:00:00.000Z",
        "window_days": 5,
    }


def test_every_default_is_valid() -> None:
    assert make_settings(**DEFAULTS) == make_settings()
