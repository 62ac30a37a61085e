"""Mistakes that a user hears of: names that nothing has, selections without a stream, stream maps that do not work."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import config_for
from tests.end_to_end.helpers import WORKFLOWS, catalog_entry, catalog_for, expected_events, extraction_config

if TYPE_CHECKING:
    from tests.conftest import StartSandbox, Tap


def test_an_unknown_setting_is_a_warning(tap: Tap, start_sandbox: StartSandbox) -> None:
    environment = {"TAP_CXONE_WINDOW_DAY": "3"}
    run = tap(config_for(start_sandbox(), end_date="2024-01-02", window_dais=3), environment=environment)
    assert run.code == 0
    assert run.log.count("Setting 'window_dais' is unknown and ignored: did you mean 'window_days'?") == 1
    assert "TAP_CXONE_WINDOW_DAY" not in run.log, "the environment is not read without --config=ENV"


def test_a_selection_of_nothing_is_an_error(tap: Tap, start_sandbox: StartSandbox) -> None:
    catalog = catalog_for(WORKFLOWS)
    for entry in catalog["streams"]:
        for metadata in entry["metadata"]:
            if not metadata["breadcrumb"]:
                metadata["metadata"]["selected"] = False
    sandbox = start_sandbox()
    run = tap(config_for(sandbox), catalog=catalog)
    assert run.code == 2
    assert "No stream is selected: select at least one in the catalog" in run.log
    assert not sandbox.requests


def test_a_stream_of_the_catalog_that_does_not_exist_is_a_warning(tap: Tap, start_sandbox: StartSandbox) -> None:
    config = config_for(start_sandbox(), end_date="2024-01-02")
    catalog = json.loads(tap.run_with_options("--config", tap._write("config", config), "--discover")[1])
    [entry] = [entry for entry in catalog["streams"] if entry["stream"] == "bot_conversations"]
    unknown = json.loads(json.dumps(entry).replace("bot_conversations", "bot_conversation"))
    for metadata in unknown["metadata"]:
        if not metadata["breadcrumb"]:
            metadata["metadata"]["selected"] = True
    catalog["streams"].append(unknown)
    run = tap(config, catalog=catalog)
    assert run.code == 0
    assert "'bot_conversation' is selected but does not exist: did you mean 'bot_conversations'?" in run.log


@pytest.mark.parametrize(
    ("select", "code", "text"),
    [
        (["bot_conversation.*", "bot_conversations.*"], 0, "did you mean 'bot_conversations'?"),
        (["bot_conversations.*"], 0, None),
        (["*.*"], 0, None),
        (["!bot_conversations.agentId", "*.*"], 0, None),
    ],
    ids=str,
)
def test_patterns_of_meltano_that_match_no_stream(
    tap: Tap, start_sandbox: StartSandbox, select: list[str], code: int, text: str | None
) -> None:
    environment = {"MELTANO_EXTRACT__SELECT": json.dumps(select)}
    run = tap(config_for(start_sandbox(), end_date="2024-01-02"), environment=environment)
    assert run.code == code
    assert ("does not exist" in run.log) == bool(text)
    assert (text or "") in run.log


@pytest.mark.parametrize(
    ("stream_map", "text"),
    [
        ({"botId": "nope(botId)"}, "field 'botId': the expression 'nope(botId)' uses 'nope', which is not a function"),
        ({"botId": "nope + 1"}, "field 'botId': the expression 'nope + 1' uses 'nope', which is not a field"),
        ({"botId": "botId +"}, "field 'botId': the expression 'botId +' is not valid Python"),
        ({"x": "duration + botId"}, "field 'x': the expression 'duration + botId' fails for a record (TypeError)"),
        ({"x": "int(botId)"}, "field 'x': the expression 'int(botId)' fails for a record (ValueError)"),
        ({"__filter__": "lasted > 1"}, "the filter: the expression 'lasted > 1' uses 'lasted', which is not a field"),
    ],
    ids=str,
)
def test_a_stream_map_that_does_not_work(
    tap: Tap, start_sandbox: StartSandbox, stream_map: dict[str, Any], text: str
) -> None:
    sandbox = start_sandbox()
    run = tap(config_for(sandbox, end_date="2024-01-02", stream_maps={"bot_conversations": stream_map}))
    assert run.code == 2
    assert f"Setting 'stream_maps': stream 'bot_conversations', {text}" in run.log
    assert "Traceback" not in run.log
    assert not [event["botId"] for event in expected_events(sandbox, 1, 2).values() if event["botId"] in run.log]


def test_the_path_of_an_audit_log_that_cannot_be_opened_is_named(tap: Tap, start_sandbox: StartSandbox) -> None:
    run = tap(config_for(start_sandbox(), audit_log_path="/dev/null/audit.jsonl"))
    assert run.code == 2
    assert "Setting 'audit_log_path': the file '/dev/null/audit.jsonl' cannot be opened (File exists)" in run.log


@pytest.mark.parametrize("region", ["us-east-1", "europe", "1", "na1.nice-incontact.com"])
def test_a_region_of_another_form(tap: Tap, region: str) -> None:
    config = {"auth_method": "access_key", "access_key_id": "a", "access_key_secret": "b", "start_date": "2024-01-01"}
    run = tap(config | {"region": region})
    assert run.code == 2
    assert "Setting 'region' must be a region of the platform, such as na1, au1, eu1 or uk1." in run.log


def test_a_stream_map_for_something_that_does_not_exist_is_a_warning(tap: Tap, start_sandbox: StartSandbox) -> None:
    """Without the warning, a column that a stream map was meant to remove would be loaded unnoticed."""
    maps = {"bot_conversations": {"agentIdd": "__NULL__", "new": "md5(id)"}, "bot_conversatoins": {"id": None}}
    run = tap(config_for(start_sandbox(), end_date="2024-01-02", stream_maps=maps))
    assert run.code == 0
    assert "stream 'bot_conversations' has no column 'agentIdd' to remove: did you mean 'agentId'?" in run.log
    assert "there is no stream 'bot_conversatoins': did you mean 'bot_conversations'?" in run.log
    assert "'new'" not in run.log


def test_an_access_key_without_its_method(tap: Tap) -> None:
    run = tap({"region": "na1", "access_key_id": "a", "access_key_secret": "b", "start_date": "2024-01-01"})
    assert run.code == 2
    assert "or set 'auth_method' to access_key for an access key alone." in run.log


def test_the_env_file_is_that_of_the_current_folder_and_keeps_variables(tap: Tap, start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    lines = {"CLIENT_ID": sandbox.client_id, "CLIENT_SECRET": "of the file", "API_URL": sandbox.url}
    lines |= {"START_DATE": "2024-01-01", "END_DATE": "2024-01-02"}
    (tap.folder / ".env").write_text("".join(f"TAP_CXONE_{name}='{value}'\n" for name, value in lines.items()))
    environment = {"TAP_CXONE_CLIENT_SECRET": sandbox.client_secret}
    code, out, _ = tap.run_with_options("--config", "ENV", environment=environment)
    assert (code, out.count('"type":"RECORD"')) == (0, 24)
    assert tap.run_with_options("doctor", "--quick", environment=environment)[0] == 0
    assert tap.run_with_options("--config", "ENV")[0] == 3
    assert tap.run_with_options("doctor", "--quick")[0] == 1


def test_under_meltano_an_unknown_variable_is_a_warning_in_each_run(tap: Tap, start_sandbox: StartSandbox) -> None:
    environment = {
        "MELTANO_PROJECT_ROOT": str(tap.folder),
        "TAP_CXONE_LOOKBACK_MINUTE": "1440",
        "TAP_CXONE_STREAM_MAPS_BOT_CONVERSATIONS_X": "botId",  # how Meltano hands over a part of an object
    }
    run = tap(config_for(start_sandbox(), end_date="2024-01-02"), environment=environment)
    assert run.code == 0
    assert run.log.count("is unknown and ignored") == 1
    assert "Setting 'lookback_minute' (variable TAP_CXONE_LOOKBACK_MINUTE) is unknown and ignored" in run.log


@pytest.mark.parametrize("pattern", ["!qm_workflows.coment", "!qm_workflows.first_*"])
def test_a_pattern_that_no_column_matches_is_a_warning(
    tap: Tap, start_extraction_sandbox: StartSandbox, pattern: str
) -> None:
    select = json.dumps(["qm_workflows.*", pattern, "!qm_workflows.comment", "!qm_workflows.phone_*"])
    config = extraction_config(start_extraction_sandbox(), end_date="2024-01-03")
    run = tap(config, catalog=catalog_for(WORKFLOWS), environment={"MELTANO_EXTRACT__SELECT": select})
    assert run.code == 0
    assert run.log.count("matches no column") == 1, "only the wrong one, and once for two windows"
    assert f"Meltano's 'select': '{pattern}' matches no column" in run.log


def test_flattening_without_a_depth(tap: Tap, start_sandbox: StartSandbox) -> None:
    run = tap(config_for(start_sandbox(), flattening_enabled=True))
    assert run.code == 2
    [error] = run.errors
    assert error.endswith(
        "Setting 'flattening_max_depth' is missing: 'flattening_enabled' needs the number of levels to flatten."
    )


def test_another_type_of_a_bot_conversations_column(tap: Tap, start_sandbox: StartSandbox) -> None:
    catalog = catalog_for("bot_conversations")
    properties = catalog_entry(catalog, "bot_conversations")["schema"]["properties"]
    properties["botId"]["type"] = ["string", "null"]  # a wider one is no promise that is broken
    assert tap(config_for(start_sandbox(), end_date="2024-01-02"), catalog=catalog).code == 0
    properties["agentId"]["type"] = ["integer", "null"]
    run = tap(config_for(start_sandbox()), catalog=catalog)
    assert run.code == 2
    assert "gives the column 'agentId' another type than string" in run.errors[0]
    assert not run.records


@pytest.mark.parametrize(
    ("catalog", "text"),
    [
        ({}, "it has no list 'streams'"),
        ({"streams": None}, "it has no list 'streams'"),
        ({"streams": [1]}, "stream 1 has no 'tap_stream_id'"),
        ({"streams": [{"tap_stream_id": "a", "metadata": []}]}, "stream 'a' has no 'schema'"),
        ({"streams": [{"tap_stream_id": "a", "schema": {}}]}, "stream 'a' has no 'schema' with 'properties'"),
        ({"streams": [{"tap_stream_id": "a", "schema": {"properties": {}}, "metadata": "x"}]}, "'metadata' of stream"),
    ],
    ids=str,
)
def test_a_catalog_of_another_form(tap: Tap, catalog: Any, text: str) -> None:
    run = tap({"sandbox": True, "start_date": "2024-01-01"}, catalog=catalog)
    assert run.code == 2
    [error] = run.errors
    assert text in error
    assert "Traceback" not in run.log


def test_an_audit_log_that_is_another_file_is_left_alone(tap: Tap, start_sandbox: StartSandbox) -> None:
    path = tap.folder / "notes.json"
    path.write_text('{"mine": 1}\n')
    run = tap(config_for(start_sandbox(), audit_log_path=str(path)))
    assert run.code == 2
    assert "is not an audit log: name another one" in run.errors[0]
    assert path.read_text() == '{"mine": 1}\n'


def test_a_work_folder_that_is_a_file(tap: Tap, start_sandbox: StartSandbox) -> None:
    path = tap.folder / "file"
    path.write_text("")
    run = tap(config_for(start_sandbox(), work_dir=str(path)))
    assert run.code == 2
    assert "'work_dir'" in run.errors[0]
