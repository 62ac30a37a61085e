"""README, --about, meltano.yml, .env.example and the code name the same settings, with the same defaults."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tap_cxone.config.schema import JSONSCHEMA
from tests.conftest import PROJECT

if TYPE_CHECKING:
    from tests.conftest import Tap

SETTINGS: dict[str, dict[str, Any]] = JSONSCHEMA["properties"]
SDK_SETTINGS = {
    "stream_maps",
    "stream_map_config",
    "faker_config",
    "flattening_enabled",
    "flattening_max_depth",
    "flattening_max_key_length",
    "flattening_separator",
}


def own(names: set[str]) -> set[str]:
    return {name for name in names if name in SETTINGS or name not in SDK_SETTINGS}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((PROJECT / "meltano.yml").read_text())
    return content


def test_every_setting_has_title_and_description() -> None:
    assert all(spec["title"] and spec["description"] for spec in SETTINGS.values())
    assert {name for name, spec in SETTINGS.items() if spec.get("secret")} == {
        "client_id",
        "client_secret",
        "access_key_id",
        "access_key_secret",
    }


def test_about_shows_the_settings(tap: Tap) -> None:
    code, out, _ = tap.text("--about", "--format=json")
    about = json.loads(out)
    assert code == 0
    shown = about["settings"]["properties"]
    assert own(set(shown)) == SETTINGS.keys()
    for name, spec in SETTINGS.items():
        assert shown[name]["description"] == spec["description"]
        assert shown[name].get("default") == spec.get("default")
    assert "batch" not in about["capabilities"]


def test_meltano_yml_has_the_settings(project: dict[str, Any]) -> None:
    [extractor] = [plugin for plugin in project["plugins"]["extractors"] if "inherit_from" not in plugin]
    described = {setting["name"]: setting for setting in extractor["settings"]}
    assert described.keys() == SETTINGS.keys()
    for name, spec in SETTINGS.items():
        assert described[name]["description"] == spec["description"], name
        assert described[name].get("value") == spec.get("default"), name
        assert described[name]["label"] == spec["title"], name
        assert bool(described[name].get("sensitive")) == bool(spec.get("secret")), name
    for environment in project["environments"]:
        [config] = environment["config"]["plugins"]["extractors"]
        assert config["config"].keys() <= SETTINGS.keys()
    assert extractor["config"].keys() <= SETTINGS.keys()


def test_env_example_has_the_settings() -> None:
    text = (PROJECT / ".env.example").read_text()
    entries = dict(re.findall(r"^(?:# )?TAP_CXONE_(\w+)=(.*)$", text, re.MULTILINE))
    assert {name.lower() for name in entries} == SETTINGS.keys()
    for name, spec in SETTINGS.items():
        assert f"# {spec['description']}\n" in text, name
        if "default" in spec:
            assert entries[name.upper()].lower() == str(spec["default"]).lower(), name


def test_the_readme_has_the_settings() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", (PROJECT / "README.md").read_text(), re.MULTILINE)
    shown = {name: (default, meaning) for name, default, meaning in rows if name in SETTINGS}
    assert shown.keys() == SETTINGS.keys()
    for name, spec in SETTINGS.items():
        default, meaning = shown[name]
        assert meaning == spec["description"], name
        if "default" in spec:
            assert default == f"`{json.dumps(spec['default']).strip(chr(34))}`", name


def test_no_tracked_file_names_the_host_of_a_package_registry() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    files = tracked.stdout.split()
    assert not [name for name in files if name.endswith(".lock")]
    hosts = ("pypi." + "org", "pythonhosted." + "org", "npmjs." + "org")
    for name in files:
        text = (PROJECT / name).read_text(errors="ignore") if (PROJECT / name).is_file() else ""
        assert not any(host in text for host in hosts), name
