"""Recipes of README and docs: extracts them, and runs them in a folder with a wheel of this checkout.

They install from the repository and take a loader from Meltano Hub. Neither is to be had in a test, so the wheel and a
definition of the loader take their places.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.conftest import PROJECT

README = (PROJECT / "README.md").read_text()
REPOSITORY = "git+https://github.com/tap-cxone/tap-cxone.git"
COMPANIONS = "https://raw.githubusercontent.com/tap-cxone/tap-cxone/main/examples/meltano/"
PLUGIN = "https://raw.githubusercontent.com/tap-cxone/tap-cxone/main/plugin.yml"
TARGET = {
    "name": "target-jsonl",
    "variant": "andyh1203",
    "namespace": "target_jsonl",
    "pip_url": "target-jsonl",
    "executable": "target-jsonl",
    "settings": [{"name": "destination_path", "value": "output"}],
}


def blocks(section: str, language: str = "sh", text: str = README) -> list[str]:
    """Return the code blocks of a section of the README, or of another page."""
    text = text.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@dataclass
class Shell:
    """Runs recipes in a folder, one after the other."""

    folder: Path
    wheels: Path

    def run(self, script: str, **variables: str) -> str:
        """Run a script, which has to succeed in every line; return what it writes."""
        ours = ("TAP_CXONE", "MELTANO", "CXONE")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        for name in ("NO_PROXY", "no_proxy"):
            environment[name] = ",".join(filter(None, (environment.get(name), "127.0.0.1", "localhost")))
        environment |= {
            "PATH": f"{self.wheels / 'venv' / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "UV_FIND_LINKS": str(self.wheels),
            "PIP_FIND_LINKS": str(self.wheels),
            "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}"
        return done.stdout


def build_wheels(folder: Path) -> None:
    """Fill a folder with a wheel of this checkout, and an environment with what the README installs."""
    uv = (sys.executable, "-m", "uv", "--quiet")
    commands = (
        (sys.executable, "-m", "build", "--installer", "uv", "--wheel", "--outdir", folder, PROJECT),
        (*uv, "venv", "--python", sys.executable, folder / "venv"),
        (*uv, "pip", "install", "--python", folder / "venv" / "bin" / "python", "target-jsonl"),
    )
    for command in commands:
        subprocess.run(command, check=True, cwd=folder, capture_output=True)
    [install] = blocks("Install")
    assert f" @ {REPOSITORY}" in install
    requirement = re.findall("'(.*)'", install.replace(f" @ {REPOSITORY}", ""))
    python = folder / "venv" / "bin" / "python"
    command = (*uv, "pip", "install", "--python", python, "--find-links", folder, *requirement)
    subprocess.run(command, check=True, cwd=folder, capture_output=True)
    for file in (PROJECT / "plugin.yml", *(PROJECT / "examples" / "meltano").glob("*.yml")):
        definition = file.read_text()
        assert REPOSITORY in definition
        (folder / file.name).write_text(definition.replace(f" @ {REPOSITORY}", ""))
    (folder / "target.yml").write_text(yaml.safe_dump(TARGET))
