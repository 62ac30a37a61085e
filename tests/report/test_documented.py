"""docs/report.md and meltano.yml have the options of the command, with the same defaults."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tap_cxone.report.cli import DEFAULT_OUTPUT, main
from tests.conftest import PROJECT

OPTIONS = {option.opts[0].removeprefix("--").replace("-", "_"): option for option in main.params}


def plugins() -> dict[str, dict[str, Any]]:
    content = yaml.safe_load((PROJECT / "meltano.yml").read_text())
    return {plugin["name"]: plugin for plugin in content["plugins"]["utilities"]}


def test_each_option_has_an_environment_variable() -> None:
    assert {name: option.envvar for name, option in OPTIONS.items()} == {
        name: f"CXONE_REPORT_{name.upper()}" for name in OPTIONS
    }


def test_the_page_has_the_options() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.+?) \| .+\|$", (PROJECT / "docs" / "report.md").read_text(), re.MULTILINE)
    names = [name for name, _ in rows]
    assert {name.upper() for name in OPTIONS} <= set(names)
    defaults = dict(rows)
    assert defaults["MAX_REFUSED"] == f"`{OPTIONS['max_refused'].default}`"
    assert defaults["OUTPUT"] == f"`{DEFAULT_OUTPUT}`"


def test_meltano_yml_has_the_command() -> None:
    plugin = plugins()["cxone-report"]
    settings = {setting["name"]: setting for setting in plugin["settings"]}
    assert settings.keys() - {"check_start", "check_end"} <= OPTIONS.keys()
    assert all(
        next(iter(setting)) == "name" and setting["label"] and setting["description"] for setting in settings.values()
    )
    assert float(settings["max_refused"]["value"]) == OPTIONS["max_refused"].default
    assert plugin["commands"].keys() == {"write", "check"}
    assert plugin["config"].keys() <= settings.keys()
