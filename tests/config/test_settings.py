"""Settings: what is impossible ends in one sentence that names the setting, before anything is requested."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.config.schema import DEFAULTS, JSONSCHEMA
from tap_cxone.config.settings import Settings, check_environment, normalise
from tap_cxone.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Tap

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
SECRET = "s3cr3t-of-the-client"
GOOD = {"client_id": "id-of-the-client", "client_secret": SECRET, "start_date": "2024-01-01"}


def settings(**changes: Any) -> Settings:
    """Check a good configuration with some settings changed; ``...`` takes one out."""
    config = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    normalise(config)
    return Settings.from_config(config, NOW)


def refusal_of(**changes: Any) -> str | None:
    try:
        settings(**changes)
    except SettingsError as err:
        return err.message
    return None


NOT_WHOLE: list[Any] = [
    *("x", "1.5", "-1", "1_000", "٣", "1e1", "nan", "inf", "0x10", "1 0", "9" * 30),
    *(1.5, -1, True, False, 10**30, 1e300, float("nan"), float("inf"), [1], {}),
]
_NUMBERS = ("window_days", "lookback_minutes", "settle_minutes", "poll_interval", "export_timeout", "sample_size")
_NO_DATES: list[Any] = [
    "today",
    2024,
    True,
    "2024-02-30",
    "9999-12-31T24:00",
    ["2024-01-01"],
    {},
    "2024-01-01T00:00:00+99:00",
]
_NO_URLS: list[Any] = [
    *("api.nicecxone.com", "ftp://api.nicecxone.com", "https://", "https:///path", "https://host:port", 7, []),
    *("https://host:99999", "https://host:0", "https://[::1", "https://a b", "https://host/path?x=1", "https://host#x"),
    *("https://host\\path", "https://host/new\nline", "javascript:alert(1)", "//host"),
]
_IMPOSSIBLE: dict[str, list[Any]] = {
    **dict.fromkeys(_NUMBERS, NOT_WHOLE),
    "window_days": [*NOT_WHOLE, 0, 31, "31", 30.5, 10**9],
    "poll_interval": [0, "0"],
    "export_timeout": [0, "0"],
    "start_date": [*_NO_DATES, ..., "", None],
    "end_date": [*_NO_DATES, "2023-12-31T23:59:59.999Z"],
    "export_format": ["xml", "JSON", 1, ["json"], True],
    "export_compression": ["zip", "None", 0, False],
    "sandbox": ["maybe", "y", 2, -1, [], {}, "true false"],
    "client_id": [..., "", None, 12345, True, ["x"], "\udcff"],
    "client_secret": [..., "", None, 12345, True, ["x"], "\udcff"],
    "api_url": _NO_URLS,
    "auth_url": _NO_URLS,
    "export_filter": [7, ["x"], {"a": 1}, True],
    "audit_log_path": [7, ["x"], {"a": 1}, True],
    "quarantine_path": [7, ["x"], {"a": 1}, True],
}
IMPOSSIBLE = [(name, value) for name, values in _IMPOSSIBLE.items() for value in values]


@pytest.mark.parametrize(("name", "value"), IMPOSSIBLE, ids=repr)
def test_an_impossible_value_gives_one_sentence_that_names_its_setting(name: str, value: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(**{name: value})
    message = caught.value.message
    assert message.startswith(f"Setting '{name}' ")
    assert message.endswith(".")
    assert "\n" not in message
    assert SECRET not in message
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("name", JSONSCHEMA["properties"])
def test_no_kind_of_value_of_any_setting_fails_in_another_way(name: str) -> None:
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
        message = refusal_of(**{name: value})
        assert message is None or f"'{name}'" in message


@pytest.mark.parametrize("name", ["api_url", "auth_url"])
@pytest.mark.parametrize("url", [f"https://user:{SECRET}@host", f"https://{SECRET}@host", f"ftp://user:{SECRET}@host"])
def test_a_password_in_a_url_is_refused_and_not_quoted(name: str, url: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        settings(**{name: url})
    assert SECRET not in caught.value.message


@pytest.mark.parametrize("name", ["client_id", "client_secret"])
def test_credentials_of_another_kind_are_not_quoted(name: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        settings(**{name: 8812345})
    assert "8812345" not in caught.value.message


def test_texts_are_taken_where_the_environment_has_nothing_else() -> None:
    found = settings(
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
    assert (found.poll_seconds, found.timeout_seconds, found.sample_size, found.sandbox) == (15, 60, 3, True)


def test_whole_numbers_may_be_written_with_a_decimal_point_in_json() -> None:
    assert settings(window_days=7.0).window == timedelta(days=7)


@pytest.mark.parametrize(
    ("text", "value"), [("on", True), ("YES", True), ("1", True), ("off", False), ("No", False), (0, False)]
)
def test_true_and_false_may_be_said_in_several_ways(text: Any, *, value: bool) -> None:
    assert settings(sandbox=text).sandbox is value


def test_defaults_are_those_of_the_documentation() -> None:
    found = settings()
    assert found.access.api_url == "https://api.nicecxone.com"
    assert found.access.auth_url == "https://api.nicecxone.com/oauth/token"
    assert (found.extraction_window, found.submit_interval) == (timedelta(days=1), 30)
    assert found.end_date == NOW - timedelta(minutes=30)
    assert (found.window, found.lookback) == (timedelta(days=30), timedelta(0))
    assert (found.export_filter, found.export_format, found.export_compression) == ("type eq 'bot'", "json", "gzip")
    assert (found.poll_seconds, found.timeout_seconds, found.sample_size) == (5, 3600, 0)
    assert (found.audit_log_path, found.quarantine_path, found.sandbox) == (None, None, False)


def test_what_is_empty_counts_as_not_given() -> None:
    names = JSONSCHEMA["properties"].keys() - GOOD.keys()
    assert settings(**dict.fromkeys(names, "")) == settings(**dict.fromkeys(names)) == settings()


def test_a_token_url_of_its_own_and_slashes_at_the_end() -> None:
    found = settings(api_url="https://api.example/base/ ", auth_url="http://[::1]:8080/token/").access
    assert (found.api_url, found.auth_url) == ("https://api.example/base", "http://[::1]:8080/token")
    assert settings(api_url="https://api.example/").access.auth_url == "https://api.example/oauth/token"


KEYS = {"access_key_id": "id", "access_key_secret": "key", "client_id": ..., "client_secret": ...}


def test_an_access_key_is_used_at_its_region() -> None:
    found = settings(auth_method="access_key", region=" EU1 ", **KEYS).access
    assert found.api_url == "https://eu1.nice-incontact.com"
    assert found.auth_url == "https://eu1.nice-incontact.com/authentication/v1/token/access-key"


def test_an_access_key_is_used_where_its_token_comes_from() -> None:
    found = settings(auth_method="access_key", auth_url="https://keys.example:8443/token", **KEYS).access
    assert (found.api_url, found.auth_url) == ("https://keys.example:8443", "https://keys.example:8443/token")


def test_an_address_that_is_given_goes_before_that_of_the_region() -> None:
    found = settings(auth_method="access_key", region="na1", api_url="https://a.example", **KEYS).access
    assert found.api_url == "https://a.example"
    assert found.auth_url == "https://a.example/authentication/v1/token/access-key"


def test_a_password_needs_nothing_but_credentials() -> None:
    found = settings(auth_method="password", **{**KEYS, "client_id": "c", "client_secret": "s"}).access
    assert (found.api_url, found.auth_url) == (None, None)
    assert found.issuer == "https://cxone.niceincontact.com"


@pytest.mark.parametrize(
    ("method", "missing"),
    [
        ("access_key", "access_key_id"),
        ("access_key", "access_key_secret"),
        ("access_key", "region"),
        ("password", "client_id"),
        ("password", "client_secret"),
        ("password", "access_key_id"),
        ("password", "access_key_secret"),
    ],
)
def test_what_a_method_lacks_is_named(method: str, missing: str) -> None:
    given = {"region": "na1", **KEYS} | ({"client_id": "c", "client_secret": "s"} if method == "password" else {})
    with pytest.raises(SettingsError, match=f"Setting '{missing}' is missing"):
        settings(auth_method=method, **{**given, missing: ...})


@pytest.mark.parametrize("region", ["na1.evil.example", "na1/", "", "-", "na 1"])
def test_a_region_is_one_word(region: str) -> None:
    with pytest.raises(SettingsError, match="'region'"):
        settings(auth_method="access_key", region=region, **KEYS)


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
def test_a_run_ends_before_what_has_not_settled(end: Any, settle: int, expected: datetime) -> None:
    assert settings(end_date=end, settle_minutes=settle).end_date == expected


def test_a_start_in_the_future_is_not_impossible() -> None:
    found = settings(start_date="2030-01-01")
    assert found.start_date > found.end_date
    assert settings(end_date="2024-01-01").end_date == settings().start_date


def test_the_sdk_gets_dates_in_the_form_of_bookmarks() -> None:
    config: dict[str, Any] = {"start_date": "2024-W10", "end_date": "2024-03-05T10:00:00+02:00", "window_days": "5"}
    normalise(config)
    assert config == {
        "start_date": "2024-03-04T00:00:00.000Z",
        "end_date": "2024-03-05T08:00:00.000Z",
        "window_days": 5,
    }


def test_the_sandbox_needs_no_credentials() -> None:
    found = settings(client_id=..., client_secret=..., sandbox=True)
    assert (found.access.client_id, found.access.client_secret) == ("", "")
    for method in ("access_key", "password"):
        assert settings(client_id=..., client_secret=..., sandbox=True, auth_method=method).sandbox


@pytest.mark.parametrize("name", [name for name, spec in JSONSCHEMA["properties"].items() if "integer" in spec["type"]])
@pytest.mark.parametrize("text", ["x", "1.5", "30.0", "1e1", "1_0", "-1", "٣", " "])
def test_variables_that_the_sdk_would_fail_on_are_named(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"Setting '{name}' must be a whole number"):
        check_environment({f"TAP_CXONE_{name.upper()}": text}, "TAP_CXONE_")


@pytest.mark.parametrize("text", ["maybe", " true", "y", "truthy"])
def test_a_variable_that_the_sdk_would_take_for_false_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match="Setting 'sandbox' must be true or false"):
        check_environment({"TAP_CXONE_SANDBOX": text}, "TAP_CXONE_")


def test_good_and_foreign_variables_are_let_alone() -> None:
    good = {"TAP_CXONE_WINDOW_DAYS": "7", "TAP_CXONE_SANDBOX": "True", "WINDOW_DAYS": "x", "TAP_CXONE_CLIENT_ID": ""}
    environment = dict(good)
    check_environment(environment, "TAP_CXONE_")
    assert environment == good


def test_an_empty_variable_counts_as_not_set() -> None:
    environment = {"TAP_CXONE_WINDOW_DAYS": "", "TAP_CXONE_SANDBOX": "", "TAP_CXONE_POLL_INTERVAL": "3"}
    check_environment(environment, "TAP_CXONE_")
    assert environment == {"TAP_CXONE_POLL_INTERVAL": "3"}


def test_every_default_is_a_possible_value() -> None:
    assert settings(**DEFAULTS) == settings()


# --- As a process -----------------------------------------------------------------------------------------------------


@pytest.fixture
def silent_platform() -> Iterator[socket.socket]:
    """A port that takes connections; none may come."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        yield listener


