"""`tap-cxone doctor` as a process: each fault is named by the right line, and no line holds a secret."""

from __future__ import annotations

import json
import re
import socket
from typing import TYPE_CHECKING, Any

import pytest

from tap_cxone.sandbox import Fault
from tests.conftest import PROJECT, config_for
from tests.end_to_end.helpers import WORKFLOWS, catalog_for, extraction_config

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartSandbox, Tap

STREAM, COLUMNS = "stream bot_conversations", "columns of bot_conversations"
SLOTS = "slots for analytics exports"


def examine(tap: Tap, config: dict[str, Any], *options: str, **environment: str) -> tuple[int, list[dict[str, str]]]:
    """Return exit code and findings."""
    path = tap.folder / "config.json"
    path.write_text(json.dumps(config))
    code, out, errors = tap.run_with_options(
        "doctor", "--config", str(path), "--json", *options, environment=environment
    )
    assert "Traceback" not in errors
    for name, value in config.items():
        if name.endswith(("secret", "_id")) and len(str(value)) > 1:
            assert str(value) not in out
    result = json.loads(out)
    assert result["ok"] == (code == 0)
    return code, result["findings"]


def problems(findings: list[dict[str, str]]) -> dict[str, str]:
    """Return the texts of the problems by check."""
    return {finding["check"]: finding["text"] for finding in findings if finding["outcome"] == "problem"}


def test_all_is_well(tap: Tap, start_sandbox: StartSandbox, tmp_path: Path) -> None:
    sandbox = start_sandbox()
    code, findings = examine(tap, config_for(sandbox, audit_log_path=str(tmp_path / "logs" / "audit.jsonl")))
    assert (code, problems(findings)) == (0, {})
    assert [finding["check"] for finding in findings] == [
        "settings",
        "work_dir",
        "audit_log_path",
        "selection",
        "name 127.0.0.1",
        "connection 127.0.0.1",
        "clock of 127.0.0.1",
        "token",
        SLOTS,
        STREAM,
        COLUMNS,
    ]
    assert len(sandbox.jobs) == 1
    assert not (tmp_path / "logs").exists()


