"""The recipes of the README, extracted and run in empty folders: with Meltano, and without it.

Nothing in them is changed but what the reader has to fill in, and where packages come from (see ``recipes``).
"""

from __future__ import annotations

import json
import re
import socket
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tap_cxone.config.schema import SETTINGS
from tap_cxone.tap import TapCXone
from tests.conftest import PROJECT, by_id, january, read_lines
from tests.end_to_end.recipes import COMPANIONS, PLUGIN, README, Shell, blocks

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartSandbox

# One worker runs all of these tests, so that the package is built only once. Downloads may take a while.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("recipes"), pytest.mark.timeout(600)]


def loaded(folder: Path) -> list[dict[str, Any]]:
    """Return the records that the target has written since the last call."""
    files = list(folder.glob("bot_conversations*.jsonl"))
    records = [record for file in files for record in read_lines(file)]
    for file in files:
        file.unlink()
    return records


def test_a_meltano_project_from_an_empty_folder_to_a_tenant(
    wheels: Path, tmp_path: Path, start_sandbox: StartSandbox
) -> None:
    make, load, switch, access_key, client, run, companions = blocks("Use it with Meltano")
    make = make.replace("pip install meltano\n", "").replace(PLUGIN, str(wheels / "plugin.yml"))
    make = make.replace("loader target-jsonl", f"loader target-jsonl --from-ref {wheels / 'target.yml'}")
    Shell(tmp_path, wheels).run(make)
    shell = Shell(tmp_path / "my-project", wheels)
    shell.run(load)
    assert len(by_id(loaded(shell.folder / "output"))) == 14 * 240
    sandbox = start_sandbox(submit_seconds=1, rows_per_day=12)
    filled_in = client.replace("CLIENT_ID=…", f"CLIENT_ID={sandbox.client_id}")
    filled_in = filled_in.replace("CLIENT_SECRET=…", f"CLIENT_SECRET={sandbox.client_secret}")
    # The only difference to a tenant: where it is, and how much of it there is.
    settings = {
        "TAP_CXONE_API_URL": sandbox.url,
        "TAP_CXONE_START_DATE": "2026-01-01",
        "TAP_CXONE_END_DATE": "2026-01-04",
    }
    out = shell.run(switch + filled_in + run, **settings)
    assert "✓ token" in out
    assert "✗" not in out
    events = sandbox.valid_events(january(1).replace(year=2026), january(4).replace(year=2026))
    assert by_id(loaded(shell.folder / "output")) == by_id(events)
    audit = [event["event"] for event in read_lines(shell.folder / "cxone-audit.jsonl")]
    assert audit[-1] == "run_ended"
    key = access_key.replace("ACCESS_KEY_ID=…", f"ACCESS_KEY_ID={sandbox.access_key_id}")
    key = key.replace("ACCESS_KEY_SECRET=…", f"ACCESS_KEY_SECRET='{sandbox.access_key_secret}'")
    settings |= {
        "TAP_CXONE_AUTH_URL": f"{sandbox.url}/authentication/v1/token/access-key",
        "TAP_CXONE_SUBMIT_INTERVAL": "1",
    }
    shell.run(key + run.replace("prod", "keys"), **settings)
    [file] = (shell.folder / "output").glob("qm_workflows*.jsonl")
    assert len(read_lines(file)) == 3 * 12
    shell.run(re.sub(rf"{COMPANIONS}(\S+)", rf"{wheels}/\1", companions))
    assert "<html" in (shell.folder / "cxone-report.html").read_text()


def test_plain_singer_with_a_state_file_that_is_renewed_each_time(wheels: Path, tmp_path: Path) -> None:
    [config] = blocks("Use it without Meltano", "json")
    install, first, next_time = blocks("Use it without Meltano")
    (tmp_path / "config.json").write_text(config)
    shell = Shell(tmp_path, wheels)
    shell.run(install + first)
    assert len(by_id(loaded(tmp_path))) == 14 * 240
    for last_day in ("18", "20"):
        (tmp_path / "config.json").write_text(json.dumps(json.loads(config) | {"end_date": f"2024-01-{last_day}"}))
        shell.run(f"PATH=$PATH:$PWD/target/bin\n{next_time}")
        state = json.loads((tmp_path / "state.json").read_text())
        bookmark = state["bookmarks"]["bot_conversations"]["replication_key_value"]
        assert bookmark == f"2024-01-{last_day}T00:00:00.000Z"
        assert len(loaded(tmp_path)) < 14 * 240


def test_an_access_key_and_the_data_extraction_side_of_the_sandbox(wheels: Path, tmp_path: Path) -> None:
    page = (PROJECT / "docs" / "data-extraction.md").read_text()
    [recipe] = re.findall(r"^```sh\n(\(\ncxone-sandbox.*?)^```$", page, re.MULTILINE | re.DOTALL)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    Shell(tmp_path, wheels).run(recipe.replace("8100", port))
    [file] = tmp_path.glob("qm_workflows*.jsonl")
    assert len(read_lines(file)) == 3 * 120
    assert not list(tmp_path.glob("bot_conversations*"))


def test_plugin_yml_has_the_settings_of_the_sample_project() -> None:
    plugin = yaml.safe_load((PROJECT / "plugin.yml").read_text())
    project = yaml.safe_load((PROJECT / "meltano.yml").read_text())
    [extractor] = [entry for entry in project["plugins"]["extractors"] if entry["name"] == "tap-cxone"]
    own = len(SETTINGS)
    shared = ("namespace", "executable", "capabilities", "commands", "settings", "settings_group_validation")
    assert {name: plugin[name] for name in shared} == {name: extractor[name] for name in shared}
    names = [setting["name"] for setting in plugin["settings"]]
    assert names[:own] == list(SETTINGS)
    schema: dict[str, Any] = {"properties": {}}
    TapCXone.append_builtin_config(schema)
    assert set(names[own:]) <= set(schema["properties"]), (
        "those of the SDK, so that they can be set with 'meltano config set'"
    )


@pytest.mark.parametrize("name", ["cxone-report", "cxone-notify"])
def test_companion_commands_have_the_settings_of_the_sample_project(name: str) -> None:
    plugin = yaml.safe_load((PROJECT / "examples" / "meltano" / f"{name}.yml").read_text())
    project = yaml.safe_load((PROJECT / "meltano.yml").read_text())
    [utility] = [entry for entry in project["plugins"]["utilities"] if entry["name"] == name]
    for setting in plugin["settings"]:
        if setting["name"] == "audit_log_path":
            assert setting.pop("value") == "$MELTANO_PROJECT_ROOT/cxone-audit.jsonl", "as in the README"
    shared = ("namespace", "label", "executable", "commands", "settings")
    assert {key: plugin[key] for key in shared} == {key: utility[key] for key in shared}


def test_the_yaml_of_the_readme_names_settings_that_exist() -> None:
    [snippet] = blocks("Credentials and permissions", "yaml")
    plugin = yaml.safe_load(snippet)
    assert plugin["config"].keys() <= SETTINGS.keys()


def test_the_readme_is_short() -> None:
    without_code = re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL)
    prose = [line for line in without_code.splitlines() if not line.startswith("|")]
    assert len(" ".join(prose).split()) <= 1500