def ends_with_one_sentence(code: int, out: str, log: str, name: str) -> None:
    assert code == 1
    assert out == ""
    errors = [line for line in log.splitlines() if "| ERROR" in line or "| CRITICAL" in line]
    assert len(errors) == 1, log
    assert f"'{name}'" in errors[0]
    assert "Traceback" not in log
    assert SECRET not in log


def nobody_called(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except TimeoutError:
        return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "wrong"),
    [
        ("file", {"start_date": None}),
        ("file", {"end_date": "2023-01-01"}),
        ("file", {"window_days": 31}),
        ("file", {"client_secret": ""}),
        ("environment", {"start_date": "today"}),
        ("environment", {"window_days": "many"}),
        ("environment", {"sandbox": "maybe"}),
        ("environment", {"export_format": "xml"}),
    ],
    ids=str,
)
def test_wrong_settings_end_a_run_before_anything_is_requested(
    silent_platform: socket.socket, tmp_path: Path, wrong: dict[str, Any], way: str
) -> None:
    config = GOOD | {"api_url": f"http://127.0.0.1:{silent_platform.getsockname()[1]}"} | wrong
    command, environment = [sys.executable, "-m", "tap_cxone", "--config"], dict(os.environ)
    if way == "file":
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config))
        command.append(str(path))
    else:
        command.append("ENV")
        environment |= {f"TAP_CXONE_{name.upper()}": str(value) for name, value in config.items() if value is not None}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path, env=environment
    )
    ends_with_one_sentence(done.returncode, done.stdout, done.stderr, next(iter(wrong)))
    assert nobody_called(silent_platform)


def test_an_audit_log_that_cannot_be_written_ends_a_run_in_one_sentence(
    silent_platform: socket.socket, tap: Tap, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    url = f"http://127.0.0.1:{silent_platform.getsockname()[1]}"
    run = tap(GOOD | {"api_url": url, "audit_log_path": str(tmp_path / "file" / "audit.jsonl")})
    assert run.code == 1
    [error] = run.errors
    assert "'audit_log_path'" in error
    assert "Traceback" not in run.log
    assert nobody_called(silent_platform)
