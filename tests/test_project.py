"""The files around the code agree with it and with each other: settings, scripts, workflows, pre-commit, links."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tap_cxone.config.schema import JSONSCHEMA
from tests.conftest import PROJECT, skip_or_fail

if TYPE_CHECKING:
    from tests.conftest import Tap

SETTINGS: dict[str, dict[str, Any]] = JSONSCHEMA["properties"]
SDK_SETTINGS = {
    "batch_config",
    "stream_maps",
    "stream_map_config",
    "faker_config",
    "flattening_enabled",
    "flattening_max_depth",
    "flattening_max_key_length",
    "flattening_separator",
}

TOP_LEVEL = {
    "CHANGELOG.md",
    "Dockerfile",
    "LICENSE",
    "README.md",
    "docs",
    "examples",
    "meltano.yml",
    "plugin.yml",
    "pyproject.toml",
    "scripts",
    "tap_cxone",
    "tests",
}
REGISTRY_HOSTS = ("pypi." + "org", "pythonhosted." + "org", "npmjs." + "org")


def own(names: set[str]) -> set[str]:
    return {name for name in names if name in SETTINGS or name not in SDK_SETTINGS}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((PROJECT / "meltano.yml").read_text())
    return content


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((PROJECT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    """Return the paths of all files that git tracks and that are there."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [name for name in done.stdout.split("\0") if name and (PROJECT / name).is_file()]


def texts(*patterns: str) -> dict[str, str]:
    """Return the text of the files that match, by their path in the project."""
    files = [path for pattern in patterns for path in PROJECT.glob(pattern) if path.is_file()]
    assert files
    return {str(path.relative_to(PROJECT)): path.read_text() for path in files}


def test_every_setting_has_title_and_description() -> None:
    assert all(spec["title"] and spec["description"] for spec in SETTINGS.values())
    assert {name for name, spec in SETTINGS.items() if spec.get("secret")} == {
        "client_id",
        "client_secret",
        "access_key_id",
        "access_key_secret",
    }


def test_about_shows_the_settings(tap: Tap) -> None:
    code, out, _ = tap.run_with_options("--about", "--format=json")
    about = json.loads(out)
    assert code == 0
    shown = about["settings"]["properties"]
    assert own(set(shown)) == SETTINGS.keys()
    for name, spec in SETTINGS.items():
        assert shown[name]["description"] == spec["description"]
        assert shown[name].get("default") == spec.get("default")
    assert "batch" in about["capabilities"]


def test_meltano_yml_has_the_settings(project: dict[str, Any]) -> None:
    [extractor] = [plugin for plugin in project["plugins"]["extractors"] if "inherit_from" not in plugin]
    described = {setting["name"]: setting for setting in extractor["settings"]}
    assert list(described)[: len(SETTINGS)] == list(SETTINGS), "those of the SDK follow; see plugin.yml"
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
    lines = re.findall(r"^(?:# )?TAP_CXONE_(\w+)=(.*)$", text, re.MULTILINE)
    assert Counter(name.lower() for name, _ in lines) == Counter(SETTINGS.keys()), "each setting once"
    entries = dict(lines)
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


def test_no_tracked_file_names_a_package_registry(tracked: list[str]) -> None:
    assert not [name for name in tracked if name.endswith(".lock")]
    for name in tracked:
        text = (PROJECT / name).read_text(errors="ignore")
        assert not any(host in text for host in REGISTRY_HOSTS), name


def test_no_tracked_file_names_the_path_of_this_checkout(tracked: list[str]) -> None:
    assert not [name for name in tracked if f"{PROJECT}/" in (PROJECT / name).read_text(errors="ignore")]


def test_the_top_level_folder_is_tidy(tracked: list[str]) -> None:
    names = {name.split("/")[0] for name in tracked}
    assert {name for name in names if not name.startswith(".")} <= TOP_LEVEL


def test_every_script_that_is_named_exists() -> None:
    named = re.compile(r"(?<![\w./-])(?:\$MELTANO_PROJECT_ROOT/)?((?:scripts|\.ci)/\w[\w.]*\w)")
    files = texts("README.md", ".github/**/*.md", ".github/**/*.yml", ".pre-commit-config.yaml", "meltano.yml")
    files |= texts(".ci/*", "scripts/*", "docs/**/*.md", "tests/**/conftest.py")
    found = {(file, script) for file, text in files.items() for script in named.findall(text)}
    assert {"scripts/demo", "scripts/test", "scripts/summary.py", ".ci/run"} <= {script for _, script in found}
    for file, script in found:
        assert (PROJECT / script).is_file(), f"{file} names {script}"
        assert script.endswith(".py") or os.access(PROJECT / script, os.X_OK), f"{script} is not executable"


def test_relative_links_lead_to_files() -> None:
    for file, text in texts("*.md", ".github/**/*.md", "docs/**/*.md", "examples/**/*.md").items():
        for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text):
            assert (PROJECT / file).parent.joinpath(link).exists(), f"{file} links to {link}"


def test_pre_commit_runs_the_commands_of_ci() -> None:
    commands = re.findall(r"^(?:\.venv/bin|scripts)/.*$", (PROJECT / ".ci" / "run").read_text(), re.MULTILINE)
    [local] = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text())["repos"]
    assert local["repo"] == "local"
    assert {hook["entry"].removesuffix(' -m "not slow"') for hook in local["hooks"]} == set(commands)
    assert len(commands) == 5


def test_workflows_pin_actions_to_commits() -> None:
    for file, text in texts(".github/workflows/*.yml").items():
        uses = re.findall(r"uses: (.*)", text)
        assert uses, file
        assert not [action for action in uses if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", action)], file


def test_python_versions_agree(pyproject: dict[str, Any]) -> None:
    workflow = yaml.safe_load((PROJECT / ".github" / "workflows" / "test.yml").read_text())
    tested = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    found = (
        re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", c) for c in pyproject["project"]["classifiers"]
    )
    assert [match[1] for match in found if match] == tested
    assert pyproject["project"]["requires-python"] == f">={tested[0]}"


def test_the_changelog_has_the_current_version(pyproject: dict[str, Any]) -> None:
    sections = re.findall(r"^## \[(.+?)\]", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert sections[0] == "Unreleased"
    version = pyproject["project"]["version"]
    assert version.endswith(".dev0") or sections[1] == version
    assert sections[1] != version.removesuffix(".dev0") or sections[1] == version, "it is on the way to another one"


def test_a_test_that_is_not_slow_cannot_start_a_process() -> None:
    with pytest.raises(AssertionError, match=r"pytest\.mark\.slow"):
        subprocess.run([sys.executable, "-c", ""], check=False)


def test_a_missing_tool_skips_a_test_but_fails_it_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no browser"):
        skip_or_fail("no browser")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no browser"):
        skip_or_fail("no browser")