def test_quick_creates_no_job(tap: Tap, start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    code, _ = examine(tap, config_for(sandbox), "--quick")
    assert (code, sandbox.jobs) == (0, [])


FAULTS: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "wrong secret": ({}, {"client_secret": "not the one"}, "token", "'client_secret'"),
    "no listing": ({"faults": (Fault("list", "403"),)}, {}, SLOTS, "cannot be listed"),
    "no permission": ({"faults": (Fault("create", "403"),)}, {}, STREAM, "analytics:export:write"),
    "invalid filter": ({"faults": (Fault("create", "400"),)}, {}, STREAM, "'export_filter'"),
    "busy platform": ({"faults": (Fault("status", "503"),)}, {}, STREAM, "try again later"),
    "proxy at the token": ({"faults": (Fault("token", "html"),)}, {}, "token", "whether a proxy answers"),
    "proxy at the list": ({"faults": (Fault("list", "html"),)}, {}, SLOTS, "whether a proxy answers"),
    "proxy at the create": ({"faults": (Fault("create", "html"),)}, {}, STREAM, "whether a proxy answers"),
    "no permission to read": ({"faults": (Fault("status", "403"),)}, {}, STREAM, "analytics:export:read"),
    "one file for two": ({}, {"audit_log_path": "a", "journal_path": "a"}, "settings", "name the same file"),
    "no slot": ({"foreign_jobs": 3, "foreign_seconds": 60}, {}, SLOTS, "all 3 are used"),
    "failed job": ({"fail_all": True}, {}, STREAM, "failed"),
    "stuck job": ({"stuck_first": 1}, {"export_timeout": 1}, STREAM, "not finished after 1 s"),
    "damaged file": ({"faults": (Fault("download", "corrupt"),)}, {}, STREAM, "damaged"),
    "rejected records": ({"bad_records": 0.1}, {}, COLUMNS, "are rejected"),
    "unknown setting": ({}, {"window_day": 3}, "settings", "did you mean 'window_days'"),
    "invalid setting": ({}, {"window_days": 99}, "settings", "from 1 to 30"),
    "future": ({}, {"start_date": "2999-01-01", "end_date": None}, "start_date", "lies in the future"),
    "clock": ({"clock_ahead": 200}, {}, "clock of 127.0.0.1", "s behind it: set its clock"),
    "folder": ({}, {"work_dir": "/dev/null/x"}, "work_dir", "/dev/null is not a folder"),
    "another file": ({}, {"audit_log_path": __file__}, "audit_log_path", "is not an audit log"),
    "unusable path": ({}, {"audit_log_path": "~no-such-user/a"}, "audit_log_path", "is not usable"),
    "file": ({}, {"audit_log_path": "/dev"}, "audit_log_path", "name a file in it"),
    "no space": ({}, {"work_dir_max_mib": 10**9}, "work_dir", "'work_dir_max_mib'"),
    "unknown name": ({}, {"api_url": "http://cxone.invalid"}, "name cxone.invalid", "not found"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named_by_the_right_line(tap: Tap, start_sandbox: StartSandbox, name: str) -> None:
    options, settings, check, text = FAULTS[name]
    code, findings = examine(tap, config_for(start_sandbox(**options)) | settings)
    found = problems(findings)
    assert code == 1
    assert list(found) == [check]
    assert text in found[check]


def test_a_stream_map_is_tried_with_the_records_of_the_day(tap: Tap, start_sandbox: StartSandbox) -> None:
    maps = {"bot_conversations": {"x": "int(botId)"}}
    code, findings = examine(tap, config_for(start_sandbox(), stream_maps=maps))
    assert code == 1
    assert "the expression 'int(botId)' fails for a record" in problems(findings)["stream maps of bot_conversations"]
    code, findings = examine(tap, config_for(start_sandbox(), stream_maps={"bot_conversations": {"x": "md5(botId)"}}))
    assert code == 0
    assert findings[-1]["text"] == "24 records come out"


def test_a_required_setting_that_is_misspelled(tap: Tap, start_sandbox: StartSandbox) -> None:
    config = config_for(start_sandbox()) | {"client_id": "of-a-client", "client_secrt": "of-a-secret"}
    del config["client_secret"]
    code, findings = examine(tap, config)
    texts = [finding["text"] for finding in findings]
    assert code == 1
    assert texts[0].startswith("Setting 'client_secrt' is unknown and ignored: did you mean 'client_secret'?")
    assert texts[1].startswith("Setting 'client_secret' is missing")


def test_a_stream_of_the_catalog_that_does_not_exist(tap: Tap, start_extraction_sandbox: StartSandbox) -> None:
    path = tap.folder / "catalog.json"
    path.write_text(json.dumps(catalog_for(WORKFLOWS)).replace(WORKFLOWS, "qm_workflow"))
    code, findings = examine(tap, extraction_config(start_extraction_sandbox()), "--catalog", str(path))
    assert code == 1
    texts = [finding["text"] for finding in findings if finding["check"] == "selection"]
    assert "did you mean 'qm_workflows'?" in texts[0]


def test_a_port_that_is_closed(tap: Tap, start_sandbox: StartSandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    code, findings = examine(tap, config_for(start_sandbox(), api_url=f"http://127.0.0.1:{port}"))
    assert code == 1
    found = problems(findings)
    assert list(found) == ["connection 127.0.0.1"]
    assert (
        f"port {port} cannot be reached (Connection refused): check the setting 'api_url'"
        in found["connection 127.0.0.1"]
    )
    assert findings[-1] == {"check": "exports", "outcome": "skipped", "text": "they need what has failed above"}


def test_a_server_without_tls(tap: Tap, start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    code, findings = examine(tap, config_for(sandbox, api_url=sandbox.url.replace("http:", "https:")))
    assert code == 1
    assert problems(findings)["TLS 127.0.0.1"].startswith("the server does not speak TLS at this port")


def test_a_file_of_certificates_that_does_not_exist(tap: Tap, start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    config = config_for(sandbox, api_url=sandbox.url.replace("http:", "https:"))
    code, findings = examine(tap, config, REQUESTS_CA_BUNDLE="missing.pem")
    assert code == 1
    assert problems(findings) == {
        "TLS 127.0.0.1": "the file of trusted certificates cannot be read (No such file or directory): check "
        "REQUESTS_CA_BUNDLE"
    }


def test_a_proxy_that_cannot_be_reached(tap: Tap, start_sandbox: StartSandbox) -> None:
    proxy = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "NO_PROXY": "", "no_proxy": ""}
    code, findings = examine(tap, config_for(start_sandbox(), api_url="http://cxone.invalid"), **proxy)
    assert code == 1
    [(check, text)] = problems(findings).items()
    assert check == "connection cxone.invalid"
    assert text.startswith("the proxy could not be reached")
    assert "api_url" not in text


def test_a_wrong_clock_does_not_end_the_examination(tap: Tap, start_sandbox: StartSandbox) -> None:
    _, findings = examine(tap, config_for(start_sandbox(clock_ahead=200)))
    assert findings[-1]["check"] == COLUMNS


# --- Data Extraction --------------------------------------------------------------------------------------------------


def catalog(tap: Tap) -> str:
    path = tap.folder / "catalog.json"
    path.write_text(json.dumps(catalog_for(WORKFLOWS)))
    return str(path)


def test_a_stream_of_the_data_extraction_api(tap: Tap, start_extraction_sandbox: StartSandbox) -> None:
    sandbox = start_extraction_sandbox()
    code, findings = examine(tap, extraction_config(sandbox), "--catalog", catalog(tap))
    assert (code, problems(findings)) == (0, {})
    [columns] = [finding["text"] for finding in findings if finding["check"] == f"columns of {WORKFLOWS}"]
    assert columns.startswith("all 12 records fit")


@pytest.mark.slow
def test_an_entity_without_permission(tap: Tap, start_extraction_sandbox: StartSandbox) -> None:
    sandbox = start_extraction_sandbox(forbidden_entities="qm-workflows")
    code, findings = examine(tap, extraction_config(sandbox), "--catalog", catalog(tap))
    assert code == 1
    text = problems(findings)[f"stream {WORKFLOWS}"]
    assert "a permission is missing" in text
    assert "check that the user has the permission 'QM Tools > Data Extraction APIs > QM Workflow API'" in text


# --- The command ------------------------------------------------------------------------------------------------------


def test_text_has_a_mark_for_each_line(tap: Tap) -> None:
    environment = {"TAP_CXONE_SANDBOX": "true", "TAP_CXONE_START_DATE": "2024-01-01"}
    code, out, _ = tap.run_with_options("doctor", "--quick", environment=environment)
    assert code == 0
    assert {line.split()[0] for line in out.splitlines()} == {"✓", "·"}


def test_wrong_usage_ends_with_2(tap: Tap) -> None:
    assert tap.run_with_options("doctor", "--fast")[0] == 2
    assert tap.run_with_options("doctor", "--config", "missing.json")[0] == 2
    assert tap.run_with_options("doctor", "--catalog", "missing.json")[0] == 2


def test_without_settings_the_first_missing_one_is_named(tap: Tap) -> None:
    code, out, _ = tap.run_with_options("doctor")
    assert code == 1
    assert "Setting 'start_date' is missing" in out


def test_the_page_shows_the_checks_that_are_made(tap: Tap, start_extraction_sandbox: StartSandbox) -> None:
    page = (PROJECT / "docs" / "doctor.md").read_text()
    shown = re.findall(r"^[✓✗·] (.+?): ", page, re.MULTILINE)
    host = "na1.nice-incontact.com"
    config = extraction_config(start_extraction_sandbox(), audit_log_path="audit.jsonl")
    _, findings = examine(tap, config, "--catalog", catalog(tap))
    made = [finding["check"].replace("127.0.0.1", host).replace("connection", "TLS") for finding in findings]
    assert made == shown
