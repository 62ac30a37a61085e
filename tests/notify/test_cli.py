"""The command: settings, exit codes, ``status`` and ``test``."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from tap_cxone.notify.cli import main
from tests.conftest import PROJECT
from tests.notify.conftest import SECRET, TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.notify.conftest import Listener, Log, Notify

SETTINGS = {option.name: option for option in main.commands["send"].params} | {
    option.name: option for option in main.commands["erase"].params if option.name == "quarantine_path"
}


def errors(text: str) -> list[str]:
    return [line.split("| ", 2)[2] for line in text.splitlines() if "| ERROR" in line]


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({"webhook_url": f"http://bi.example.com/{TOKEN}"}, "allow_http"),
        ({"webhook_url": TOKEN}, "webhook_url"),
        ({"webhook_url": "https://a", "webhook_secret": f"{TOKEN}!"}, "webhook_secret"),
        ({"webhook_url": "https://a", "audit_log_path": ""}, "audit_log_path"),
        ({"webhook_url": "https://a", "audit_log_path": "[not JSON"}, "audit_log_path"),
        ({"webhook_url": "https://a", "audit_log_path": "/proc/no/such"}, "audit_log_path"),
    ],
)
def test_invalid_settings_end_with_one_sentence(notify: Notify, settings: dict[str, str], setting: str) -> None:
    code, _, err = notify("send", **settings)
    assert code == 1
    [sentence] = errors(err)
    assert f"'{setting}'" in sentence


@pytest.mark.parametrize(
    "settings", [{"timeout": "soon"}, {"timeout": "0"}, {"max_attempts": "0"}, {"strict": "maybe"}]
)
def test_invalid_numbers_are_rejected_with_their_variable(notify: Notify, settings: dict[str, str]) -> None:
    code, _, err = notify("send", webhook_url="https://a", **settings)
    assert code == 2
    assert f"CXONE_NOTIFY_{next(iter(settings)).upper()}" in err


def test_no_receiver_is_a_warning_unless_strict(notify: Notify) -> None:
    code, _, err = notify("send")
    assert code == 0
    assert "WARNING" in err
    assert "'webhook_url' is not set" in err
    assert notify("send", strict="true")[0] == 1
    assert notify("test")[0] == 1


def test_nothing_is_due_without_an_audit_log(notify: Notify, log: Log, listener: Listener) -> None:
    log.path.unlink()
    code, _, err = notify("send", "--strict", webhook_url=listener.url)
    assert code == 0
    assert "does not exist, so nothing is due" in err
    assert not log.path.exists()


@pytest.mark.parametrize("path", ["missing.jsonl", "none-*.jsonl", "."])
def test_status_without_an_audit_log_is_an_error(notify: Notify, log: Log, path: str) -> None:
    log.path.unlink()
    code, out, err = notify("status", "--audit-log-path", str(log.path.parent / path))
    assert (code, out) == (1, "")
    [sentence] = errors(err)
    assert "'audit_log_path'" in sentence


def test_status_shows_delivered_due_and_failed(notify: Notify, log: Log, listen: Callable[..., Listener]) -> None:
    listener = listen(answers=[200, 503, 503])
    log.extract("job-3", 21, 26)
    log.extract("job-4", 26, 31)
    notify("send", webhook_url=f"bi={listener.url}", max_attempts="1")
    before = log.path.read_bytes()

    code, out, _ = notify("status", "--json", webhook_url=f"bi={listener.url} other={listener.url}")
    assert code == 0
    bi, other = json.loads(out)["receivers"]
    assert (bi["delivered"], bi["failed"], bi["due"], bi["waiting"]) == (1, 2, 1, 0)
    assert (other["delivered"], other["failed"], other["due"], other["waiting"]) == (0, 0, 4, 0)
    assert [window["status"] for window in bi["windows"]] == ["delivered", "failed", "failed", "due"]
    assert bi["windows"][1]["reason"] == "it answered 503"
    assert bi["windows"][1]["attempts"] == 1
    assert bi["windows"][1]["job_id"] == "job-2"

    _, out, _ = notify("status")
    assert re.search(r"^bi +1 +1 +2 +0$", out, re.MULTILINE)
    assert re.search(
        r"^bi +failed +bot_conversations +2024-01-11\S+ +2024-01-21\S+ +job-2 +20 .*503$", out, re.MULTILINE
    )
    assert log.path.read_bytes() == before


def test_test_message_is_marked_signed_and_not_recorded(
    notify: Notify, log: Log, listener: Listener, listen: Callable[..., Listener]
) -> None:
    before = log.path.read_bytes()
    code, _, err = notify("test", webhook_url=listener.url, webhook_secret=SECRET, audit_log_path="")
    assert code == 0
    assert "accepted the test message" in err
    [request] = listener.requests
    assert request.message["test"] is True
    assert request.message["source"] == "cxone_analytics_export"
    assert request.message["data_sample"] == []
    assert "webhook-signature" in request.headers
    code, _, err = notify("test", webhook_url=f"{listen(always=401).url} {listener.url}")
    assert code == 1
    assert "it answered 401" in err
    assert len(listener.requests) == 2
    assert log.path.read_bytes() == before


@pytest.mark.slow
def test_command_loads_neither_the_sdk_nor_http_at_start() -> None:
    code = (
        "import sys, tap_cxone.notify.cli, tap_cxone.notify.sending; print([m for m in sys.modules if 'singer' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    code = "import sys, tap_cxone.notify.cli; print('requests' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_meltano_yml_has_the_settings() -> None:
    project = yaml.safe_load((PROJECT / "meltano.yml").read_text())
    [plugin] = [plugin for plugin in project["plugins"]["utilities"] if plugin["name"] == "cxone-notify"]
    described = {setting["name"]: setting for setting in plugin["settings"]}
    assert described.keys() == SETTINGS.keys()
    assert {name for name, setting in described.items() if setting.get("sensitive")} == {
        "webhook_url",
        "webhook_secret",
    }
    for name, setting in described.items():
        default = SETTINGS[name].to_info_dict()["default"]
        if setting.get("value") is not None:
            assert setting["value"] == default, name
    assert plugin["commands"].keys() == {"send", "status", "test"}


def test_page_has_the_settings() -> None:
    table = (
        (PROJECT / "docs" / "notify.md").read_text().partition("| setting, `CXONE_NOTIFY_…` |")[2].partition("\n\n")[0]
    )
    rows = re.findall(r"^\| `([A-Z_]+)` \| ", table, re.MULTILINE)
    assert {row.lower() for row in rows} == SETTINGS.keys()
